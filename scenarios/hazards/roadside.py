"""What lies beside a route: the lane's edge and the pavements on both sides."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import carla

from fusiondrive.types import Route
from scenarios.pavement import MAX_LANES_ACROSS, pavement_beside

OFF_CENTRE_M = 0.4  # of a route point from its lane's centre, in a change of lanes


class Verge(NamedTuple):
    """Distances from a route point across the road, in metres; right is positive."""

    edge_m: float  # the lane's right edge; NaN where the route is on no lane's centre
    right_m: float | None  # middle of the pavement to the right; None where there is none
    left_m: float | None  # of that on the other side, negative


class Roadside(Protocol):
    """Tells what is beside a route."""

    def verge(self, route: Route, index: int) -> Verge:
        """What is beside a route point."""
        ...


class MapRoadside:
    """The roadside by the client's map."""

    def __init__(self, carla_map: carla.Map) -> None:
        self._map = carla_map

    def verge(self, route: Route, index: int) -> Verge:
        """What is beside a route point."""
        x, y, z = map(float, route.points[index])
        lane = self._map.get_waypoint(carla.Location(x, y, z))
        yaw = math.radians(float(route.yaws[index]))
        right = (-math.sin(yaw), math.cos(yaw))

        def across(place: tuple[float, float, float] | None) -> float | None:
            if place is None:
                return None
            return (place[0] - x) * right[0] + (place[1] - y) * right[1]

        center = lane.transform.location
        is_centred = math.hypot(center.x - x, center.y - y) <= OFF_CENTRE_M
        edge_m = 0.5 * lane.lane_width if is_centred else math.nan
        opposite = self._opposite(lane)
        left = None if opposite is None else pavement_beside(self._map, opposite)
        return Verge(edge_m, across(pavement_beside(self._map, lane)), across(left))

    def _opposite(self, lane: carla.Waypoint) -> carla.Waypoint | None:
        """The nearest lane of the other direction, across the lanes of this one."""
        beside = lane
        for _ in range(MAX_LANES_ACROSS):
            beside = beside.get_left_lane()
            if beside is None or beside.lane_type == carla.LaneType.NONE:
                return None
            is_other_way = beside.lane_id * lane.lane_id < 0
            if is_other_way and beside.lane_type == carla.LaneType.Driving:
                return beside
        return None
