"""Intervals and tests for closed-loop results: Wilson, McNemar, sign flips, bootstrap, Holm."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BOOTSTRAP_DRAWS = 10_000
STATISTICS_VERSION = 1
"""Raise it by one whenever the same rows come out with another interval, p value or comparison.

It is part of frozen benchmarks.
"""


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
    from scipy.stats import binomtest  # takes a second, and most commands do without it

    bounds = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return Interval(max(0.0, float(bounds.low)), min(1.0, float(bounds.high)))


def wilson_clustered(outcomes: Sequence[bool], clusters: Sequence[Hashable]) -> ClusteredRate:
    """Wilson's interval where a cluster (route) was driven several times.

    n is divided by Kish's design effect, 1 + (size - 1) rho, with the analysis-of-variance
    estimate of the intraclass correlation rho (Ridout, Demetrio and Firth 1999). To the clusters
    that rho is estimated from, one is added in which all succeeded and one in which none did, in
    the manner of Agresti and Coull (1998): otherwise rho is 0 or undefined where nearly all
    drives end alike, and the interval too narrow. Where each cluster repeats itself, rho is 1 and
    n the number of clusters; where each was driven once, this is `wilson`.

    Args:
        outcomes: one for each drive, (N,).
        clusters: the cluster of each drive, (N,).
    """
    hits, sizes = _by_cluster([float(outcome) for outcome in outcomes], clusters)
    total = float(sizes.sum())
    if total == 0.0:
        return ClusteredRate(0.0, 0.0, Interval(0.0, 1.0))
    rate = float(hits.sum()) / total
    kish = float(np.square(sizes).sum()) / total - 1.0
    n = total / (1.0 + kish * (_intraclass(hits, sizes) if kish > 0.0 else 0.0))
    return ClusteredRate(rate, n, _score_interval(rate, n))


class ClusteredRate(NamedTuple):
    """A share in [0, 1], the number of independent drives it is worth, and its 95 % interval."""

    rate: float
    n: float
    interval: Interval


def _intraclass(hits: NDArray[np.float64], sizes: NDArray[np.float64]) -> float:
    """Correlation of two drives of a cluster, 0 to 1, with the two clusters added."""
    size = float(sizes.mean())
    hits = np.append(hits, [size, 0.0])
    sizes = np.append(sizes, [size, size])
    count, total = len(sizes), float(sizes.sum())
    rates, rate = hits / sizes, float(hits.sum()) / total
    between = float((sizes * np.square(rates - rate)).sum()) / (count - 1)
    within = float((hits * (1.0 - rates)).sum()) / (total - count)
    typical = (total - float(np.square(sizes).sum()) / total) / (count - 1)
    rho = (between - within) / (between + (typical - 1.0) * within)
    return min(max(rho, 0.0), 1.0)


def _score_interval(rate: float, n: float) -> Interval:
    """Wilson's interval for an n that need not be whole, at 95 %."""
    from scipy.special import ndtri  # as `scipy.stats.norm.ppf`; imported late as above

    square = float(ndtri(0.975)) ** 2 / n
    center = (rate + square / 2.0) / (1.0 + square)
    half = np.sqrt(square * (rate * (1.0 - rate) + square / 4.0)) / (1.0 + square)
    return Interval(max(0.0, float(center - half)), min(1.0, float(center + half)))


