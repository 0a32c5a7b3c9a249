"""Make the ready-made routes of a map.

python -m scenarios.generate --town Town02 --xodr FILE
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import carla
import numpy as np
from scipy.spatial import cKDTree

from fusiondrive.cli import Flag, check_values, exit_code, parse
from fusiondrive.errors import MapError, SimulatorError
from fusiondrive.files import whole_file
from fusiondrive.geometry import wrap_degrees
from fusiondrive.types import Command, Pose, Route
from scenarios.route_files import DATA_DIR, map_identity, write_route_xml
from scenarios.route_xml import town_name
from scenarios.routes import RoutePlanner
from scenarios.spec import RouteSpec
from scenarios.text_files import read_text

MIN_LENGTH_M = 150.0
MAX_LENGTH_M = 800.0
CLEARANCE_M = 14.0  # of start and goal from the nearest junction
CELL_M = 10.0
CANDIDATES_PER_ROUTE = 30
ATTEMPTS_PER_CANDIDATE = 40
FRESH_SEED = 2026
FRESH_COUNT = 25
FRESH_CANDIDATES = 4  # per route: made while somebody waits


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command."""

    town: Annotated[str, Flag("such as Town02")]
    seed: Annotated[int, Flag("of the choice", at_least=0)] = FRESH_SEED
    count: Annotated[int, Flag("of routes", at_least=1)] = FRESH_COUNT
    maps: Annotated[Path | None, Flag("folder with <town>.xodr", metavar="DIR")] = None
    xodr: Annotated[Path | None, Flag("an OpenDRIVE file")] = None
    host: Annotated[str, Flag("of the server, where no file is given")] = "localhost"
    port: Annotated[int, Flag("of the server")] = 2000
    out: Annotated[Path | None, Flag("by default the package's data directory")] = None

    def __post_init__(self) -> None:
        """Check the options."""
        check_values(self)


@dataclass(frozen=True)
class _Candidate:
    keypoints: tuple[Pose, ...]
    route: Route
    cells: frozenset[tuple[int, int, int]]  # place and rough heading
    turns: Counter[int]  # junctions by Command


def generate_routes(
    carla_map: carla.Map,
    town: str,
    *,
    seed: int,
    count: int,
    candidates_per_route: int = CANDIDATES_PER_ROUTE,
) -> tuple[RouteSpec, ...]:
    """Choose distinct routes that cover the town and balance left, right and straight.

    Raises:
        MapError: the map is too small for `count` distinct routes of 150 m to 800 m.
    """
    planner = RoutePlanner(carla_map)
    rng = np.random.default_rng(seed)
    pool = _candidates(planner, rng, count * candidates_per_route)
    chosen: list[_Candidate] = []
    covered: Counter[tuple[int, int, int]] = Counter()
    turns: Counter[int] = Counter()
    while len(chosen) < count and pool:
        best = max(pool, key=lambda item: _score(item, covered, turns))
        pool.remove(best)
        chosen.append(best)
        covered.update(best.cells)
        turns.update(best.turns)
    if len(chosen) < count:
        raise MapError(f"{town}: only {len(chosen)} distinct routes of {count} were found")
    return tuple(
        RouteSpec(f"{number:02d}", town, item.keypoints) for number, item in enumerate(chosen)
    )


def fresh_routes(carla_map: carla.Map, town: str) -> tuple[RouteSpec, ...]:
    """Make routes for a town that has no ready-made ones; the same map gives the same routes.

    Raises:
        MapError: the map is too small.
    """
    return generate_routes(
        carla_map,
        town,
        seed=FRESH_SEED,
        count=FRESH_COUNT,
        candidates_per_route=FRESH_CANDIDATES,
    )


def draw_route_file(carla_map: carla.Map, town: str, path: Path, *, seed: int, count: int) -> None:
    """Make routes during a command and write them; the file appears only when it is complete.

    Raises:
        MapError: the map is too small, as in `generate_routes`.
    """
    routes = generate_routes(
        carla_map, town, seed=seed, count=count, candidates_per_route=FRESH_CANDIDATES
    )
    with whole_file(path) as draft:  # others may draw the same file
        write_route_xml(draft, routes, {"seed": str(seed)})


