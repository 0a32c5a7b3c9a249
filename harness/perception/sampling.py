"""Which moments of a drive are kept: about one a second, more where the ego has to brake."""

from __future__ import annotations

import numpy as np

USUAL_S = (0.6, 1.4)  # between two moments
NEEDED_S = (0.3, 0.7)  # while a hazard acts ahead or the expert brakes for somebody
STANDING_S = (3.0, 6.0)  # while the ego stands: the moments are alike
STANDING_MPS = 0.2
FIRST_S = 2.0  # of a drive, in which the ego sets off


class Sampler:
    """Decides step by step; the same for the same seed and drive."""

    def __init__(self, seed: int, most: int) -> None:
        """Begin a drive.

        Args:
            seed: of the jitter.
            most: moments to keep.
        """
        self._rng = np.random.default_rng((seed, 0x905E))
        self._most = most
        self._share = float(self._rng.random())  # where between the bounds the next one lies
        self._last_s = FIRST_S - USUAL_S[1]
        self.kept = 0

    @property
    def is_full(self) -> bool:
        """Whether the drive has given its share."""
        return self.kept >= self._most

    def takes(self, time_s: float, speed_mps: float, *, is_needed: bool) -> bool:
        """Whether to keep a moment.

        Args:
            time_s: since the drive's first observation.
            speed_mps: of the ego.
            is_needed: a hazard acts ahead, or the expert brakes for somebody.
        """
        low, high = USUAL_S
        if abs(speed_mps) < STANDING_MPS:
            low, high = STANDING_S
        elif is_needed:
            low, high = NEEDED_S
        if self.is_full or time_s < FIRST_S:
            return False
        if time_s - self._last_s < low + self._share * (high - low):
            return False
        self._last_s, self._share = time_s, float(self._rng.random())
        self.kept += 1
        return True
