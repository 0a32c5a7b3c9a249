"""Adds traffic lights and stop signs to the OpenDRIVE text of a map that has no signals."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree as ET

import carla
from defusedxml import ElementTree as SafeET

from simulator.maps.checks import MapError
from simulator.maps.light_files import LIGHT, LightPlan, StopMark
from simulator.maps.signal_xml import (
    LIGHT_TYPE,
    STOP_TYPE,
    Foot,
    RoadSignal,
    add_controllers,
    add_signal,
)
from simulator.maps.signals import before_junction, junction_of, phases_of

_OFF_LANE_M = 1.5
_OFF_HEADING_DEG = 30.0
_SAME_APPROACH_M = 4.0  # along the road, between the lines of neighbouring lanes
_POLE_CLEAR_M = 0.6  # from a pole to the nearest lane for vehicles
_POLE_STEP_M = 0.5
_POLE_ASIDE_M, _POLE_AHEAD_M = (0.7, 8.0), (-8.0, 9.0)
_CROSSING_M = (0.5, 5.0)  # ahead of the line, where a crossing may be painted
_SEEN_AHEAD_M = 5.5  # where a driver at the line sees the lamps, as in authored towns
_CONTROLLER_IDS_FROM = 1_000_000
_LANES_TO_KEEP_CLEAR = (
    carla.LaneType.Driving,
    carla.LaneType.Parking,
    carla.LaneType.Bidirectional,
    carla.LaneType.Biking,
    carla.LaneType.Shoulder,  # crossings reach as far as the kerb
)


class _Line(NamedTuple):
    mark: StopMark
    waypoint: carla.Waypoint  # the last one of the lane before its junction, or the mark's own
    group: int  # -1 for signs
    junction: int


def with_lights(xodr: str, name: str, plan: LightPlan) -> str:
    """The map with the signals of a plan; one with signals of its own stays as it is.

    Args:
        xodr: OpenDRIVE text that was checked.
        name: of the town.
        plan: stop lines and groups.

    Raises:
        MapError: the plan does not fit the map; names the file and the entry.
    """
    root: ET.Element = SafeET.fromstring(xodr.encode())
    if root.find("road/signals/signal") is not None:
        return xodr
    carla_map = carla.Map(name, xodr)
    lines = _lines(carla_map, plan)
    roads = {road.get("id"): road for road in root.findall("road")}
    heads: dict[tuple[int, int], list[tuple[RoadSignal, float]]] = defaultdict(list)
    for approach in _approaches(lines):
        signal = _signal(carla_map, approach)
        add_signal(roads[str(approach[0].waypoint.road_id)], signal)
        if signal.kind == LIGHT_TYPE:
            first = approach[0]
            yaw = first.waypoint.transform.rotation.yaw
            heads[first.group, first.junction].append((signal, yaw))
    _control(root, heads)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _lines(carla_map: carla.Map, plan: LightPlan) -> list[_Line]:
    group_of = {light: i for i, lights in enumerate(plan.groups) for light in lights}
    lines = []
    for mark in plan.marks:
        waypoint = before_junction(_lane_at(carla_map, mark))
        if waypoint is None:
            raise MapError(f"{mark.entry}: no lane leads to it from outside of a junction")
        group = group_of.get(mark.actor_id, -1)
        lines.append(_Line(mark, waypoint, group, junction_of([waypoint])))
    for i in range(len(plan.groups)):
        junctions = {line.junction for line in lines if line.group == i}
        if len(junctions) > 1 or -1 in junctions:
            found = ", ".join(str(junction) for junction in sorted(junctions))
            raise MapError(
                f"{plan.source}: controller {i}: expected lights before one junction, found "
                f"them before {found}"
            )
    return lines


def _lane_at(carla_map: carla.Map, mark: StopMark) -> carla.Waypoint:
    waypoint = carla_map.get_waypoint(carla.Location(mark.x, mark.y, 0.0))
    place = waypoint.transform
    gap_m = math.hypot(place.location.x - mark.x, place.location.y - mark.y)
    turn_deg = abs((place.rotation.yaw - mark.yaw_deg + 180.0) % 360.0 - 180.0)
    if gap_m > _OFF_LANE_M or turn_deg > _OFF_HEADING_DEG:
        raise MapError(
            f"{mark.entry}: expected a driving lane within {_OFF_LANE_M:g} m of "
            f"({mark.x:g}, {mark.y:g}) that runs at {mark.yaw_deg:.0f} degrees; the nearest is "
            f"{gap_m:.1f} m away and runs at {place.rotation.yaw:.0f}: another map?"
        )
    return waypoint


def _approaches(lines: Sequence[_Line]) -> list[list[_Line]]:
    """Lines that one signal serves: neighbouring lanes of a road, of one kind and group."""
    found: list[list[_Line]] = []
    for line in sorted(lines, key=lambda line: line.mark.actor_id):
        own = next((other for other in found if _is_one_approach(line, other[0])), None)
        if own is None:
            found.append([line])
        else:
            own.append(line)
    return found


def _is_one_approach(a: _Line, b: _Line) -> bool:
    return (
        (a.mark.kind, a.group, a.waypoint.road_id) == (b.mark.kind, b.group, b.waypoint.road_id)
        and a.waypoint.lane_id * b.waypoint.lane_id > 0
        and abs(a.waypoint.s - b.waypoint.s) <= _SAME_APPROACH_M
    )


def _signal(carla_map: carla.Map, approach: Sequence[_Line]) -> RoadSignal:
    first = approach[0]
    outermost = max((line.waypoint for line in approach), key=lambda w: abs(w.lane_id))
    is_along = outermost.lane_id < 0
    foot, aside_m = _pole(carla_map, outermost)
    lanes = sorted({line.waypoint.lane_id for line in approach})
    is_light = first.mark.kind == LIGHT
    lateral_m = _from_centre_m(outermost) + aside_m
    return RoadSignal(
        signal_id=str(first.mark.actor_id),
        name="Signal_3Light_Post01" if is_light else "Sign_Stop",
        s=first.waypoint.s,
        t=-lateral_m if is_along else lateral_m,
        is_along=is_along,
        lanes=tuple((lane, lane) for lane in lanes),
        foot=foot,
        kind=LIGHT_TYPE if is_light else STOP_TYPE,
    )


def _from_centre_m(waypoint: carla.Waypoint) -> float:
    """Distance from the reference line to the middle of a lane; lane offsets do not count."""
    total_m, lane = 0.5 * waypoint.lane_width, waypoint.get_left_lane()
    while lane is not None and lane.lane_id * waypoint.lane_id > 0:
        total_m, lane = total_m + lane.lane_width, lane.get_left_lane()
    return float(total_m)


def _pole(carla_map: carla.Map, outermost: carla.Waypoint) -> tuple[Foot, float]:
    """A place to the right of the lane and past the line, clear of all lanes, and how far right."""
    place = outermost.transform
    ahead, right = place.get_forward_vector(), place.get_right_vector()
    half_m = 0.5 * outermost.lane_width
    for aside_m, ahead_m in _POLE_OFFSETS:
        reach_m = half_m + aside_m
        spot = place.location + right * reach_m + ahead * ahead_m
        if _is_clear(carla_map, spot):
            heading = -math.radians(place.rotation.yaw)  # OpenDRIVE's y points north
            return Foot(spot.x, -spot.y, spot.z, heading), reach_m
    at = f"({place.location.x:.1f}, {place.location.y:.1f})"
    raise MapError(f"no place for a pole beside the stop line at {at}: lanes all around")


def _pole_offsets() -> tuple[tuple[float, float], ...]:
    """Metres aside of the lane's edge and ahead of the line, the best first."""
    aside = _steps(*_POLE_ASIDE_M)
    low, high = _CROSSING_M
    ahead = [step for step in _steps(*_POLE_AHEAD_M) if not low <= step < high]
    pairs = [(a, b) for a in aside for b in ahead]
    return tuple(sorted(pairs, key=lambda pair: (pair[0] + abs(pair[1] - _SEEN_AHEAD_M), pair)))


