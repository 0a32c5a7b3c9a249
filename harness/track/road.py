"""The straight road on which the tests are driven: the longest one of the loaded map."""

from __future__ import annotations

import math
from dataclasses import dataclass

import carla
import numpy as np
from numpy.typing import NDArray

from fusiondrive.carla_types import pose_of
from fusiondrive.errors import MapError
from fusiondrive.geometry import Ahead, to_heading, turn_degrees
from fusiondrive.types import Pose

STEP_M = 2.0
SEED_M = 20.0  # between the places at which a search begins
BENT_DEG, ASIDE_M = 1.0, 0.3  # how far a lane may turn and drift and still count as straight


@dataclass(frozen=True)
class Straight:
    """A straight piece of a driving lane with one of the other direction at its left."""

    start: Pose
    heights: NDArray[np.float64]  # (N,) m, every `STEP_M` from the start
    lane_width_m: float
    oncoming_m: float  # from the lane's middle to that of the oncoming lane, to the right

    @property
    def length_m(self) -> float:
        """From the first to the last point."""
        return STEP_M * (len(self.heights) - 1)

    def pose(self, along_m: float, right_m: float, turned_deg: float = 0.0) -> Pose:
        """A pose on the road.

        Args:
            along_m: from the start.
            right_m: of the lane's middle.
            turned_deg: to the right of the road's direction.
        """
        yaw = math.radians(self.start.yaw)
        cos, sin = math.cos(yaw), math.sin(yaw)
        x = self.start.x + along_m * cos - right_m * sin
        y = self.start.y + along_m * sin + right_m * cos
        grid = STEP_M * np.arange(len(self.heights))
        z = float(np.interp(along_m, grid, self.heights))
        return Pose(x, y, z, yaw=self.start.yaw + turned_deg)

    def place(self, pose: Pose) -> Ahead:
        """Where a pose is on the road: metres along it and to the right of the lane's middle."""
        return to_heading(pose.x - self.start.x, pose.y - self.start.y, self.start.yaw)


def longest_straight(carla_map: carla.Map, least_m: float) -> Straight:
    """Search the map for the longest straight lane beside an oncoming one.

    Raises:
        MapError: none is as long as `least_m`.
    """
    best: list[carla.Waypoint] = []
    for waypoint in carla_map.generate_waypoints(SEED_M):
        if not waypoint.is_junction and _oncoming(waypoint) is not None:
            found = _follow(waypoint)
            if len(found) > len(best):
                best = found
    length_m = STEP_M * max(0, len(best) - 1)
    if length_m < least_m:
        raise MapError(
            f"expected a straight two-way road of {least_m:.0f} m, and the longest of "
            f"'{carla_map.name}' has {length_m:.0f} m; use the town 'track' of the embedded "
            "server, CARLA's Town04 or Town06, or lower speeds"
        )
    other = _oncoming(best[0])
    assert other is not None  # the search asked for one
    return Straight(
        start=pose_of(best[0].transform),
        heights=np.array([waypoint.transform.location.z for waypoint in best]),
        lane_width_m=float(best[0].lane_width),
        oncoming_m=_place(best[0], other).right,
    )


def _follow(first: carla.Waypoint) -> list[carla.Waypoint]:
    found = [first]
    while True:
        onward = found[-1].next(STEP_M)
        if not onward or onward[0].is_junction:
            return found
        turn = turn_degrees(onward[0].transform.rotation.yaw, first.transform.rotation.yaw)
        if turn > BENT_DEG or abs(_place(first, onward[0]).right) > ASIDE_M:
            return found
        found.append(onward[0])


def _oncoming(waypoint: carla.Waypoint) -> carla.Waypoint | None:
    """The nearest driving lane of the other direction, over medians and other lanes."""
    beside = waypoint.get_left_lane()
    for _ in range(8):
        if beside is None:
            return None
        if beside.lane_id * waypoint.lane_id < 0 and beside.lane_type == carla.LaneType.Driving:
            return beside
        # A lane's left is that of its own direction.
        is_across = beside.lane_id * waypoint.lane_id < 0
        beside = beside.get_right_lane() if is_across else beside.get_left_lane()
    return None


def _place(origin: carla.Waypoint, other: carla.Waypoint) -> Ahead:
    a, b = origin.transform.location, other.transform.location
    return to_heading(b.x - a.x, b.y - a.y, origin.transform.rotation.yaw)
