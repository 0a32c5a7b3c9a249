"""Contrast and brightness by fixed rules."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sensors.enhance.base import U8, Enhancer


@dataclass(frozen=True)
class Clahe(Enhancer):
    """Contrast-limited adaptive histogram equalisation (Zuiderveld 1994) of L in CIE Lab."""

    clip: float = 3.0
    tiles: int = 8  # in each direction
    label = "clahe"

    def enhance(self, rgb: U8) -> U8:
        """Equalise the lightness in tiles; colour stays."""
        lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
        tool = cv2.createCLAHE(self.clip, (self.tiles, self.tiles))
        lab[:, :, 0] = tool.apply(np.ascontiguousarray(lab[:, :, 0]))
        return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), dtype=np.uint8)


@dataclass(frozen=True)
class Gamma(Enhancer):
    """A power law that lifts what is dark: level = 255 (level / 255) ** 0.4.

    Gonzalez and Woods, Digital Image Processing, on power-law transformations: of the exponents
    0.6, 0.4 and 0.3 that they try on a dark picture, 0.4 shows the most detail.
    """

    exponent: float = 0.4
    label = "gamma"

    def enhance(self, rgb: U8) -> U8:
        """Lift each channel by the same curve."""
        curve = 255.0 * (np.arange(256) / 255.0) ** self.exponent
        return np.asarray(cv2.LUT(rgb, np.rint(curve).astype(np.uint8)), dtype=np.uint8)