def _by_cluster(
    values: Sequence[float], clusters: Sequence[Hashable]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum of the values and number of them in each cluster, in order of first appearance."""
    if len(values) != len(clusters):
        raise ValueError(f"{len(values)} values with {len(clusters)} clusters")
    order = {cluster: index for index, cluster in enumerate(dict.fromkeys(clusters))}
    member = np.array([order[cluster] for cluster in clusters], dtype=int)
    sums, sizes = np.zeros(len(order)), np.zeros(len(order))
    np.add.at(sums, member, values)
    np.add.at(sizes, member, 1.0)
    return sums, sizes


def sign_flip(first: Sequence[bool], second: Sequence[bool], clusters: Sequence[Hashable]) -> float:
    """Exact two-sided p value of paired yes/no results whose pairs come in clusters (routes).

    Under the null hypothesis a cluster's sum of differences is as likely with the other sign.
    All sign patterns are counted, however many clusters differ. Where each cluster has one pair,
    this is exact McNemar.

    Args:
        first: one result for each pair, (N,).
        second: the other result of each pair, (N,).
        clusters: the cluster of each pair, (N,).
    """
    differences = [float(b) - float(a) for a, b in zip(first, second, strict=True)]
    sums = np.rint(_by_cluster(differences, clusters)[0]).astype(int)
    chances = np.ones(1)  # of the sums -reach to reach
    for size in np.abs(sums[sums != 0]):
        flipped = np.zeros(2 * size + 1)
        flipped[[0, -1]] = 0.5
        chances = np.convolve(chances, flipped)
    reach = len(chances) // 2
    extreme = np.abs(np.arange(-reach, reach + 1)) >= abs(int(sums.sum()))
    return min(1.0, float(chances[extreme].sum()))


def discordant_needed(alpha: float) -> int:
    """Routes that have to differ, all in favour of one arm, for a two-sided exact p <= alpha."""
    return math.ceil(math.log2(2.0 / alpha) - 1e-12)  # p of k against 0 is 2 / 2**k


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Exact two-sided p value for paired yes/no results; 1 where no pair differs."""
    if len(first) != len(second):
        raise ValueError(f"unequal numbers of paired results: {len(first)} and {len(second)}")
    only_first = sum(a and not b for a, b in zip(first, second, strict=True))
    only_second = sum(b and not a for a, b in zip(first, second, strict=True))
    if only_first + only_second == 0:
        return 1.0
    from scipy.stats import binomtest  # late, as above

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
    sums, sizes = _by_cluster(list(differences), clusters)
    times = resamples(len(sums), seed)
    means = (times @ sums) / (times @ sizes)  # (draws,)
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    below = (np.count_nonzero(means <= 0.0) + 1) / (BOOTSTRAP_DRAWS + 1)
    above = (np.count_nonzero(means >= 0.0) + 1) / (BOOTSTRAP_DRAWS + 1)
    p = min(1.0, 2.0 * float(min(below, above)))
    return PairedDifference(float(differences.mean()), Interval(float(low), float(high)), p)


@lru_cache(maxsize=4)  # tables compare many arms on the same routes
def resamples(count: int, seed: int) -> NDArray[np.float64]:
    """How often each of so many clusters is in each of the bootstrap's draws, (draws, count)."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(count, size=(BOOTSTRAP_DRAWS, count))
    times = np.zeros((BOOTSTRAP_DRAWS, count))
    np.add.at(times, (np.arange(BOOTSTRAP_DRAWS)[:, None], drawn), 1.0)
    return times


def paired_points(
    first: Sequence[bool], second: Sequence[bool], clusters: Sequence[Hashable]
) -> PairedDifference:
    """Difference of two shares in points, with the interval of `paired_bootstrap`.

    Where all clusters differ alike (mostly: not at all), the bootstrap has nothing to draw from
    and would be certain. There the interval is wider by the share of clusters that could be
    otherwise without one of them being among those seen (Clopper and Pearson 1934, 95 %).
    """
    points = [100.0 * a for a in first], [100.0 * b for b in second]
    found = paired_bootstrap(*points, clusters)
    sums, sizes = _by_cluster([b - a for a, b in zip(*points, strict=True)], clusters)
    if np.ptp(sums / sizes) > 0.0:
        return found
    unseen = 100.0 * (1.0 - 0.025 ** (1.0 / len(sums)))
    interval = Interval(max(found.mean - unseen, -100.0), min(found.mean + unseen, 100.0))
    return found._replace(interval=interval)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values by Holm's step-down method; the order is that of the input."""
    count = len(p_values)
    adjusted = [0.0] * count
    running = 0.0
    for rank, index in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted
