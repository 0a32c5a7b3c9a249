"""How well an ideal observer sees a target: pure functions of pictures with and without it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

ROUNDING_VARIANCE = 1.0 / 12.0  # of a grey level that is rounded to a whole one
ROSE = 5.0  # d' from which a target can be told from noise wherever it may be (Rose 1948)


class Seen(NamedTuple):
    """What a target does to a picture."""

    levels: float  # root of the mean squared difference over its pixels, grey levels
    d_prime: float  # of an ideal observer who knows the target, for one frame


class Masks(NamedTuple):
    """Where a target is in a picture."""

    rectangle: NDArray[np.bool_]  # (H, W), all pixels in which it may show
    around: NDArray[np.bool_]  # (H, W), its surroundings
    pixels: int  # that it fills


def seen(with_it: F32, without: F32, masks: Masks) -> Seen:
    """Compare frames of the same scene with and without a target.

    The observer is a matched filter against white noise of the deviation that the frames show over
    the target: d' is the root of the summed squared differences over that deviation. Differences of
    even and odd frames are multiplied, so that noise adds nothing to the sum. What changes all
    around the target as well, as by a camera's gain, is no sign of it and is taken away.

    Args:
        with_it: (N, H, W) grey frames with the target, N even.
        without: (N, H, W) of the same scene without it.
        masks: where the target is.
    """
    mask, around = masks.rectangle, masks.around
    there, empty = with_it[:, mask], without[:, mask]  # (N, P)
    even, odd = (
        there[half::2].mean(0)
        - empty[half::2].mean(0)
        - np.median(with_it[half::2, around].mean(0) - without[half::2, around].mean(0))
        for half in (0, 1)
    )
    noise = 0.5 * (there.var(0, ddof=1).mean() + empty.var(0, ddof=1).mean())
    signal = float((even * odd).sum())
    levels = math.sqrt(max(signal, 0.0) / max(masks.pixels, 1))
    return Seen(levels, math.sqrt(max(signal, 0.0) / (float(noise) + ROUNDING_VARIANCE)))
