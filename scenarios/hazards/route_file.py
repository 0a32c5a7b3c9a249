"""The hazards that a Leaderboard route file gives in its `<scenarios>`, and their places."""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from xml.etree.ElementTree import Element

import numpy as np

from fusiondrive.geometry import turn_degrees
from fusiondrive.provenance import text_hash
from fusiondrive.types import Route
from scenarios.hazards.kinds import HAZARDS
from scenarios.hazards.placement import PlacedHazard
from scenarios.hazards.roadside import Roadside, Verge

logger = logging.getLogger(__name__)

# Metres from the trigger point, where a file has no <distance>; of HardBreakRoute the Leaderboard
# has none: its car brakes where the ego passes the trigger.
DISTANCES_M: dict[str, float] = {
    "DynamicObjectCrossing": 12.0,
    "ParkingCrossingPedestrian": 12.0,
    "ParkedObstacle": 120.0,
    "HazardAtSideLane": 100.0,
    "HardBreakRoute": 20.0,
}
OFF_ROUTE_M = 6.0
OTHER_WAY_DEG = 60.0
GOAL_M = 3.0
EDGE_M = 1.75  # of the lane, where the map does not tell


@dataclass(frozen=True)
class FileHazard:
    """A `<scenario>` of a kind that is served."""

    kind: str
    x: float
    y: float
    yaw: float | None  # degrees
    distance_m: float  # along the route from the trigger point
    from_left: bool = False


def read_file_hazards(route: Element, unserved: Counter[str]) -> tuple[FileHazard, ...]:
    """The hazards of a `<route>`; scenarios that are not served are counted by type."""
    found = []
    for scenario in route.findall("scenarios/scenario"):
        hazard = _read(scenario)
        if hazard is None:
            unserved[f"scenario {scenario.get('type', 'without type')}"] += 1
        else:
            found.append(hazard)
    return tuple(found)


def hazards_digest(hazards: Sequence[FileHazard]) -> str:
    """What an episode's identity says of a file's hazards; empty where there are none."""
    if not hazards:
        return ""
    return text_hash(json.dumps([asdict(item) for item in hazards], sort_keys=True))


def place_file_hazards(
    route: Route, roadside: Roadside, hazards: Sequence[FileHazard], seed: int
) -> tuple[PlacedHazard, ...]:
    """Where a file's hazards are along a route; those that are not on it are left out and named."""
    rng = np.random.default_rng((seed, int(text_hash(route.route_id), 16)))
    places = sorted(
        (place, order) for order, item in enumerate(hazards)
        if (place := _place_m(route, item)) is not None
    )  # fmt: skip
    placed: list[PlacedHazard] = []
    for route_m, order in places:
        item, index = hazards[order], int(np.searchsorted(route.cumulative_m, route_m))
        verge = roadside.verge(route, min(index, len(route.cumulative_m) - 1))
        if math.isnan(verge.edge_m):
            verge = Verge(EDGE_M, verge.right_m, verge.left_m)
        key = int(rng.integers(2**31))
        placed.append(PlacedHazard(item.kind, len(placed), route_m, verge, item.from_left, key))
    return tuple(placed)


def _read(scenario: Element) -> FileHazard | None:
    kind, trigger = scenario.get("type", ""), scenario.find("trigger_point")
    if kind not in HAZARDS or trigger is None:
        return None
    x, y, yaw = (_number(trigger.get(name)) for name in ("x", "y", "yaw"))
    if x is None or y is None:
        return None
    distance_m = _number(_value(scenario, "distance"))
    from_left = _value(scenario, "direction") == "left"
    given = DISTANCES_M[kind] if distance_m is None else distance_m
    return FileHazard(kind, x, y, yaw, given, from_left)


def _value(scenario: Element, name: str) -> str | None:
    child = scenario.find(name)
    return None if child is None else child.get("value")


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _place_m(route: Route, hazard: FileHazard) -> float | None:
    """Where on the route a hazard is; None where its trigger is not on it, or the goal comes."""
    gaps = np.hypot(route.points[:, 0] - hazard.x, route.points[:, 1] - hazard.y)
    if hazard.yaw is not None:
        turns = [turn_degrees(float(yaw), hazard.yaw) for yaw in route.yaws]
        gaps = np.where(np.array(turns) <= OTHER_WAY_DEG, gaps, np.inf)
    nearest = int(np.argmin(gaps))
    route_m = float(route.cumulative_m[nearest]) + hazard.distance_m
    if gaps[nearest] <= OFF_ROUTE_M and route_m <= route.length_m - GOAL_M:
        return route_m
    logger.warning(
        "route '%s': the %s at (%.1f, %.1f) is left out: not on the route, or beyond its goal",
        route.route_id, hazard.kind, hazard.x, hazard.y,
    )  # fmt: skip
    return None
