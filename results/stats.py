"""Intervals and tests for closed-loop results: Wilson, McNemar, clustered bootstrap, Holm."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest

BOOTSTRAP_DRAWS = 10_000


class Interval(NamedTuple):
    """A closed interval, in the unit of the quantity."""

    low: float
    high: float


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Score interval of a rate (Wilson 1927), as a share in [0, 1].

    Args:
        successes: number of drives for which the claim holds.
        n: number of distinct drives; the interval is the whole range where it is 0.
        confidence: coverage of the interval.
    """
    if n == 0:
        return Interval(0.0, 1.0)
    bounds = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return Interval(max(0.0, float(bounds.low)), min(1.0, float(bounds.high)))


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Exact two-sided p value for paired yes/no results; 1 where no pair differs."""
    if len(first) != len(second):
        raise ValueError(f"unequal numbers of paired results: {len(first)} and {len(second)}")
    only_first = sum(a and not b for a, b in zip(first, second, strict=True))
    only_second = sum(b and not a for a, b in zip(first, second, strict=True))
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second, 0.5).pvalue)


class PairedDifference(NamedTuple):
    """Mean of the second minus the first, with its bootstrap interval and two-sided p value."""

    mean: float
    interval: Interval
    p: float


def paired_bootstrap(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    seed: int = 0,
    confidence: float = 0.95,
) -> PairedDifference:
    """Percentile bootstrap of the mean difference, which resamples whole clusters (routes).

    scipy's `bootstrap` resamples single pairs, which would make the interval of a route that was
    driven several times too narrow.

    Args:
        first: one number for each pair, (N,).
        second: the other number of each pair, (N,).
        clusters: the cluster of each pair, (N,); drives of one route share a cluster.
        seed: seed of the resampling.
        confidence: coverage of the interval.
    """
    differences = np.asarray(second, dtype=float) - np.asarray(first, dtype=float)
    if len(differences) == 0 or len(differences) != len(clusters):
        raise ValueError(f"{len(differences)} pairs with {len(clusters)} clusters")
    order = {cluster: index for index, cluster in enumerate(dict.fromkeys(clusters))}
    member = np.array([order[cluster] for cluster in clusters])
    sums = np.bincount(member, weights=differences, minlength=len(order))
    sizes = np.bincount(member, minlength=len(order))
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(order), size=(BOOTSTRAP_DRAWS, len(order)))
    means = sums[draws].sum(axis=1) / sizes[draws].sum(axis=1)  # (draws,)
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    below = (np.count_nonzero(means <= 0.0) + 1) / (BOOTSTRAP_DRAWS + 1)
    above = (np.count_nonzero(means >= 0.0) + 1) / (BOOTSTRAP_DRAWS + 1)
    p = min(1.0, 2.0 * float(min(below, above)))
    return PairedDifference(float(differences.mean()), Interval(float(low), float(high)), p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values by Holm's step-down method; the order is that of the input."""
    count = len(p_values)
    adjusted = [0.0] * count
    running = 0.0
    for rank, index in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted
