"""Lane keeping: off-road, wrong-way, their union as lane infractions, and raw crossings."""

from __future__ import annotations

import math

import carla

from fusiondrive.carla_types import location_of, pose_of
from fusiondrive.geometry import turn_degrees
from fusiondrive.types import Pose
from harness.criteria.base import Event, EventKind, LanePlace, LaneQuery, Step

OUTSIDE_M = 0.5  # Leaderboard 2, OutsideRouteLanesTest.ALLOWED_OUT_DISTANCE
WRONG_WAY_DEG = 120.0  # Leaderboard 2, OutsideRouteLanesTest.MAX_VEHICLE_ANGLE
MIN_DURATION_S = 0.5
MERGE_GAP_S = 2.0
TIME_TOLERANCE_S = 1e-3


class CarlaLaneQuery:
    """Answers from the client's copy of the map; no call goes to the server."""

    def __init__(self, carla_map: carla.Map) -> None:
        self._map = carla_map
        self._types = carla.LaneType.Driving | carla.LaneType.Bidirectional

    def locate(self, pose: Pose) -> LanePlace:
        """Place of the pose relative to the nearest driving lane."""
        waypoint = self._map.get_waypoint(
            location_of(pose), project_to_road=True, lane_type=self._types
        )
        if waypoint is None:
            return LanePlace(in_junction=False, outside_m=math.inf, wrong_way=False)
        lane = pose_of(waypoint.transform)
        gap_m = math.hypot(pose.x - lane.x, pose.y - lane.y)
        is_bidirectional = waypoint.lane_type == carla.LaneType.Bidirectional
        return LanePlace(
            in_junction=bool(waypoint.is_junction),
            outside_m=max(0.0, gap_m - 0.5 * waypoint.lane_width),
            wrong_way=turn_degrees(pose.yaw, lane.yaw) > WRONG_WAY_DEG and not is_bidirectional,
        )


class _Offence:
    """Counts lasting offences: at least 0.5 s long, less than 2 s apart they are one."""

    def __init__(self, kind: EventKind) -> None:
        self.kind = kind
        self._began: Step | None = None
        self._is_reported = False
        self._last_end_s = -math.inf

    def update(self, step: Step, is_offending: bool) -> list[Event]:
        now_s = step.state.time_s
        if not is_offending:
            if self._began is not None and self._is_reported:
                self._last_end_s = now_s
            self._began, self._is_reported = None, False
            return []
        if self._began is None:
            self._began = step
        lasted_s = now_s - self._began.state.time_s
        if self._is_reported or lasted_s < MIN_DURATION_S - TIME_TOLERANCE_S:
            return []
        self._is_reported = True
        if self._began.state.time_s - self._last_end_s < MERGE_GAP_S - TIME_TOLERANCE_S:
            return []
        return [self._began.event(self.kind)]


class LaneCriterion:
    """Judges the ego's origin against the driving lanes, outside junctions.

    Events: `lane_infraction` (either offence), `off_road`, `wrong_way`, each at its onset;
    `lane_crossing` with the number of lane-invasion messages; metres outside are in `outside_m`.
    """

    def __init__(self, lanes: LaneQuery) -> None:
        self._lanes = lanes
        self._either = _Offence(EventKind.LANE_INFRACTION)
        self._off_road = _Offence(EventKind.OFF_ROAD)
        self._wrong_way = _Offence(EventKind.WRONG_WAY)
        self._before: Pose | None = None
        self.outside_m = 0.0

    def update(self, step: Step) -> list[Event]:
        """Place the ego and report what has lasted long enough."""
        pose = step.state.ego.pose
        place = self._lanes.locate(pose)
        is_off_road = not place.in_junction and place.outside_m > OUTSIDE_M
        is_wrong_way = not place.in_junction and not is_off_road and place.wrong_way
        is_offending = is_off_road or is_wrong_way
        if is_offending and self._before is not None:
            self.outside_m += math.hypot(pose.x - self._before.x, pose.y - self._before.y)
        self._before = pose
        events = [
            *self._either.update(step, is_offending),
            *self._off_road.update(step, is_off_road),
            *self._wrong_way.update(step, is_wrong_way),
        ]
        if step.state.lane_crossings:
            events.append(step.event(EventKind.LANE_CROSSING, step.state.lane_crossings))
        return events
