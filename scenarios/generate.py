"""Make the ready-made routes of a map.

python -m scenarios.generate --town Town02 --xodr FILE
python -m scenarios.generate --town Town02 --xodr FILE --keep 25 --count 75
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import carla
import numpy as np

from fusiondrive.cli import Flag, check_values, exit_code, parse
from fusiondrive.errors import MapError, SimulatorError
from fusiondrive.files import whole_file
from scenarios.candidates import Candidate, Cell, draw_candidates, ground_gain
from scenarios.more_routes import more_routes
from scenarios.route_files import DATA_DIR, load_routes, map_identity, write_route_xml
from scenarios.route_xml import town_name
from scenarios.routes import RoutePlanner
from scenarios.spec import RouteSpec
from scenarios.text_files import read_text

CANDIDATES_PER_ROUTE = 30
FRESH_SEED = 2026
FRESH_COUNT = 25
FRESH_CANDIDATES = 4  # per route: made while somebody waits


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command."""

    town: Annotated[str, Flag("such as Town02")]
    seed: Annotated[int, Flag("of the choice", at_least=0)] = FRESH_SEED
    count: Annotated[int, Flag("of routes", at_least=1)] = FRESH_COUNT
    keep: Annotated[
        int, Flag("of the routes that ship for this map; those after are added to them", at_least=0)
    ] = 0
    maps: Annotated[Path | None, Flag("folder with <town>.xodr", metavar="DIR")] = None
    xodr: Annotated[Path | None, Flag("an OpenDRIVE file")] = None
    host: Annotated[str, Flag("of the server, where no file is given")] = "localhost"
    port: Annotated[int, Flag("of the server")] = 2000
    out: Annotated[Path | None, Flag("by default the package's data directory")] = None

    def __post_init__(self) -> None:
        """Check the options."""
        check_values(self)


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
    pool = draw_candidates(planner, rng, count * candidates_per_route)
    chosen: list[Candidate] = []
    covered: Counter[Cell] = Counter()
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


def _score(item: Candidate, covered: Counter[Cell], turns: Counter[int]) -> float:
    """How much a route adds: ground not yet covered, plus rare commands."""
    total = sum(turns.values()) + 3
    rarity = sum(n * (1.0 - 3.0 * turns[c] / total) for c, n in item.turns.items())
    return ground_gain(item, covered) + 0.25 * rarity / sum(item.turns.values())


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


def _make_routes(options: Options, carla_map: carla.Map, town: str) -> tuple[RouteSpec, ...]:
    if not options.keep:
        return generate_routes(carla_map, town, seed=options.seed, count=options.count)
    kept = load_routes(town, map_identity(carla_map))[: options.keep]
    if not len(kept) == options.keep < options.count:
        raise MapError(
            f"--keep {options.keep}: expected at most the {len(kept)} routes that ship for {town}, "
            f"and fewer than --count {options.count}"
        )
    return more_routes(carla_map, kept, seed=options.seed + 1, count=options.count)


def run(options: Options) -> str:
    """Make routes as a command line says; returns what to say at the end."""
    town = town_name(options.town)
    if options.out is not None and (options.out.is_dir() or not options.out.parent.is_dir()):
        raise MapError(f"--out: expected a file in a folder that is there, found {options.out}")
    carla_map = _read_map(options, town)
    origin, digest = map_identity(carla_map).split(":")
    routes = _make_routes(options, carla_map, town)
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
