"""A run before a server is asked: how many drives of what, as far as files tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from harness.checks import pick_route
from harness.config import RunConfig
from harness.criteria.own import criteria_text
from harness.planning import specs_of, thermal_of
from scenarios.generate import FRESH_COUNT
from scenarios.route_files import DATA_DIR, is_random_town, read_route_xml
from scenarios.route_xml import town_name
from scenarios.spec import EpisodeSpec, RouteSpec


class Drive(NamedTuple):
    """One drive of a run; two parts that have an equal one drive it once."""

    spec: EpisodeSpec
    thermal: str  # settings of the thermal camera, where it is used
    policy_weights: str
    fuser_weights: str
    route_file: str
    criteria: str  # of the user's own, as rows name them


class Line(NamedTuple):
    """A part of a run in one town, without the drives that an earlier part has."""

    config: RunConfig
    town: str
    drives: tuple[Drive, ...]


def outline(configs: Sequence[RunConfig]) -> list[Line]:
    """What a run drives, in its order: towns outermost, then parts."""
    seen: set[Drive] = set()
    lines = []
    for town in towns_of(configs):
        for config in configs:
            if town in map(town_name, config.town):
                drives = tuple(item for item in _drives(config, town) if item not in seen)
                seen.update(drives)
                lines.append(Line(config, town, drives))
    return lines


def towns_of(configs: Sequence[RunConfig]) -> list[str]:
    """Towns in the order of first appearance."""
    return list(dict.fromkeys(town_name(town) for config in configs for town in config.town))


def _drives(config: RunConfig, town: str) -> Iterator[Drive]:
    files = [config.policy_weights, config.fuser_weights, config.route_file]
    policy, fuser, routes = ("" if path is None else str(path) for path in files)
    criteria = criteria_text(config.criteria or ())
    for spec in specs_of(config, town, _route_ids(config, town)):
        yield Drive(spec, thermal_of(config, spec), policy, fuser, routes, criteria)


def _route_ids(config: RunConfig, town: str) -> list[str]:
    """Ids of the routes of a town, in order; those of random towns are counted alone."""
    if is_random_town(town) and config.route_file is None:
        ids = [f"{number:02d}" for number in range(FRESH_COUNT)]
        return [config.route] if config.route is not None else ids[: config.routes]
    routes = _routes(config, town)
    if config.route is not None:
        return [pick_route(routes, config.route).route_id]
    return [route.route_id for route in routes[: config.routes]]


def _routes(config: RunConfig, town: str) -> list[RouteSpec]:
    path = config.route_file or min(DATA_DIR.glob(f"routes_{town}_*.xml"))
    return [route for route in read_route_xml(path) if route.town == town]
