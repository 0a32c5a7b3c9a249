"""Statistics against hand calculations and published values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from results.stats import holm, mcnemar, paired_bootstrap, wilson


def test_wilson_of_a_textbook_case() -> None:
    # Newcombe (1998), table I: 81 of 263 gives 0.2553 to 0.3662
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_wilson_keeps_within_the_unit_range_at_the_ends() -> None:
    assert wilson(0, 10).low == 0.0
    assert wilson(10, 10).high == pytest.approx(1.0, abs=1e-12)
    assert wilson(10, 10).low == pytest.approx(1.0 / (1.0 + 1.959964**2 / 10), abs=1e-6)
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (0, 25), (1, 25), (23, 25), (75, 75)])
def test_wilson_equals_its_closed_form(hits: int, n: int) -> None:
    z, rate = 1.959963984540054, hits / n  # z: 0.975 quantile of the standard normal distribution
    center = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    assert wilson(hits, n) == pytest.approx((center - half, center + half), abs=1e-12)


def test_exact_mcnemar_is_the_sign_test_on_discordant_pairs() -> None:
    first = [False] * 8 + [True] * 1 + [True] * 5
    second = [True] * 8 + [False] * 1 + [True] * 5
    assert mcnemar(first, second) == pytest.approx(2 * (1 + 9) / 2**9)
    assert mcnemar([True], [True]) == 1.0


def test_holm_steps_down_and_stays_monotone() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_bootstrap_is_seeded_and_covers_the_mean_of_clusters() -> None:
    rng = np.random.default_rng(3)
    routes = [str(i // 3) for i in range(60)]
    first = rng.normal(0.0, 1.0, 60)
    second = first + 2.0 + rng.normal(0.0, 0.2, 60)
    found = paired_bootstrap(list(first), list(second), routes)
    assert found == paired_bootstrap(list(first), list(second), routes)
    assert found.interval.low < found.mean < found.interval.high
    assert found.mean == pytest.approx(2.0, abs=0.1)
    assert found.p < 0.001


def test_bootstrap_draws_clusters_and_not_single_pairs() -> None:
    # Equal differences within a route: only the routes' spread remains.
    routes = ["a"] * 50 + ["b"] * 50
    second = [0.0] * 50 + [1.0] * 50
    found = paired_bootstrap([0.0] * 100, second, routes)
    assert found.interval == (0.0, 1.0)
