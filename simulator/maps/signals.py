"""Traffic lights of a map with their stop lines, junction groups and phases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import carla

from simulator.maps.signal_xml import LIGHT_TYPE
from simulator.types import Pose, SignalSpec

_LINE_TOLERANCE_M = 2.0  # stop lines closer than this are one
_WALK_M = 0.5
_WALK_LIMIT_M = 60.0
_SAME_PHASE_DEG = 35.0


def signals_of(carla_map: carla.Map) -> tuple[SignalSpec, ...]:
    """All lights that govern a lane, ordered by group, phase and id."""
    landmarks: dict[str, list[carla.Landmark]] = defaultdict(list)
    for landmark in carla_map.get_all_landmarks_of_type(LIGHT_TYPE):
        landmarks[landmark.id].append(landmark)
    found: list[tuple[int, SignalSpec]] = []
    for signal_id in sorted(landmarks):
        ways = _governed_lanes(carla_map, landmarks[signal_id])
        lines = _stop_lines(ways)
        if lines:
            head = _head(landmarks[signal_id][0], floor=min(line.z for line in lines))
            spec = SignalSpec(signal_id, head, 0, 0, lines)
            found.append((junction_of(ways), spec))
    return tuple(_grouped(found))


def stop_lines_of(carla_map: carla.Map, references: list[carla.Landmark]) -> tuple[Pose, ...]:
    """Where a signal or sign stops traffic, given all its places in the map."""
    return _stop_lines(_governed_lanes(carla_map, references))


def _governed_lanes(carla_map: carla.Map, references: list[carla.Landmark]) -> list[carla.Waypoint]:
    """Waypoints where the signal or its references apply, one for each driving lane."""
    ways = []
    for landmark in sorted(references, key=lambda item: (item.road_id, item.s)):
        for low, high in landmark.get_lane_validities():
            for lane in range(min(low, high), max(low, high) + 1):
                waypoint = carla_map.get_waypoint_xodr(landmark.road_id, lane, landmark.s)
                if waypoint is not None and waypoint.lane_type == carla.LaneType.Driving:
                    ways.append(waypoint)
    return ways


def _stop_lines(ways: list[carla.Waypoint]) -> tuple[Pose, ...]:
    """Lane centres where traffic stops; a signal inside a junction stops it at the entry."""
    lines: list[Pose] = []
    for waypoint in ways:
        before = before_junction(waypoint)
        if before is None:
            continue
        location, yaw = before.transform.location, before.transform.rotation.yaw
        line = Pose(location.x, location.y, location.z, 0.0, 180.0 - (180.0 - yaw) % 360.0, 0.0)
        if all(abs(line.x - o.x) + abs(line.y - o.y) > _LINE_TOLERANCE_M for o in lines):
            lines.append(line)
    return tuple(sorted(lines))


def before_junction(waypoint: carla.Waypoint) -> carla.Waypoint | None:
    """The waypoint itself or, in a junction, the last one of a lane that leads to it."""
    walked = 0.0
    while waypoint.is_junction:
        behind = waypoint.previous(_WALK_M)
        walked += _WALK_M
        if not behind or walked > _WALK_LIMIT_M:
            return None
        waypoint = behind[0]
    return waypoint


def junction_of(ways: list[carla.Waypoint]) -> int:
    """Id of the junction that the lanes lead into; -1 where there is none near."""
    for waypoint in ways:
        walked = 0.0
        while walked <= _WALK_LIMIT_M:
            if waypoint.is_junction:
                return int(waypoint.junction_id)
            ahead = waypoint.next(_WALK_M)
            walked += _WALK_M
            if not ahead:
                break
            waypoint = ahead[0]
    return -1


def _head(landmark: carla.Landmark, floor: float) -> Pose:
    """Pole and head; OpenDRIVE's heading is the traffic's, the lamps look against it.

    Official poles start below the ground; `floor` is the height of the road.
    """
    location, rotation = landmark.transform.location, landmark.transform.rotation
    yaw = 180.0 - (-rotation.yaw) % 360.0  # turned around, in (-180, 180]
    return Pose(location.x, location.y, max(location.z, floor), 0.0, yaw, 0.0)


def _grouped(found: list[tuple[int, SignalSpec]]) -> list[SignalSpec]:
    """Number the groups by junction and the phases by approach."""
    by_junction: dict[int, list[SignalSpec]] = defaultdict(list)
    for junction, spec in found:
        by_junction[junction].append(spec)
    specs: list[SignalSpec] = []
    for group, junction in enumerate(sorted(by_junction)):
        members = by_junction[junction]
        phases = phases_of([spec.stop_lines[0].yaw for spec in members])
        members = [
            spec._replace(group=group, phase=phase)
            for spec, phase in zip(members, phases, strict=True)
        ]
        specs += sorted(members, key=lambda spec: (spec.phase, spec.signal_id))
    return specs


def phases_of(yaws: Sequence[float]) -> list[int]:
    """Which phase each light of a junction belongs to, by the headings (degrees) of its traffic.

    Opposite approaches are green one after the other, as in CARLA's Town01 and Town02: its Traffic
    Manager knows no priority of those who go straight on, and a vehicle that turns left and one
    that comes towards it stop in front of each other for good.
    """
    approaches: list[float] = []
    phases = []
    for yaw in yaws:
        known = (i for i, other in enumerate(approaches) if _same_direction(yaw, other))
        phases.append(next(known, len(approaches)))
        if phases[-1] == len(approaches):
            approaches.append(yaw)
    return phases


def _same_direction(a: float, b: float) -> bool:
    """Whether two headings (degrees) belong to one approach."""
    return abs((a - b + 180.0) % 360.0 - 180.0) < _SAME_PHASE_DEG
