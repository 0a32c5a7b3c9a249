"""Fixed fusion rules without weights on luma and thermal grey: average, maximum, Laplacian."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
Rule = Callable[[U8, U8], U8]

PYRAMID_LEVELS = 5


def fuse_luma(rgb: U8, thermal: U8, rule: Rule) -> U8:
    """Replace the luma of YCbCr (BT.601) and keep the colour."""
    ycc = cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)
    ycc[:, :, 0] = rule(np.ascontiguousarray(ycc[:, :, 0]), thermal)
    return np.asarray(cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB), dtype=np.uint8)


def average(luma: U8, thermal: U8) -> U8:
    """Fuse to the mean of luma and thermal grey."""
    return np.asarray(cv2.addWeighted(luma, 0.5, thermal, 0.5, 0.0), dtype=np.uint8)


def maximum(luma: U8, thermal: U8) -> U8:
    """Fuse to the brighter of luma and thermal grey."""
    return np.maximum(luma, thermal)


def _bands(image: U8) -> list[F32]:
    """Laplacian pyramid, finest first; the last entry is the coarse remainder."""
    current: F32 = image.astype(np.float32)
    bands: list[F32] = []
    while len(bands) < PYRAMID_LEVELS and min(current.shape) >= 8:
        coarse = cv2.pyrDown(current)
        size = (current.shape[1], current.shape[0])
        bands.append(np.asarray(current - cv2.pyrUp(coarse, dstsize=size), dtype=np.float32))
        current = np.asarray(coarse, dtype=np.float32)
    return [*bands, current]


def laplacian(luma: U8, thermal: U8) -> U8:
    """Fuse to the stronger detail of the two in each band of a Laplacian pyramid.

    The coarse remainders are averaged.
    """
    ours, theirs = _bands(luma), _bands(thermal)
    fused: F32 = 0.5 * (ours[-1] + theirs[-1])
    for a, b in zip(reversed(ours[:-1]), reversed(theirs[:-1]), strict=True):
        detail = np.where(np.abs(a) >= np.abs(b), a, b)
        size = (a.shape[1], a.shape[0])
        fused = np.asarray(cv2.pyrUp(fused, dstsize=size) + detail, dtype=np.float32)
    return np.clip(np.rint(fused), 0, 255).astype(np.uint8)


RULES: Mapping[str, Rule] = {"average": average, "max": maximum, "laplacian": laplacian}
