"""Conversion of CARLA's BGRA bytes to RGB, metres and class ids."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sensors.kernel import compiled

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]


def bgra_pixels(raw: Any, height: int, width: int) -> U8:
    """View a camera message's bytes as (H, W, 4)."""
    return np.frombuffer(raw, dtype=np.uint8).reshape(height, width, 4)


def decode_rgb(bgra: U8) -> U8:
    """Convert BGRA pixels to RGB, (H, W, 3) uint8."""
    return np.asarray(cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGB), dtype=np.uint8)


def decode_tags(bgra: U8) -> U8:
    """Read class ids, (H, W) uint8, which CARLA sends in the red channel."""
    return np.ascontiguousarray(bgra[:, :, 2])


@compiled
def _metres(bgra: U8, out: F32) -> None:
    scale = 1000.0 / 16777215.0
    for i in range(bgra.shape[0]):
        for j in range(bgra.shape[1]):
            low = np.int64(bgra[i, j, 2]) + 256 * np.int64(bgra[i, j, 1])
            code = low + 65536 * np.int64(bgra[i, j, 0])
            out[i, j] = code * scale


def decode_depth(bgra: U8) -> F32:
    """Read the depth along the optical axis in metres, (H, W).

    CARLA encodes it as 1000 (R + 256 G + 65536 B) / (2^24 - 1).
    """
    out = np.empty(bgra.shape[:2], np.float32)
    _metres(bgra, out)
    return out
