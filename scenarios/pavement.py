"""Paths for walkers: polylines along the pavements beside the map's driving lanes."""

from __future__ import annotations

import carla
import numpy as np
from numpy.typing import NDArray

STEP_M = 2.0
MIN_LENGTH_M = 16.0
BESIDE_ROAD_M = 1.4  # from the lane's outer edge, where the map has no sidewalk lane
MAX_LANES_ACROSS = 8
MIN_CLEARANCE_M = 0.8

Point = tuple[float, float, float]


def pavement_paths(carla_map: carla.Map) -> list[NDArray[np.float64]]:
    """Paths along the outer side of each road section outside junctions, each (N, 3) in metres."""
    chains: dict[tuple[int, int, int], list[carla.Waypoint]] = {}
    for waypoint in carla_map.generate_waypoints(STEP_M):
        if waypoint.is_junction:
            continue
        key = (waypoint.road_id, waypoint.section_id, waypoint.lane_id)
        chains.setdefault(key, []).append(waypoint)
    paths = []
    for key in sorted(chains):
        chain = sorted(chains[key], key=lambda waypoint: waypoint.s)
        for part in _connected([_pavement_point(waypoint) for waypoint in chain], carla_map):
            if len(part) * STEP_M >= MIN_LENGTH_M:
                paths.append(np.asarray(part, dtype=np.float64))
    return paths


def pavement_beside(carla_map: carla.Map, lane: carla.Waypoint) -> Point | None:
    """Middle of the pavement to the right of a lane's carriageway; None where there is none."""
    point = _pavement_point(lane)
    if point is None or _clearance_m(carla_map, point) < MIN_CLEARANCE_M:
        return None
    return point


def _connected(points: list[Point | None], carla_map: carla.Map) -> list[list[Point]]:
    """Split a path where there is no pavement, or where another road runs over it."""
    parts: list[list[Point]] = [[]]
    for point in points:
        if point is not None and _clearance_m(carla_map, point) >= MIN_CLEARANCE_M:
            parts[-1].append(point)
        elif parts[-1]:
            parts.append([])
    return parts


def _clearance_m(carla_map: carla.Map, point: Point) -> float:
    """Distance in metres to the edge of the nearest driving lane; negative on the lane."""
    lane = carla_map.get_waypoint(carla.Location(*point))
    center = lane.transform.location
    return float(np.hypot(center.x - point[0], center.y - point[1]) - 0.5 * lane.lane_width)


def _pavement_point(lane: carla.Waypoint) -> Point | None:
    """Middle of the pavement to the right of a lane; None where a driving lane is there."""
    outer = lane
    for _ in range(MAX_LANES_ACROSS):
        beside = outer.get_right_lane()
        if beside is None or beside.lane_type == carla.LaneType.NONE:
            break
        if beside.lane_type == carla.LaneType.Sidewalk:
            location = beside.transform.location
            return (location.x, location.y, location.z)
        if beside.lane_type == carla.LaneType.Driving:
            return None
        outer = beside
    yaw = np.deg2rad(outer.transform.rotation.yaw)
    side_m = 0.5 * outer.lane_width + BESIDE_ROAD_M
    location = outer.transform.location
    return (location.x - side_m * np.sin(yaw), location.y + side_m * np.cos(yaw), location.z)
