"""The first sentence: which comparison it is on, and what it may claim."""

from __future__ import annotations

import pytest

from fusiondrive.errors import ConfigError
from harness.report.answer import (
    KIND_REMARKS,
    KINDS,
    Answer,
    kind_rank,
    make_answer,
    p_text,
)
from harness.report.plots import Names
from results.cells import labels_of, make_cells
from results.gains import FAULT, INFRARED, RESTORATION, TOTAL, compare
from results.row import EpisodeRow
from tests.results.test_gains import STUDY, arm

ALL = range(12)


def answer(rows: list[EpisodeRow], wanted: tuple[str, str] | None = None) -> Answer:
    cells = make_cells(rows)
    names = labels_of(cell.input_setting for cell in cells)
    return make_answer(rows, cells, compare(rows), names, wanted)


def names(found: Answer) -> tuple[str, str]:
    assert found.comparison is not None
    return found.comparison.arm.label, found.comparison.minus.label


def test_the_twin_comes_before_every_other_comparison() -> None:
    assert names(answer(STUDY)) == ("oracle", "oracle_rgb")


def test_the_method_comes_before_its_upper_bound() -> None:
    assert names(answer([*STUDY, *arm("distilled", ())])) == ("distilled", "dehaze")


def test_an_enhancement_comes_before_the_blanked_network() -> None:
    rows = [row for row in STUDY if row.arm != "oracle_rgb"]
    assert names(answer(rows)) == ("oracle", "dehaze")


def test_the_choice_does_not_depend_on_the_result() -> None:
    lost = [*arm("rgb", range(9)), *arm("dehaze", range(3)), *arm("oracle", ())]
    won = [*arm("rgb", ()), *arm("dehaze", range(3)), *arm("oracle", ALL)]
    assert names(answer(lost)) == names(answer(won)) == ("oracle", "dehaze")


def test_an_interval_that_holds_0_shows_no_difference() -> None:
    found = answer(STUDY)
    assert "no difference is shown between oracle and oracle_rgb" in found.verdict
    assert "100 % and 83 % of the drives, +17 points (95 % interval" in found.evidence
    assert "n = 12 pairs, exact McNemar p = 0.50" in found.evidence


def test_a_difference_is_said_with_its_direction() -> None:
    rows = [*arm("rgb", ()), *arm("dehaze", range(1)), *arm("oracle", ALL)]
    found = answer(rows)
    assert "more often with oracle than with dehaze" in found.verdict
    swapped = [*arm("rgb", ()), *arm("dehaze", ALL), *arm("oracle", range(1))]
    assert "less often with oracle than with dehaze" in answer(swapped).verdict


def test_an_interval_without_0_shows_nothing_where_the_exact_test_does_not_agree() -> None:
    rows = [*arm("rgb", ()), *arm("dehaze", ()), *arm("oracle", range(4))]
    found = answer(rows)
    assert found.comparison is not None
    assert found.comparison.success.points.interval.low > 0.0
    assert "no difference is shown" in found.verdict
    assert "The interval excludes 0, but the exact test does not agree." in found.remarks


def test_holm_over_the_report_is_said_where_it_takes_the_difference_away() -> None:
    rows = [*arm("rgb", ()), *arm("dehaze", ()), *arm("clahe", ()), *arm("oracle", range(6))]
    remark = next(text for text in answer(rows).remarks if "Holm" in text)
    assert "no difference is shown" in remark


def test_what_so_many_routes_could_have_shown_is_said_where_nothing_is() -> None:
    remark = next(text for text in answer(STUDY).remarks if text.startswith("12 routes show"))
    assert "in four of five studies; one of 17 points takes" in remark
    shown = answer([*arm("rgb", ()), *arm("dehaze", range(1)), *arm("oracle", ALL)])
    assert not any("of five studies" in text for text in shown.remarks)
    few = answer([*arm("rgb", (), 4), *arm("dehaze", (), 4), *arm("oracle", range(1), 4)])
    assert any(text.startswith("Too few routes (4) to show") for text in few.remarks)


def test_thermal_is_said_to_be_privileged_in_the_sentence_itself() -> None:
    assert "privileged" in answer(STUDY).evidence
    plain = answer([*arm("rgb", ()), *arm("dehaze", ALL)])
    assert "privileged" not in plain.evidence
    assert "Neither of the two sees infrared of the scene." in plain.remarks


def test_controls_that_were_not_driven_are_named() -> None:
    rows = [*arm("rgb", ()), *arm("dehaze", range(3)), *arm("oracle", ALL)]
    remark = next(text for text in answer(rows).remarks if text.startswith("Controls of oracle"))
    assert "oracle_rgb (its twin without infrared)" in remark


def test_a_comparison_can_be_asked_for() -> None:
    found = answer(STUDY, ("oracle", "rgb"))
    assert names(found) == ("oracle", "rgb")
    assert "This comparison was asked for by --compare." in found.remarks


def test_a_comparison_that_was_not_made_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"--compare oracle fused: .*; known: .*oracle rgb"):
        answer(STUDY, ("oracle", "fused"))


def test_one_arm_alone_is_compared_with_nothing() -> None:
    found = answer(arm("rgb", range(3)))
    assert found.comparison is None
    assert "nothing is compared" in found.verdict
    assert "3 of 12 drives with rgb" in found.evidence


def test_rows_of_two_servers_are_never_compared() -> None:
    rows = [*arm("rgb", ()), *arm("oracle", ALL, backend="unreal", look=None)]
    assert answer(rows).comparison is None


def test_kinds_of_comparisons_have_one_order_and_ceilings_are_last() -> None:
    kinds = ["ceiling", "fault", "restoration", "total", "infrared"]
    assert sorted(kinds, key=kind_rank) == [*reversed(kinds)]


def test_the_first_arm_of_a_ceiling_is_the_clear_day() -> None:
    (ceiling,) = compare([*arm("rgb", ALL, weather="clear"), *arm("rgb", ())])
    assert Names(labels_of([ceiling.arm]), {}).of_pair(ceiling) == "clear − rgb"


def test_one_pair_is_no_pairs() -> None:
    assert "n = 1 pair, " in answer([*arm("rgb", (), 1), *arm("dehaze", (), 1)]).evidence


def test_p_values_keep_two_digits_that_matter() -> None:
    assert [p_text(value) for value in (1.0, 0.5, 0.031, 1.2e-7)] == [
        "1.00",
        "0.50",
        "0.031",
        "1.2e-07",
    ]


def test_every_kind_of_comparison_has_its_place_and_its_remark() -> None:
    assert {*KINDS} == {TOTAL, RESTORATION, INFRARED, FAULT} == {*KIND_REMARKS}
