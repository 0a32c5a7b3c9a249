"""Automatic gain control: radiance to 8 bits, as uncooled cameras do it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sensors.config import ThermalConfig
from sensors.kernel import compiled, deviate, hash_word

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

COLDEST, WARMEST, BINS = -50.0, 80.0, 1040  # in the unit of `radiometry.radiance_table`
PER_DEGREE = BINS / (WARMEST - COLDEST)


@compiled
def add_noise(radiance: F32, sigma: float, salt: int, first: int, beyond: int) -> None:
    """Add the detector's noise to rows `first` to `beyond - 1`, in place.

    The noise is normal with deviation `sigma` and depends on the pixel and `salt` only: `normal`
    of both, in two loops over words of 32 bits, of which the compiler computes many at a time.
    """
    words = np.empty(radiance.shape[1], np.uint32)
    for i in range(first, beyond):
        row = radiance[i]
        for j in range(len(words)):
            words[j] = hash_word(i, j, salt)
        for j in range(len(words)):
            row[j] += sigma * deviate(words[j])


@compiled
def histogram(radiance: F32) -> F64:
    """Share of the pixels whose radiance lies in each bin, (BINS,); the end bins take the rest."""
    counts = np.zeros(BINS)
    for i in range(radiance.shape[0]):
        for j in range(radiance.shape[1]):
            at = int((radiance[i, j] - COLDEST) * PER_DEGREE)
            counts[min(max(at, 0), BINS - 1)] += 1.0
    return counts / radiance.size


@compiled
def apply_curve(radiance: F32, curve: F64, out: U8, first: int, beyond: int) -> None:
    """Write the grey levels of rows `first` to `beyond - 1`, linear between the edges of bins."""
    for i in range(first, beyond):
        for j in range(radiance.shape[1]):
            at = min(max((radiance[i, j] - COLDEST) * PER_DEGREE, 0.0), BINS - 0.001)
            k = int(at)
            grey = curve[k] + (at - k) * (curve[k + 1] - curve[k])
            out[i, j] = int(min(max(grey + 0.5, 0.0), 255.0))


def gain_curve(shares: F64, config: ThermalConfig) -> F64:
    """Grey level in 0..255 at each edge of a bin, (BINS + 1,).

    The curve mixes a linear one between percentiles with a plateau equalisation (of a histogram
    whose peaks are cut, so that a large uniform road does not take all grey levels). Its slope is
    limited, so that noise is not amplified.
    """
    edges = np.concatenate([[0.0], np.cumsum(shares)])
    low, high = np.searchsorted(edges, np.array(config.gain_percentiles) / 100.0)
    linear = np.clip((np.arange(BINS + 1) - low) / max(int(high) - int(low), 1), 0.0, 1.0)
    cut = np.minimum(shares, config.gain_plateau)
    equal = np.concatenate([[0.0], np.cumsum(cut)]) / max(float(cut.sum()), 1e-9)
    wanted = config.gain_linear_share * linear + (1.0 - config.gain_linear_share) * equal
    steps = np.minimum(np.diff(wanted) * 255.0, config.gain_per_c / PER_DEGREE)
    curve = np.concatenate([[0.0], np.cumsum(steps)])
    return np.asarray(curve + 0.5 * (255.0 - curve[-1]), dtype=np.float64)
