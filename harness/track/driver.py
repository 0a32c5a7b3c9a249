"""The test driver: holds the lane and the test speed, and brakes at a set deceleration."""

from __future__ import annotations

import math

from fusiondrive.types import Control
from harness.track.protocol import STEP_S
from perceivers.pedal import BrakePedal

# Gains of our own, for a car of CARLA's kind.
SPEED_GAIN, SPEED_SUM_GAIN, FIRST_THROTTLE = 0.6, 0.6, 0.2
LANE_GAIN, STEER_GAIN = 0.5, 0.5


class Driver:
    """A controller with no eyes: it knows where the lane is."""

    def __init__(self, speed_mps: float) -> None:
        self._wanted_mps = speed_mps
        self._throttle = FIRST_THROTTLE  # the part that learns
        self._pedal = BrakePedal(STEP_S)

    def control(
        self, speed_mps: float, right_m: float, turned_deg: float, *, brakes: bool
    ) -> Control:
        """The control of a step.

        Args:
            speed_mps: along the heading.
            right_m: of the lane's middle.
            turned_deg: heading, to the right of the lane's.
            brakes: whether the emergency brake acts.
        """
        heading = math.radians(turned_deg) + math.atan2(LANE_GAIN * right_m, speed_mps + 1.0)
        steer = min(max(-STEER_GAIN * heading, -0.3), 0.3)
        if brakes:
            return Control(0.0, steer, self._pedal.press(speed_mps))
        error = self._wanted_mps - speed_mps
        self._throttle = min(max(self._throttle + SPEED_SUM_GAIN * STEP_S * error, 0.0), 1.0)
        push = self._throttle + SPEED_GAIN * error
        return Control(min(max(push, 0.0), 1.0), steer, min(max(-0.2 * push, 0.0), 1.0))