def _candidates(planner: RoutePlanner, rng: np.random.Generator, wanted: int) -> list[_Candidate]:
    graph = planner.graph
    junction_points = graph.points[graph.junctions >= 0, :2]
    ends = np.flatnonzero(graph.junctions < 0)
    if len(junction_points):
        gaps, _ = cKDTree(junction_points[::4]).query(graph.points[ends, :2])
        ends = ends[gaps > CLEARANCE_M]
    if len(ends) < 2:
        raise MapError(f"'{planner.name}': no place for a route's start outside junctions")
    found: list[_Candidate] = []
    for _ in range(wanted * ATTEMPTS_PER_CANDIDATE):
        if len(found) == wanted:
            break
        start, goal = (int(node) for node in rng.choice(ends, size=2, replace=False))
        candidate = _candidate(planner, start, goal)
        if candidate is not None:
            found.append(candidate)
    return found


def _candidate(planner: RoutePlanner, start: int, goal: int) -> _Candidate | None:
    keypoints = (_pose_of(planner, start), _pose_of(planner, goal))
    try:
        route = planner.plan(keypoints, "candidate")
    except MapError:
        return None  # no way between the two on this map: draw another pair
    if not MIN_LENGTH_M <= route.length_m <= MAX_LENGTH_M:
        return None
    if planner.count_lane_changes(keypoints, "candidate"):
        return None  # the policies' commands have no lane change
    cells = frozenset(
        (int(x // CELL_M), int(y // CELL_M), int((yaw + 405.0) // 90.0) % 4)
        for (x, y, _), yaw in zip(route.points, route.yaws, strict=True)
    )
    changes = np.flatnonzero(np.diff(route.commands)) + 1
    firsts = np.concatenate(([0], changes))
    turns = Counter(int(command) for command in route.commands[firsts] if command != Command.FOLLOW)
    return _Candidate(keypoints, route, cells, turns) if turns else None


def _pose_of(planner: RoutePlanner, node: int) -> Pose:
    x, y, z = (round(float(value), 3) for value in planner.graph.points[node])
    yaw = wrap_degrees(float(planner.graph.yaws[node]))
    return Pose(x, y, z, yaw=round(yaw, 3))


def _score(item: _Candidate, covered: Counter[tuple[int, int, int]], turns: Counter[int]) -> float:
    """How much a route adds: ground not yet covered, less what repeats, plus rare commands.

    The ground counts as a share of the route, so that short and long routes are treated alike.
    """
    fresh = sum(1.0 if cell not in covered else -0.3 * covered[cell] for cell in item.cells)
    total = sum(turns.values()) + 3
    rarity = sum(n * (1.0 - 3.0 * turns[c] / total) for c, n in item.turns.items())
    return fresh / len(item.cells) + 0.25 * rarity / sum(item.turns.values())


def _read_map(options: Options, town: str) -> carla.Map:
    file = options.xodr
    if file is None and options.maps is not None:
        file = options.maps / f"{town}.xodr"
    if file is None:
        client = carla.Client(options.host, options.port)
        client.set_timeout(60.0)
        try:
            return client.load_world(town).get_map()
        except RuntimeError as err:
            where = f"{options.host}:{options.port}"
            raise SimulatorError(f"no map of {town} from the server at {where}: {err}") from err
    try:
        return carla.Map(town, read_text(file, "map file"))
    except RuntimeError as err:
        raise MapError(f"map file {file}: {err}") from err


def run(options: Options) -> str:
    """Make routes as a command line says; returns what to say at the end."""
    town = town_name(options.town)
    if options.out is not None and (options.out.is_dir() or not options.out.parent.is_dir()):
        raise MapError(f"--out: expected a file in a folder that is there, found {options.out}")
    carla_map = _read_map(options, town)
    origin, digest = map_identity(carla_map).split(":")
    routes = generate_routes(carla_map, town, seed=options.seed, count=options.count)
    out = options.out or DATA_DIR / f"routes_{town}_{origin}.xml"
    seed = str(options.seed)
    with whole_file(out) as draft:
        write_route_xml(draft, routes, {"map_origin": origin, "map_digest": digest, "seed": seed})
    return f"{out}: {len(routes)} routes on {origin}:{digest}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    return exit_code(lambda: run(parse(Options, arguments, "scenarios.generate", __doc__)))


if __name__ == "__main__":
    sys.exit(main())
