"""Where the stop lines and zebra crossings of a town lie."""

from __future__ import annotations

from collections.abc import Sequence

import carla
import numpy as np

from simulator.scenery.drivable import RoadField
from simulator.types import F64, Pose, SignalSpec

_SIGNAL_REACH_M = 15.0
_BEFORE_JUNCTION_M = 0.6
_STRAIGHT_DEG = 35.0
_BEHIND_M = 1.2  # from the stop line to the crossing
_DEPTH_M = 3.0
_FLARE_M = 4.0  # how much wider the road may get over the depth of a crossing
_WIDEST_M = 20.0  # from a lane to the kerb
_APART_M = 5.0


def zebra_crossings(carla_map: carla.Map) -> list[F64]:
    """Corners of the crossings that the map knows, (4, 2) each."""
    crossings: list[F64] = []
    ring: list[tuple[float, float]] = []
    for location in carla_map.get_crosswalks():
        point = (location.x, location.y)
        if ring and np.hypot(point[0] - ring[0][0], point[1] - ring[0][1]) < 0.05:
            if len(ring) >= 4:
                crossings.append(np.array(ring[:4]))
            ring = []
        else:
            ring.append(point)
    return crossings


def arm_crossings(
    field: RoadField, signals: Sequence[SignalSpec], known: Sequence[F64]
) -> list[F64]:
    """Crossings just behind the stop lines of traffic lights, from kerb to kerb.

    Args:
        field: rasters of the town.
        signals: each governs one arm of a junction.
        known: crossings of the map; no other is laid close to them.
    """
    crossings: list[F64] = []
    centers = [corners.mean(0) for corners in known]
    for signal in signals:
        corners = _behind(field, signal.stop_lines)
        if corners is None:
            continue
        center = corners.mean(0)
        if all(np.hypot(*(center - other)) > _APART_M for other in centers):
            crossings.append(corners)
            centers.append(center)
    return crossings


def _behind(field: RoadField, lines: Sequence[Pose]) -> F64 | None:
    if not lines:
        return None
    yaw = np.radians(lines[0].yaw)
    ahead = np.array([np.cos(yaw), np.sin(yaw)])
    across = np.array([-ahead[1], ahead[0]])
    start = np.mean([line[:2] for line in lines], 0) + ahead * _BEHIND_M
    edges = []
    for depth in (0.0, _DEPTH_M):
        reach = [_to_kerb(field, start + ahead * depth, across * side) for side in (-1.0, 1.0)]
        if None in reach:
            return None
        edges.append([float(r) for r in reach if r is not None])
    if abs(sum(edges[0]) - sum(edges[1])) > _FLARE_M:
        return None
    left, right = min(edges[0][0], edges[1][0]), min(edges[0][1], edges[1][1])
    far = start + ahead * _DEPTH_M
    return np.array(
        [start - across * left, start + across * right, far + across * right, far - across * left]
    )


def _to_kerb(field: RoadField, start: F64, way: F64) -> float | None:
    """Metres to the next kerb, or nothing if there is none near."""
    for distance in np.arange(0.5, _WIDEST_M, 0.25):
        if field.value(field.road, *(start + way * distance)) > -0.1:
            return float(distance)
    return None


def stop_lines(carla_map: carla.Map, signals: Sequence[SignalSpec]) -> list[Pose]:
    """Stop lines of the traffic lights, and of arms that end at a junction without lights."""
    lines = [line for signal in signals for line in signal.stop_lines]
    governed = np.array([line[:2] for line in lines]).reshape(-1, 2)
    for entry in _entries(carla_map):
        at = entry.transform
        place = at.location
        near = np.hypot(*(governed - (place.x, place.y)).T) < _SIGNAL_REACH_M
        if near.any() or not _must_turn(entry):
            continue
        lines.append(Pose(place.x, place.y, place.z, yaw=at.rotation.yaw))
    return lines


def _entries(carla_map: carla.Map) -> list[carla.Waypoint]:
    """Where lanes run into junctions, a little before."""
    entries = {}
    for start, end in carla_map.get_topology():
        if start.is_junction or not end.is_junction:
            continue
        before = end.previous(_BEFORE_JUNCTION_M)
        for waypoint in before:
            if not waypoint.is_junction:
                key = (waypoint.road_id, waypoint.section_id, waypoint.lane_id)
                entries[key] = waypoint
    return [entries[key] for key in sorted(entries)]


def _must_turn(entry: carla.Waypoint) -> bool:
    """Whether nothing goes on straight: the foot of a T."""
    ways = entry.next(2.0 * _BEFORE_JUNCTION_M)
    for way in ways:
        ends = way.next_until_lane_end(2.0)
        if not ends:
            continue
        turned = ends[-1].transform.rotation.yaw - entry.transform.rotation.yaw
        if abs((turned + 180.0) % 360.0 - 180.0) < _STRAIGHT_DEG:
            return False
    return bool(ways)
