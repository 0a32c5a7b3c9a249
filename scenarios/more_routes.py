"""More routes for a town that has some: distinct ones, of the same lengths and turns.

The rule, with the routes that are there as a model:

1. Candidates are drawn as for the first routes (`scenarios.generate`), with the seed after theirs.
2. The models' lengths are cut into thirds. The next route comes from the third that has the fewest.
3. No route shares more than `MAX_SHARE` of its way with any one other, in either order of the two.
   So none is contained in another.
4. Among the candidates left, the one is taken that covers the most ground that few routes cover and
   brings the shares of left, right and straight closest to the models'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import carla
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from fusiondrive.errors import MapError
from fusiondrive.geometry import wrap_degrees
from fusiondrive.types import Command, Route
from scenarios.candidates import Candidate, candidate_of, draw_candidates, ground_gain
from scenarios.routes import RoutePlanner
from scenarios.spec import RouteSpec

MAX_SHARE = 0.8
CANDIDATES_PER_ROUTE = 60  # with 30, CARLA's Town02 has too few short ones
SAME_LANE_M = 1.5  # lanes are 3 m wide and more
SAME_WAY_DEG = 45.0
TURN_WEIGHT = 2.0
TURNS = (Command.LEFT, Command.RIGHT, Command.STRAIGHT)


def shared_way(route: Route, other: Route) -> float:
    """Share of a route, 0 to 1, that runs on the same lanes in the same direction as another."""
    gaps, nearest = cKDTree(other.points[:, :2]).query(route.points[:, :2])
    turns = np.abs(wrap_degrees(route.yaws - other.yaws[nearest]))
    return float(np.mean((gaps <= SAME_LANE_M) & (turns <= SAME_WAY_DEG)))


def are_distinct(first: Route, second: Route) -> bool:
    """Whether neither of two routes shares more than `MAX_SHARE` of its way with the other."""
    return max(shared_way(first, second), shared_way(second, first)) <= MAX_SHARE


def more_routes(
    carla_map: carla.Map, models: Sequence[RouteSpec], *, seed: int, count: int
) -> tuple[RouteSpec, ...]:
    """Add routes to some that are there, up to `count` in all; the first ones stay as they are.

    Args:
        carla_map: the client's map.
        models: the routes that are there, all in one town.
        seed: of the candidates.
        count: of all routes.

    Raises:
        MapError: the map has no way for a route that is there, or too few distinct ones.
    """
    planner = RoutePlanner(carla_map)
    model = [candidate_of(planner.plan(spec.keypoints, spec.route_id), spec) for spec in models]
    wanted = CANDIDATES_PER_ROUTE * (count - len(models))
    pool = draw_candidates(planner, np.random.default_rng(seed), wanted)
    choice = _Choice(model)
    while len(choice.chosen) < count:
        best = choice.best_of(pool)
        if best is None:
            raise MapError(
                f"{models[0].town}: only {len(choice.chosen)} distinct routes of {count} were found"
            )
        choice.take(best)
    added = enumerate(choice.chosen[len(models) :], start=len(models))
    town = models[0].town
    return (*models, *(RouteSpec(f"{number:02d}", town, c.keypoints) for number, c in added))


class _Choice:
    """The routes chosen so far, and what the next one should be like."""

    def __init__(self, models: Sequence[Candidate]) -> None:
        self.chosen: list[Candidate] = []
        self._bounds = np.quantile([item.route.length_m for item in models], (1 / 3, 2 / 3))
        self._thirds: Counter[int] = Counter()
        self._covered: Counter[tuple[int, int, int]] = Counter()
        self._turns: Counter[int] = Counter()
        for item in models:
            self.take(item)
        self._target = _shares(self._turns)

    def take(self, item: Candidate) -> None:
        """Add a route."""
        self.chosen.append(item)
        self._thirds[self._third(item)] += 1
        self._covered.update(item.cells)
        self._turns.update(item.turns)

    def best_of(self, pool: list[Candidate]) -> Candidate | None:
        """The best candidate, out of the third that has the fewest routes where it has any.

        Takes it, and those that are too much like a chosen route, out of the pool.
        """
        for third in sorted(range(3), key=lambda third: self._thirds[third]):
            left = [item for item in pool if self._third(item) == third]
            for item in sorted(left, key=self._gain, reverse=True):
                pool.remove(item)
                if all(are_distinct(item.route, other.route) for other in self.chosen):
                    return item
        return None

    def _third(self, item: Candidate) -> int:
        return int(np.searchsorted(self._bounds, item.route.length_m))

    def _gain(self, item: Candidate) -> float:
        balance = np.abs(_shares(self._turns + item.turns) - self._target).sum()
        return ground_gain(item, self._covered) - TURN_WEIGHT * float(balance)


def _shares(turns: Counter[int]) -> NDArray[np.float64]:
    total = max(1, sum(turns[command] for command in TURNS))
    return np.array([turns[command] / total for command in TURNS])
