"""Triangular steering noise for data collection (Codevilla et al. 2018): drift, then recover."""

from __future__ import annotations

import numpy as np

SHARE_OF_TIME = 0.28
DURATION_S = (0.6, 1.6)
PEAK = (0.35, 1.0)  # of the largest peak at the present speed
LARGEST_PEAK = 0.42
PEAK_SPEED_PRODUCT = 1.7  # m/s: the peak falls with speed, so that the car stays on its street
THROTTLE_SHARE_OF_TIME = 0.05
THROTTLE_DURATION_S = (0.5, 1.2)


class SteeringNoise:
    """Now and then pushes the wheel to one side and back; the labels do not hear of it."""

    def __init__(self, rng: np.random.Generator, delta_s: float = 0.1) -> None:
        self._rng = rng
        self._delta_s = delta_s
        self._left_s = 0.0
        self._length_s = 1.0
        self._peak = 0.0
        self._throttle_left_s = 0.0
        self._throttle = 0.0

    def advance(self, speed_mps: float) -> tuple[float, float]:
        """Steering and throttle to add in this step."""
        return self._steer(speed_mps), self._push()

    def _steer(self, speed_mps: float) -> float:
        if self._left_s <= 0.0:
            rest_s = np.mean(DURATION_S) * (1.0 / SHARE_OF_TIME - 1.0)
            if speed_mps < 1.0 or self._rng.random() > self._delta_s / rest_s:
                return 0.0
            self._length_s = self._left_s = float(self._rng.uniform(*DURATION_S))
            limit = min(LARGEST_PEAK, PEAK_SPEED_PRODUCT / max(speed_mps, 1.0))
            side = 1.0 if self._rng.random() < 0.5 else -1.0
            self._peak = side * limit * float(self._rng.uniform(*PEAK))
        share = 1.0 - self._left_s / self._length_s
        self._left_s -= self._delta_s
        return self._peak * (1.0 - abs(2.0 * share - 1.0))

    def _push(self) -> float:
        if self._throttle_left_s <= 0.0:
            rest_s = np.mean(THROTTLE_DURATION_S) * (1.0 / THROTTLE_SHARE_OF_TIME - 1.0)
            if self._rng.random() > self._delta_s / rest_s:
                return 0.0
            self._throttle_left_s = float(self._rng.uniform(*THROTTLE_DURATION_S))
            self._throttle = float(self._rng.uniform(-0.5, 0.3))
        self._throttle_left_s -= self._delta_s
        return self._throttle
