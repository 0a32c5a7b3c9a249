"""Red lights: the front bumper crosses a stop line while its light is red."""

from __future__ import annotations

import math
from typing import NamedTuple

from fusiondrive.geometry import to_heading, turn_degrees
from fusiondrive.types import ActorState, LightState, StopLine
from harness.criteria.base import Event, EventKind, Step

HALF_LANE_M = 2.0
MAX_TURN_DEG = 75.0


class _Place(NamedTuple):
    ahead_m: float  # of the bumper beyond the line; negative before it
    aside_m: float
    turn_deg: float
    is_red: bool


class RedLightCriterion:
    """Reports each light at most once per episode.

    The light must be red in the step before and in the step after the line, so that a change
    within the step is given to the driver.
    """

    def __init__(self) -> None:
        self._before: dict[tuple[int, float, float], _Place] = {}
        self._reported: set[int] = set()

    def update(self, step: Step) -> list[Event]:
        """Compare the bumper's side of each near line with the last step's."""
        bumper = front_bumper(step.state.ego)
        yaw = step.state.ego.pose.yaw
        places = {
            (line.light_id, line.x, line.y): _place(line, bumper, yaw)
            for line in step.state.stop_lines
        }
        events = []
        for key, place in places.items():
            before = self._before.get(key)
            if before is None or key[0] in self._reported:
                continue
            crossed = before.ahead_m <= 0.0 < place.ahead_m
            in_lane = abs(place.aside_m) <= HALF_LANE_M and place.turn_deg <= MAX_TURN_DEG
            if crossed and in_lane and before.is_red and place.is_red:
                self._reported.add(key[0])
                events.append(step.event(EventKind.RED_LIGHT))
        self._before = places
        return events


def front_bumper(ego: ActorState) -> tuple[float, float]:
    """World position of the middle of the front edge of the bounding box."""
    reach_m = ego.box_center[0] + ego.box_extent[0]
    yaw = math.radians(ego.pose.yaw)
    return ego.pose.x + reach_m * math.cos(yaw), ego.pose.y + reach_m * math.sin(yaw)


def _place(line: StopLine, bumper: tuple[float, float], yaw_deg: float) -> _Place:
    ahead_m, aside_m = to_heading(bumper[0] - line.x, bumper[1] - line.y, line.yaw)
    return _Place(
        ahead_m=ahead_m,
        aside_m=aside_m,
        turn_deg=turn_degrees(yaw_deg, line.yaw),
        is_red=line.state is LightState.RED,
    )
