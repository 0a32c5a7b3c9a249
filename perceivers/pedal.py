"""The brake pedal that makes a car slow down at a set deceleration."""

from __future__ import annotations

from perceivers.brake import BRAKE_MPS2

BRAKE_GAIN, FIRST_BRAKE = 0.5, 0.8  # of our own, for a car of CARLA's kind


class BrakePedal:
    """Follows a speed that falls by `BRAKE_MPS2` from the first press on."""

    def __init__(self, step_s: float) -> None:
        """Take the time between two presses."""
        self._step_s = step_s
        self._wanted_mps: float | None = None

    def press(self, speed_mps: float) -> float:
        """The pedal at a speed, 0 to 1."""
        if self._wanted_mps is None:
            self._wanted_mps = speed_mps
        else:
            self._wanted_mps -= BRAKE_MPS2 * self._step_s
        late = speed_mps - max(self._wanted_mps, 0.0)
        return min(max(FIRST_BRAKE + BRAKE_GAIN * late, 0.0), 1.0)

    def let_go(self) -> None:
        """Forget the last press."""
        self._wanted_mps = None
