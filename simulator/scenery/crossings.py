"""Where the stop lines and zebra crossings of a town lie."""

from __future__ import annotations

from collections.abc import Sequence

import carla
import numpy as np

from simulator.types import F64, Pose, SignalSpec

_SIGNAL_REACH_M = 15.0
_BEFORE_JUNCTION_M = 0.6
_STRAIGHT_DEG = 35.0


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


def stop_lines(carla_map: carla.Map, signals: Sequence[SignalSpec]) -> list[Pose]:
    """Those of the traffic lights, and of arms that end at a junction without lights."""
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
