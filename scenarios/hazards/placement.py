"""Where hazards wait along a route: chosen by a seed among the places that have room for them."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fusiondrive.errors import ConfigError
from fusiondrive.provenance import text_hash
from fusiondrive.types import Route
from scenarios.hazards.kinds import stopping_m
from scenarios.hazards.own import Run, needs_pavement, run_of
from scenarios.hazards.roadside import Roadside, Verge

logger = logging.getLogger(__name__)

SEED_MARK = 0x4A2A
PER_HAZARD_M = 110.0  # of route
APART_M = 80.0  # so that one is over before the next begins
SETTLE_M = 30.0  # from the start, to get up to speed before the approach begins
GOAL_M = 20.0  # left before the goal
APPROACH_MARGIN_M = 10.0  # of straight road beyond the stopping distance
CLEAR_M = 8.0  # on both sides of the place: no junction, no lane change
BEND_DEG = 12.0  # of the road's heading over the approach
REACH_M = 6.5  # of the pavement from the lane's centre: a person does not cross several lanes


RUNS: dict[str, Run] = {
    "DynamicObjectCrossing": Run(),
    "ParkingCrossingPedestrian": Run(),
    "ParkedObstacle": Run(),
    "HazardAtSideLane": Run(before_m=20.0, after_m=20.0),
    "HardBreakRoute": Run(before_m=48.0, after_m=18.0, start_m=75.0),
}
ON_FOOT = ("DynamicObjectCrossing", "ParkingCrossingPedestrian")


@dataclass(frozen=True)
class PlacedHazard:
    """A hazard and where the ego meets it; lengths in metres, to the right of the route's line."""

    kind: str
    number: int  # counted along the route from 0
    route_m: float  # along the route
    verge: Verge
    from_left: bool = False  # of a person
    key: int = 0  # of its actors' looks


def shortest_route_m(speed_mps: float) -> float:
    """The shortest route, in metres, on which a hazard can be placed."""
    return SETTLE_M + stopping_m(speed_mps) + APPROACH_MARGIN_M + GOAL_M


def check_length(route_id: str, length_m: float, speed_mps: float) -> None:
    """Refuse a route on which there can be no hazard.

    Raises:
        ConfigError: it is too short.
    """
    least_m = shortest_route_m(speed_mps)
    if length_m < least_m:
        raise ConfigError(
            f"route '{route_id}' is {length_m:.0f} m long, too short for hazards at "
            f"{3.6 * speed_mps:.0f} km/h, which need {least_m:.0f} m; choose another route or "
            "hazards none"
        )


def place_hazards(
    route: Route, roadside: Roadside, names: Sequence[str], seed: int, speed_mps: float
) -> tuple[PlacedHazard, ...]:
    """Place hazards along a route, the same for the same arguments.

    A route gets one for each 110 m, at least one, each in its own stretch; a stretch without a
    place that has room for any of them stays empty. Kinds take turns in a seeded order.

    Args:
        route: the planned route.
        roadside: what is beside it.
        names: kinds to choose from, see `HAZARDS` and `scenarios.hazards.own`.
        seed: the episode's.
        speed_mps: at which the ego is taken to drive.

    Raises:
        ConfigError: the route is too short for any.
    """
    check_length(route.route_id, route.length_m, speed_mps)
    rng = np.random.default_rng((seed, SEED_MARK, int(text_hash(route.route_id), 16)))
    first_m = SETTLE_M + stopping_m(speed_mps) + APPROACH_MARGIN_M
    count = max(1, int(route.length_m // PER_HAZARD_M))
    bounds = np.linspace(first_m, route.length_m - GOAL_M, count + 1)
    verges = _Verges(route, roadside)
    rooms = {name: _room(route, verges, name, speed_mps) for name in names}
    queue = [str(name) for name in rng.permutation(list(names))]
    placed: list[PlacedHazard] = []
    for begin_m, end_m in pairwise(map(float, bounds)):
        begin_m = max(begin_m, placed[-1].route_m + APART_M) if placed else begin_m
        within = (route.cumulative_m >= begin_m) & (route.cumulative_m <= end_m)
        found = _draw(rooms, queue, within, rng)
        if found is None:
            continue
        name, index = found
        queue.remove(name)
        queue.append(name)
        verge = verges.at(index)
        route_m, key = float(route.cumulative_m[index]), int(rng.integers(2**31))
        placed.append(PlacedHazard(name, len(placed), route_m, verge, key=key))
    if not placed:
        logger.warning("route '%s' has no place for any of %s", route.route_id, ", ".join(names))
    return tuple(placed)


def _draw(
    rooms: dict[str, NDArray[np.bool_]],
    queue: Sequence[str],
    within: NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[str, int] | None:
    """The first kind in the queue that has room within a stretch, with a place drawn from it."""
    for name in queue:
        choices = np.flatnonzero(rooms[name] & within)
        if len(choices):
            return name, int(choices[int(rng.integers(len(choices)))])
    return None


class _Verges:
    """The roadside of a route, asked once for each point."""

    def __init__(self, route: Route, roadside: Roadside) -> None:
        self._route = route
        self._roadside = roadside
        self._known: dict[int, Verge] = {}

    def at(self, index: int) -> Verge:
        if index not in self._known:
            self._known[index] = self._roadside.verge(self._route, index)
        return self._known[index]


def _room(route: Route, verges: _Verges, name: str, speed_mps: float) -> NDArray[np.bool_]:
    """Whether each route point has room for a kind; (N,)."""
    arc = route.cumulative_m
    before_m, after_m, start_m = RUNS[name] if name in RUNS else run_of(name)
    before_m = max(before_m, stopping_m(speed_mps) + APPROACH_MARGIN_M)
    yaws = np.rad2deg(np.unwrap(np.deg2rad(route.yaws)))
    room = np.zeros(len(arc), dtype=bool)
    for index, here_m in enumerate(arc):
        low, high = np.searchsorted(arc, (here_m - before_m, here_m + after_m))
        if here_m < max(before_m, start_m) or here_m + after_m > arc[-1]:
            continue
        near = slice(*np.searchsorted(arc, (here_m - CLEAR_M, here_m + CLEAR_M)))
        is_straight = np.ptp(yaws[low:high]) <= BEND_DEG
        room[index] = is_straight and not route.in_junction[near].any()
    for index in map(int, np.flatnonzero(room)):
        room[index] = _has_verge(verges.at(index), name)
    return room


def _has_verge(verge: Verge, name: str) -> bool:
    if math.isnan(verge.edge_m):
        return False
    is_on_foot = name in ON_FOOT if name in RUNS else needs_pavement(name)
    return not is_on_foot or (verge.right_m is not None and verge.right_m <= REACH_M)
