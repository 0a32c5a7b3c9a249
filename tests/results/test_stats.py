"""Statistics against hand calculations and published values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from results.stats import (
    discordant_needed,
    holm,
    mcnemar,
    paired_bootstrap,
    paired_points,
    sign_flip,
    wilson,
    wilson_clustered,
)


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


def test_wilson_of_routes_driven_once_is_the_plain_one() -> None:
    found = wilson_clustered([True] * 81 + [False] * 182, range(263))
    assert (found.rate, found.n) == (81 / 263, 263.0)
    assert found.interval == pytest.approx((0.2553, 0.3662), abs=5e-5)  # Newcombe (1998)


def routes(*hits: int, seeds: int = 3) -> tuple[list[bool], list[int]]:
    """Outcomes of routes of which so many drives succeeded, and the route of each."""
    outcomes = [seed < count for count in hits for seed in range(seeds)]
    return outcomes, [route for route in range(len(hits)) for _ in range(seeds)]


@pytest.mark.parametrize("won", [0, 1, 12, 25])
def test_routes_that_repeat_themselves_count_once(won: int) -> None:
    found = wilson_clustered(*routes(*[3] * won, *[0] * (25 - won)))
    assert found.n == pytest.approx(25.0)
    assert found.interval == pytest.approx(wilson(won, 25))


def test_the_design_effect_of_a_hand_calculation() -> None:
    # Two routes with 2 and 1 of 2, and the two that are added, with 2 and 0 of 2: rate 5/8.
    # Between: 2 (9 + 1 + 9 + 25) / 64 / 3 = 11/24; within: 2 * 1/4 / 4 = 1/8;
    # rho = (11/24 - 3/24) / (11/24 + 3/24) = 4/7; n = 4 / (1 + 4/7) = 28/11.
    found = wilson_clustered(*routes(2, 1, seeds=2))
    assert found.n == pytest.approx(28 / 11)
    assert found.rate == 0.75


def test_one_failure_does_not_make_a_narrow_interval_of_repeats() -> None:
    # Without the added routes the correlation would be estimated as 0, and n as 75.
    all_won, one_lost = (wilson_clustered(*routes(*[3] * 24, last)) for last in (3, 2))
    assert all_won.n == pytest.approx(25.0)
    assert 25.0 < one_lost.n < 35.0
    assert one_lost.interval.low < all_won.interval.low


@pytest.mark.parametrize("rate", [0.5, 0.9])
@pytest.mark.parametrize("rho", [0.2, 0.8])
def test_the_interval_of_repeated_routes_covers(rate: float, rho: float) -> None:
    # Beta-binomial drives of 25 routes with 3 seeds; the plain interval covers 73 to 90 %.
    rng, spread = np.random.default_rng(0), (1.0 - rho) / rho
    covered = 0
    for _ in range(400):
        chances = rng.beta(rate * spread, (1.0 - rate) * spread, 25)
        low, high = wilson_clustered(*routes(*rng.binomial(3, chances))).interval
        covered += low <= rate <= high
    assert covered / 400 > 0.93


def test_sign_flips_of_routes_driven_once_are_exact_mcnemar() -> None:
    first = [False] * 8 + [True] * 1 + [True] * 5
    second = [True] * 8 + [False] * 1 + [True] * 5
    assert sign_flip(first, second, range(14)) == pytest.approx(mcnemar(first, second))


def test_sign_flips_of_three_routes_by_hand() -> None:
    # Sums of differences +2, +1, -1. Of the 8 sign patterns of 2, 1, 1 the sums are 4, 2, 2, 0, 0,
    # -2, -2 and -4; six are at least as far from 0 as the 2 that was seen.
    first = [False, False, False, True]
    second = [True, True, True, False]
    assert sign_flip(first, second, ["a", "a", "b", "c"]) == pytest.approx(6 / 8)


def test_three_seeds_of_a_route_are_no_three_routes() -> None:
    first, second = [False] * 12, [True] * 12
    clusters = [route for route in range(4) for _ in range(3)]
    assert mcnemar(first, second) == pytest.approx(2 / 2**12)
    assert sign_flip(first, second, clusters) == pytest.approx(2 / 2**4)
    assert sign_flip(first, first, clusters) == 1.0


def test_discordant_routes_that_significance_needs() -> None:
    assert discordant_needed(0.01) == 8  # 8 : 0 has p = 0.0078, 7 : 0 has 0.0156
    assert discordant_needed(0.05) == 6
    assert discordant_needed(2 / 2**5) == 5


def test_no_difference_seen_is_no_certainty() -> None:
    found = paired_points([True] * 25, [True] * 25, range(25))
    # Clopper and Pearson: 0 of 25 leaves at most 1 - 0.025 ** (1 / 25) = 13.7 %
    assert found.interval == pytest.approx((-13.72, 13.72), abs=0.01)
    every = paired_points([False] * 25, [True] * 25, range(25))
    assert (every.mean, *every.interval) == pytest.approx((100.0, 86.28, 100.0), abs=0.01)
