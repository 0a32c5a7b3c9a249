"""Standing still for too long without a red light as the reason."""

from __future__ import annotations

from fusiondrive.geometry import to_heading, turn_degrees
from fusiondrive.types import LightState, WorldState
from harness.criteria.base import Event, EventKind, Step

MIN_SPEED_MPS = 0.1
LIMIT_S = 90.0
RED_AHEAD_M = 30.0
RED_ASIDE_M = 4.0
RED_TURN_DEG = 45.0
TIME_TOLERANCE_S = 1e-3


class BlockedCriterion:
    """Reports once, after 90 s below 0.1 m/s; a red light ahead stops and resets the clock."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._is_reported = False

    def update(self, step: Step) -> list[Event]:
        """Run the clock of standing."""
        state = step.state
        if state.ego.speed_mps >= MIN_SPEED_MPS or has_red_ahead(state):
            self._since_s = None
            return []
        if self._since_s is None:
            self._since_s = state.time_s
        stood_s = state.time_s - self._since_s
        if self._is_reported or stood_s < LIMIT_S - TIME_TOLERANCE_S:
            return []
        self._is_reported = True
        return [step.event(EventKind.BLOCKED, stood_s)]


def has_red_ahead(state: WorldState) -> bool:
    """Whether CARLA or a red stop line in front of the ego explains standing."""
    if state.at_red_light:
        return True
    pose = state.ego.pose
    for line in state.stop_lines:
        if line.state is not LightState.RED:
            continue
        ahead_m, aside_m = to_heading(line.x - pose.x, line.y - pose.y, pose.yaw)
        turn_deg = turn_degrees(line.yaw, pose.yaw)
        if 0.0 < ahead_m < RED_AHEAD_M and abs(aside_m) < RED_ASIDE_M and turn_deg < RED_TURN_DEG:
            return True
    return False
