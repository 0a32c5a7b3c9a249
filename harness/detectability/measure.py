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

    levels: float  # mean difference over its pixels, grey levels
    d_prime: float  # of an ideal observer who knows the target, for one frame


def seen(with_it: F32, without: F32, mask: NDArray[np.bool_]) -> Seen:
    """Compare frames of the same scene with and without a target.

    The observer is a matched filter against white noise of the deviation that the frames show over
    the target: d' is the root of the summed squared differences over that deviation. Differences of
    even and odd frames are multiplied, so that noise adds nothing to the sum.

    Args:
        with_it: (N, H, W) grey frames with the target, N even.
        without: (N, H, W) of the same scene without it.
        mask: (H, W), the target's pixels.
    """
    if not mask.any():
        return Seen(0.0, 0.0)
    there, empty = with_it[:, mask], without[:, mask]  # (N, P)
    even = there[0::2].mean(0) - empty[0::2].mean(0)
    odd = there[1::2].mean(0) - empty[1::2].mean(0)
    noise = 0.5 * (there.var(0, ddof=1).mean() + empty.var(0, ddof=1).mean())
    signal = float((even * odd).sum())
    levels = float(np.abs(0.5 * (even + odd)).mean())
    return Seen(levels, math.sqrt(max(signal, 0.0) / (float(noise) + ROUNDING_VARIANCE)))
