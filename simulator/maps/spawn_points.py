"""Where vehicles may start: on driving lanes between junctions that reach all the others."""

from __future__ import annotations

from collections import defaultdict

import carla
import networkx as nx

from simulator.types import Pose

SPACING_M = 15.0
MOUTH_MARGIN_M = 6.0
LIFT_M = 0.5  # CARLA's spawn points float a little above the road
_STEP_M = 1.0
_CLEARANCE_M = 9.0

LaneKey = tuple[int, int, int]  # road, section, lane


def spawn_points_of(carla_map: carla.Map) -> tuple[Pose, ...]:
    """Spawn points ordered by road, lane and distance along the lane."""
    connected = connected_lanes(carla_map)
    lanes: dict[tuple[int, int], list[carla.Waypoint]] = defaultdict(list)
    for waypoint in carla_map.generate_waypoints(_STEP_M):
        if not waypoint.is_junction and lane_key(waypoint) in connected:
            lanes[waypoint.road_id, waypoint.lane_id].append(waypoint)
    found: list[Pose] = []
    for key in sorted(lanes, key=lambda road_lane: (road_lane[0], -road_lane[1])):
        for pose in _along(sorted(lanes[key], key=lambda waypoint: waypoint.s)):
            if not any(_too_close(pose, other) for other in found):
                found.append(pose)
    return tuple(found)


def _along(waypoints: list[carla.Waypoint]) -> list[Pose]:
    """Evenly spread poses on one lane, none near its ends."""
    low, high = waypoints[0].s + MOUTH_MARGIN_M, waypoints[-1].s - MOUTH_MARGIN_M
    if high < low:
        return []
    count = int((high - low) // SPACING_M) + 1
    slack = (high - low) - (count - 1) * SPACING_M
    poses = []
    for i in range(count):
        wanted = low + slack / 2.0 + i * SPACING_M
        poses.append(_pose(min(waypoints, key=lambda waypoint: abs(waypoint.s - wanted))))
    return poses


def _pose(waypoint: carla.Waypoint) -> Pose:
    location, rotation = waypoint.transform.location, waypoint.transform.rotation
    yaw = 180.0 - (180.0 - rotation.yaw) % 360.0  # (-180, 180]
    pitch = 180.0 - (180.0 - rotation.pitch) % 360.0
    return Pose(location.x, location.y, location.z + LIFT_M, pitch, yaw, 0.0)


def _too_close(a: Pose, b: Pose) -> bool:
    """Whether two points would put cars into each other; neighbouring lanes are fine."""
    gap_sq = (a.x - b.x) ** 2 + (a.y - b.y) ** 2
    turned = abs((a.yaw - b.yaw + 180.0) % 360.0 - 180.0)
    limit = 2.5 if turned > 150.0 or turned < 30.0 else _CLEARANCE_M
    return gap_sq < limit**2 and abs(a.z - b.z) < 3.0


def lane_key(waypoint: carla.Waypoint) -> LaneKey:
    """What names a lane in the map's topology."""
    return waypoint.road_id, waypoint.section_id, waypoint.lane_id


def connected_lanes(carla_map: carla.Map) -> set[LaneKey]:
    """The largest set of driving lanes from each of which every other can be reached."""
    graph: nx.DiGraph = nx.DiGraph()
    for entry, onward in carla_map.get_topology():
        graph.add_edge(lane_key(entry), lane_key(onward))
        for waypoint in (entry, onward):
            for side in (waypoint.get_left_lane(), waypoint.get_right_lane()):
                if side is not None and _may_change(waypoint, side):
                    graph.add_edge(lane_key(waypoint), lane_key(side))
    components = sorted(nx.strongly_connected_components(graph), key=lambda c: (-len(c), min(c)))
    return set(components[0]) if components else set()


def _may_change(waypoint: carla.Waypoint, side: carla.Waypoint) -> bool:
    is_driving = side.lane_type == carla.LaneType.Driving
    return is_driving and side.lane_id * waypoint.lane_id > 0 and not waypoint.is_junction
