"""Means over pairs with bootstrap intervals, and how a table shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
COVERAGE = 95.0  # percent
SEED = 0
NOTHING = "–"


class Summary(NamedTuple):
    """A mean over pairs; `low` and `high` bound its 95 % interval."""

    n: int  # values that are finite
    missing: int  # NaN or infinite ones, left out
    mean: float
    low: float
    high: float

    def text(self, digits: int = 4) -> str:
        """Text such as `6.946 [6.887, 7.020]`, with the count of missing values if any."""
        if self.n == 0:
            return f"{NOTHING} ({self.missing} missing)" if self.missing else NOTHING
        shown = f"{_round(self.mean, digits)}"
        if self.n > 1 and np.isfinite(self.low):
            shown += f" [{_round(self.low, digits)}, {_round(self.high, digits)}]"
        return shown + (f" ({self.missing} missing)" if self.missing else "")


def _round(value: float, digits: int) -> str:
    """Fixed-point text with `digits` figures, of which at least one is a decimal."""
    size = int(np.floor(np.log10(abs(value)))) if value else 0
    return f"{value:.{max(digits - 1 - max(size, 0), 1)}f}"


def summarise(values: Sequence[float]) -> Summary:
    """Mean over pairs with its percentile bootstrap interval.

    Pairs of one video are not independent, so that the interval is rather too narrow.
    """
    every = np.asarray(values, dtype=np.float64)
    finite = every[np.isfinite(every)]
    missing = len(every) - len(finite)
    if len(finite) == 0:
        return Summary(0, missing, float("nan"), float("nan"), float("nan"))
    draws = np.random.default_rng(SEED).integers(0, len(finite), (RESAMPLES, len(finite)))
    low, high = _interval(finite[draws].mean(axis=1))
    return Summary(len(finite), missing, float(finite.mean()), low, high)


def summarise_set(
    score: Callable[[NDArray[np.intp]], float], images: int, resamples: int
) -> Summary:
    """Summarise a score of a whole set of images, such as mAP, as `summarise` does.

    Args:
        score: computes the score of the images with these indices.
        images: number of images.
        resamples: number of bootstrap samples.
    """
    value = score(np.arange(images))
    rng = np.random.default_rng(SEED)
    drawn = [score(rng.integers(0, images, images)) for _ in range(resamples)] if images > 1 else []
    finite = np.array([item for item in drawn if np.isfinite(item)])
    low, high = _interval(finite) if len(finite) else (float("nan"), float("nan"))
    return Summary(images if np.isfinite(value) else 0, 0, value, low, high)


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    rim = (100 - COVERAGE) / 2
    low, high = np.percentile(values, [rim, 100 - rim])
    return float(low), float(high)
