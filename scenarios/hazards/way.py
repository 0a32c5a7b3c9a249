"""A route as those who play along it need it: poses beside it, and where an actor is."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fusiondrive.types import ActorState, Pose, Route

NEAR_M = 50.0  # of the last place, in which an actor is looked for


class Place(NamedTuple):
    """A place in metres along a route, and to the right of it."""

    along_m: float
    right_m: float


class Way:
    """A route's centre line; beyond its ends it goes on straight."""

    def __init__(self, route: Route) -> None:
        self.length_m = route.length_m
        self._arc = route.cumulative_m
        self._points = route.points
        self._yaws = np.unwrap(np.deg2rad(route.yaws))

    def pose(self, along_m: float, right_m: float = 0.0) -> Pose:
        """The pose at a place, heading along the route."""
        inside = min(max(along_m, 0.0), self.length_m)
        beyond = along_m - inside
        x, y, z = (float(np.interp(inside, self._arc, self._points[:, i])) for i in range(3))
        yaw = self.yaw(along_m)
        x += beyond * math.cos(yaw) - right_m * math.sin(yaw)
        y += beyond * math.sin(yaw) + right_m * math.cos(yaw)
        return Pose(x, y, z, yaw=math.degrees(yaw))

    def yaw(self, along_m: float) -> float:
        """Heading in radians, unwrapped along the route."""
        return float(np.interp(along_m, self._arc, self._yaws))

    def find(self, x: float, y: float, near_m: float) -> Place:
        """Where a point of the world is, looked for around a place on the route."""
        low = max(int(np.searchsorted(self._arc, near_m - NEAR_M)) - 1, 0)
        high = min(int(np.searchsorted(self._arc, near_m + NEAR_M)) + 1, len(self._arc))
        low = min(low, max(high - 2, 0))
        offsets = np.array((x, y)) - self._points[low:high, :2]
        best = low + int(np.argmin(np.einsum("ij,ij->i", offsets, offsets)))
        yaw = self._yaws[best]
        dx, dy = x - self._points[best, 0], y - self._points[best, 1]
        ahead = dx * math.cos(yaw) + dy * math.sin(yaw)
        right = -dx * math.sin(yaw) + dy * math.cos(yaw)
        return Place(float(self._arc[best] + ahead), float(right))

    def place_of(self, actor: ActorState, near_m: float) -> Place:
        """Where an actor is, see `find`."""
        return self.find(actor.pose.x, actor.pose.y, near_m)
