"""Power of exact McNemar against a published example, hand calculations and simulated studies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from results.power import POWER, power, reach
from results.stats import mcnemar


def test_power_of_a_published_example() -> None:
    # G*Power 3.1 manual, "Exact: Proportions - inequality, two dependent groups (McNemar)", after
    # O'Brien (2002): n 50, discordant 0.4, odds ratio 0.25, alpha 0.05 one-sided: 0.839343. Two
    # sides at 0.1 are the same test but for p <= 0.05 in favour of the worse arm, 1.5e-5.
    assert power(50, 0.4, 0.32 - 0.08, alpha=0.1) == pytest.approx(0.839343, abs=2e-5)


def test_power_where_all_routes_that_differ_favour_one_arm_is_a_binomial_tail() -> None:
    # p of k against 0 is 2 / 2**k: at 0.05 at least six have to differ
    assert power(25, 0.3, 0.3) == pytest.approx(binom.sf(5, 25, 0.3), abs=1e-12)
    assert power(5, 1.0, 1.0) == 0.0
    assert power(6, 1.0, 1.0) == 1.0


def test_power_without_a_difference_is_below_the_level() -> None:
    assert 0.0 < power(75, 0.3, 0.0) <= 0.05
    assert power(75, 0.0, 0.0) == power(0, 0.5, 0.5) == 0.0


def test_power_is_the_share_of_simulated_studies_that_find_it() -> None:
    rng, found, studies = np.random.default_rng(0), 0, 2000
    for _ in range(studies):
        drawn = rng.random(40)
        first, second = drawn < 0.3, (drawn >= 0.3) & (drawn < 0.35)  # 12 to 2 of 40 in the mean
        found += mcnemar(list(first), list(second)) <= 0.05
    assert power(40, 0.35, 0.25) == pytest.approx(found / studies, abs=0.03)


def test_the_detectable_difference_has_the_power_and_less_has_not() -> None:
    share = reach(75, 10, 2).detectable
    assert share is not None
    assert power(75, max(12 / 75, share), share) == pytest.approx(POWER, abs=1e-6)
    assert power(75, max(12 / 75, share), 0.9 * share) < POWER
    assert reach(5, 5, 0).detectable is None  # 5 : 0 is p = 0.06
    assert reach(6, 6, 0).detectable is not None


def test_the_routes_needed_have_the_power_and_one_less_has_not() -> None:
    needed = reach(25, 3, 0).needed
    assert needed is not None
    assert power(needed, 3 / 25, 3 / 25) >= POWER > power(needed - 1, 3 / 25, 3 / 25)
    assert reach(25, 0, 3).needed == needed
    assert reach(25, 3, 3).needed is None
    assert reach(0, 0, 0) == (None, None)