def _steps(low: float, high: float) -> list[float]:
    return [low + i * _POLE_STEP_M for i in range(int((high - low) / _POLE_STEP_M) + 1)]


_POLE_OFFSETS = _pole_offsets()


def _is_clear(carla_map: carla.Map, spot: carla.Location) -> bool:
    """Whether no lane comes close; each type for itself, as a query sees the nearest lane only."""
    around = [(0.0, 0.0)]
    for i in range(8):
        angle = math.radians(45.0 * i)
        around.append((_POLE_CLEAR_M * math.cos(angle), _POLE_CLEAR_M * math.sin(angle)))
    places = [carla.Location(spot.x + dx, spot.y + dy, spot.z) for dx, dy in around]
    return all(
        carla_map.get_waypoint(place, project_to_road=False, lane_type=kind) is None
        for place in places
        for kind in _LANES_TO_KEEP_CLEAR
    )


def _control(
    root: ET.Element, heads: dict[tuple[int, int], list[tuple[RoadSignal, float]]]
) -> None:
    """Controllers before the junctions that refer to them, as the standard's schema has it."""
    controllers = ET.Element("controllers")
    junctions = {junction.get("id"): junction for junction in root.findall("junction")}
    for group, junction in sorted(heads):
        members = heads[group, junction]
        numbers = phases_of([yaw for _, yaw in members])
        phases: list[list[str]] = [[] for _ in range(max(numbers) + 1)]
        for (signal, _), phase in zip(members, numbers, strict=True):
            phases[phase].append(signal.signal_id)
        first_id = _CONTROLLER_IDS_FROM + 100 * group
        add_controllers(controllers, junctions[str(junction)], first_id, phases)
    first = next(i for i, child in enumerate(root) if child.tag == "junction")
    for offset, controller in enumerate(controllers):
        root.insert(first + offset, controller)
