"""How much a paired comparison could have shown: power of the exact McNemar test.

Of n routes a share differs between two arms; of these the better arm has its part. The power is the
exact one: over all numbers of routes that may differ, and over all ways in which these may fall.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

ALPHA = 0.05  # two-sided, of one comparison alone
POWER = 0.8
MOST_ROUTES = 10_000
STEPS = 30  # halvings: a difference is found to 1e-9


class Reach(NamedTuple):
    """What so many routes can show, and how many a difference as the observed one takes."""

    detectable: float | None  # least share of routes that is found with `POWER`; None: none is
    needed: int | None  # routes for the observed difference; None: none, or over MOST_ROUTES


def power(n: int, discordant: float, difference: float, alpha: float = ALPHA) -> float:
    """Chance that the exact two-sided McNemar test gives p <= alpha.

    Args:
        n: number of pairs.
        discordant: share of pairs that differ, 0 to 1.
        difference: share that one arm has more than the other, at most `discordant`.
        alpha: level of the test.
    """
    if n == 0 or discordant <= 0.0:
        return 0.0
    from scipy.stats import binom  # takes a second, and most commands do without it

    share = 0.5 * (1.0 + min(1.0, difference / discordant))  # of those that differ, the better's
    count = np.arange(n + 1)
    worse = binom.ppf(alpha / 2.0, count, 0.5)  # most that may be the worse arm's
    worse = np.where(binom.cdf(worse, count, 0.5) > alpha / 2.0, worse - 1.0, worse)
    found = binom.cdf(worse, count, 1.0 - share) + binom.cdf(worse, count, share)
    return float(np.sum(binom.pmf(count, n, discordant) * found))


@lru_cache(maxsize=1024)
def reach(n: int, better: int, worse: int) -> Reach:
    """What n routes can show, of which so many differ in favour of either arm.

    A larger difference than the observed one needs more routes that differ: there all that differ
    are in favour of one arm.
    """
    if n == 0:
        return Reach(None, None)
    observed = (better + worse) / n
    difference = abs(better - worse) / n
    return Reach(_detectable(n, observed), _needed(observed, difference))


def _detectable(n: int, observed: float) -> float | None:
    def is_found(difference: float) -> bool:
        return power(n, max(observed, difference), difference) >= POWER

    if not is_found(1.0):
        return None
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if is_found(middle) else (middle, high)
    return high


def _needed(observed: float, difference: float) -> int | None:
    """Found by halving; the power falls a little now and then where a route is added."""
    if difference == 0.0 or power(MOST_ROUTES, observed, difference) < POWER:
        return None
    low, high = 0, MOST_ROUTES
    while high - low > 1:
        middle = (low + high) // 2
        if power(middle, observed, difference) >= POWER:
            high = middle
        else:
            low = middle
    return high
