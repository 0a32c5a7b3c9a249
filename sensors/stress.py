"""Faults of a thermal camera, applied to its finished 8-bit images; the seed repeats them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sensors.thermal_settings import ThermalSettings

U8 = NDArray[np.uint8]

FREEZE_EVERY_S = 10.0
_EARLY_S = 1e-3  # an image is not late for the rounding of its time
_SALT = 0x57E55


class Stress:
    """First the faults of the image (place, contrast, polarity, noise), then of its delivery."""

    def __init__(self, settings: ThermalSettings, seed: int = 0) -> None:
        self._settings = settings
        self.reset(seed)

    def reset(self, seed: int) -> None:
        """Start an episode."""
        self._rng = np.random.default_rng((seed, _SALT))
        self._freezing = np.random.default_rng((seed, _SALT + 1))
        self._kept: list[tuple[float, U8]] = []
        self._start_s: float | None = None
        self._window, self._freeze_s = -1, 0.0
        self._last: U8 | None = None

    def apply(self, image: U8, time_s: float) -> U8:
        """What arrives of an image, (H, W) uint8.

        Args:
            image: from the camera, (H, W) uint8.
            time_s: simulated time of it, ascending.
        """
        return self._delivered(self._taken(image), time_s)

    def _taken(self, image: U8) -> U8:
        s = self._settings
        if s.shift or s.rotation:
            rows, columns = image.shape
            centre = (0.5 * (columns - 1), 0.5 * (rows - 1))
            turn = cv2.getRotationMatrix2D(centre, -s.rotation, 1.0)
            turn[0, 2] += s.shift
            moved = cv2.warpAffine(image, turn, (columns, rows), borderMode=cv2.BORDER_REPLICATE)
            image = np.asarray(moved, dtype=np.uint8)
        if s.contrast == 1.0 and s.polarity == "normal" and s.noise == 0.0:
            return image
        values = image.astype(np.float32)
        if s.contrast != 1.0:
            mean = values.mean()
            values = mean + s.contrast * (values - mean)
        if s.polarity == "flip":
            values = 255.0 - values
        if s.noise:
            values += s.noise * self._rng.standard_normal(values.shape, dtype=np.float32)
        return np.asarray(np.clip(values + 0.5, 0.0, 255.0), dtype=np.uint8)

    def _delivered(self, image: U8, time_s: float) -> U8:
        image = self._late(image, time_s)
        if self._last is not None and self._is_frozen(time_s):
            image = self._last
        self._last = image
        if self._settings.dropout and self._rng.random() < self._settings.dropout:
            return np.zeros_like(image)
        return image

    def _late(self, image: U8, time_s: float) -> U8:
        """The newest image that is old enough; the oldest one before there is any."""
        if not self._settings.latency:
            return image
        self._kept.append((time_s, image))
        due_s = time_s - self._settings.latency + _EARLY_S
        while len(self._kept) > 1 and self._kept[1][0] <= due_s:
            self._kept.pop(0)
        return self._kept[0][1]

    def _is_frozen(self, time_s: float) -> bool:
        """Whether the one freeze of this window of 10 s is under way; its moment is drawn."""
        if not self._settings.freeze:
            return False
        if self._start_s is None:
            self._start_s = time_s
        window, at_s = divmod(time_s - self._start_s, FREEZE_EVERY_S)
        while self._window < window:
            self._window += 1
            latest_s = FREEZE_EVERY_S - self._settings.freeze
            self._freeze_s = float(self._freezing.uniform(0.0, latest_s))
        return self._freeze_s <= at_s < self._freeze_s + self._settings.freeze - _EARLY_S
