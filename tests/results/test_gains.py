"""Which arms are compared, what a gain is called, and controls that were not driven."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

import pytest

from results.cells import labels_of, make_cells
from results.controls import missing_controls
from results.gain_table import gains_csv
from results.gains import compare, smallest_effects
from results.row import EpisodeRow
from results.table import make_tables
from tests.results.test_tables import row

INPUTS = {"rgb": "rgb", "thermal": "thermal"} | dict.fromkeys(
    ("dehaze", "clahe", "restored", "oracle_rgb"), "enhanced"
)
WEIGHTS = {"oracle": "aaaa", "distilled": "bbbb", "average": "none"}


def arm(name: str, won: Iterable[int], routes: int = 12, **changes: object) -> list[EpisodeRow]:
    """Rows of an arm on so many routes, of which it succeeds on those that are named."""
    base, _, modifier = name.partition(":")
    label = f"student ({base})" if WEIGHTS.get(base, "none") != "none" else base
    values = {
        "fuser": "none" if name in ("rgb", "thermal") else name,
        "fuser_label": label + (f", infrared {modifier}" if modifier else ""),
        "fuser_weights": WEIGHTS.get(base, "none"),
    } | changes
    won = set(won)
    return [
        row(i, INPUTS.get(name, "fused"), "success" if i in won else "collision", **values)
        for i in range(routes)
    ]


ALL = range(12)
STUDY = [
    *arm("rgb", range(2)),
    *arm("dehaze", range(9)),
    *arm("clahe", range(6)),
    *arm("oracle", ALL),
    *arm("oracle:blanked", range(11)),
    *arm("oracle:swapped", range(4)),
    *arm("oracle_rgb", range(10)),
]


def lines(rows: list[EpisodeRow]) -> list[tuple[str, str, str, int]]:
    return [
        (c.kind, c.arm.label, c.minus.label, round(c.success.points.mean)) for c in compare(rows)
    ]


def test_the_total_gain_is_that_of_restoration_and_of_infrared() -> None:
    found = {(kind, label, minus): gain for kind, label, minus, gain in lines(STUDY)}
    assert found == {
        ("restoration", "dehaze", "rgb"): 58,
        ("restoration", "clahe", "rgb"): 33,
        ("total", "oracle", "rgb"): 83,
        ("restoration", "oracle:blanked", "rgb"): 75,
        ("restoration", "oracle:swapped", "rgb"): 17,
        ("restoration", "oracle_rgb", "rgb"): 67,
        ("infrared", "oracle", "oracle_rgb"): 17,
        ("infrared", "oracle", "oracle:blanked"): 8,
        ("infrared", "oracle", "oracle:swapped"): 67,
        ("infrared", "oracle", "dehaze"): 25,  # the best enhancement, and no other
    }
    assert not missing_controls(STUDY)


def test_discordant_routes_are_counted_by_who_won() -> None:
    found = compare([*arm("oracle", [0, 1, 2, 3]), *arm("oracle:blanked", [3, 4])])[0]
    assert (found.success.only_arm, found.success.only_other) == (3, 1)
    assert (found.collision.only_arm, found.collision.only_other) == (1, 3)
    assert found.success.p == 2 * (1 + 4) / 2**4


def test_controls_that_were_not_driven_are_named() -> None:
    rows = [*arm("rgb", []), *arm("distilled", ALL), *arm("average", ALL), *arm("clahe", [])]
    found = {item.arm.label: item.controls for item in missing_controls(rows)}
    assert found == {
        "distilled": (
            "restored (its twin without infrared)", "distilled:blanked", "distilled:swapped",
        ),
        "average": ("average:blanked", "average:swapped"),
    }  # fmt: skip
    text = make_tables(rows)[2].markdown()
    assert "distilled: controls not driven: restored (its twin without infrared), dist" in text
    text = make_tables([*arm("rgb", []), *arm("max", ALL)])[2].markdown()
    assert "max: no control driven: max:blanked, max:swapped, an enhancement" in text


def test_a_control_of_other_weights_or_episodes_is_none() -> None:
    other = arm("oracle:blanked", ALL, fuser_weights="cccc")
    elsewhere = arm("oracle:blanked", ALL, weather="night")
    found = compare([*arm("oracle", ALL), *other, *elsewhere])
    assert not found


def test_the_ceiling_is_rgb_on_a_clear_day_and_is_not_tested() -> None:
    rows = [*arm("rgb", range(3)), *arm("rgb", ALL, weather="clear", arm="clear")]
    (found,) = compare(rows)
    assert (found.kind, found.arm.label, found.setting.weather) == ("ceiling", "rgb", "fog")
    assert round(found.success.points.mean) == 75
    more = compare([*rows, *arm("dehaze", ALL)])
    assert [item.success.holm == item.success.p for item in more if item.kind != "ceiling"] == [
        True
    ]


def test_rows_from_before_there_were_arms_have_theirs() -> None:
    assert row(0, "rgb", "success").arm == "rgb"
    assert row(0, "fused", "success").arm == "student"
    assert EpisodeRow.from_dict(row(0, "thermal", "success").to_dict()).arm == "thermal"


def seeds(name: str, won: Iterable[int], traffic: str) -> list[EpisodeRow]:
    won = tuple(won)
    return [line for seed in range(3) for line in arm(name, won, seed=seed, traffic=traffic)]


def test_seeds_on_an_empty_road_are_one_drive() -> None:
    rows = [*seeds("rgb", range(2), "empty"), *seeds("dehaze", ALL, "empty")]
    once = [*arm("rgb", range(2)), *arm("dehaze", ALL)]
    assert [cell.n for cell in make_cells(rows)] == [12, 12]
    repeated, single = compare(rows)[0], compare(once)[0]
    assert repeated.pairs == 12
    assert repeated.success == single.success
    assert make_cells(rows)[0].success.interval == make_cells(once)[0].success.interval


def test_seeds_in_traffic_are_drives_that_have_their_route_in_common() -> None:
    rows = [*seeds("rgb", range(2), "regular"), *seeds("dehaze", ALL, "regular")]
    cell, found = make_cells(rows)[0], compare(rows)[0]
    assert (cell.n, cell.routes, round(cell.success.effective)) == (36, 12, 12)
    assert found.success.mcnemar == 2 / 2**30
    assert found.success.p == 2 / 2**10  # ten routes differ
    table, gains, *_ = (item.markdown() for item in make_tables(rows))
    assert "36 (12 routes)" in table
    assert "p by route" in gains
    assert "p by route" not in make_tables([*arm("rgb", []), *arm("dehaze", ALL)])[1].markdown()


def test_the_least_difference_that_could_be_significant() -> None:
    found = compare(STUDY)  # ten tests: 0.05 / 10 needs 9 : 0, 0.01 needs 8 : 0
    assert smallest_effects(found, 75) == ("12", "11")
    assert smallest_effects(found, 8) == ("none", "100")


def test_the_comparisons_as_plain_numbers() -> None:
    found = list(csv.DictReader(io.StringIO(gains_csv(STUDY))))
    assert len(found) == len(compare(STUDY))
    (line,) = [
        item for item in found if (item["gain"], item["minus"]) == ("infrared", "oracle_rgb")
    ]
    assert (line["arm"], line["arm_weights"], line["routes"]) == ("oracle", "aaaa", "12")
    assert float(line["success_points"]) == pytest.approx(100 * 2 / 12)
    assert (line["success_only_arm"], line["success_only_minus"]) == ("2", "0")
    assert float(line["success_p_by_route"]) == 0.5
    assert (line["success_only_arm_routes"], line["success_only_minus_routes"]) == ("r10 r11", "")
    assert int(line["success_routes_needed"]) > 12
    assert gains_csv(arm("rgb", [])) == ""


def test_saved_harmed_and_unchanged_routes_are_named() -> None:
    rows = [*arm("rgb", [3, 4]), *arm("oracle", range(4))]
    table = make_tables(rows)[3]
    (line,) = (dict(zip(table.header, row, strict=True)) for row in table.body)
    assert (line["saved"], line["harmed"], line["unchanged"]) == ("3", "1", "8")
    assert (line["which saved"], line["which harmed"]) == ("r00 r01 r02", "r04")
    assert line["routes"] == "12"
    table = make_tables([*arm("rgb", [3]), *arm("oracle", range(11))])[3]
    assert table.body[0][-2] == "all but r03 r11"


def test_a_difference_that_is_none_has_no_number_of_routes() -> None:
    table = make_tables([*arm("rgb", [1]), *arm("oracle", [2])])[3]
    (line,) = (dict(zip(table.header, row, strict=True)) for row in table.body)
    assert line["more routes"] == "no difference"
    few = make_tables([*arm("rgb", [], routes=4), *arm("oracle", range(4), routes=4)])[3]
    (line,) = (dict(zip(few.header, row, strict=True)) for row in few.body)
    assert (line["detectable"], line["more routes"]) == ("none", "2")


def test_a_ceiling_has_routes_and_no_power() -> None:
    table = make_tables([*arm("rgb", [0]), *arm("rgb", ALL, weather="clear", arm="clear")])[3]
    (line,) = (dict(zip(table.header, row, strict=True)) for row in table.body)
    assert (line["saved"], line["detectable"], line["more routes"]) == ("11", "", "")


def test_thermal_settings_are_told_apart_and_have_their_own_controls() -> None:
    rows = [*arm("rgb", []), *arm("oracle:blanked", [0], thermal="fog_ratio=0.1")]
    for ratio in ("fog_ratio=0.1", "fog_ratio=1.0"):
        rows += arm("oracle", range(6), thermal=ratio)
        rows += arm("oracle:swapped", range(3), thermal=ratio)
    gains = [(c.arm.thermal, c.minus.arm) for c in compare(rows) if c.kind == "infrared"]
    assert gains == [
        ("fog_ratio=0.1", "oracle:blanked"),
        ("fog_ratio=0.1", "oracle:swapped"),
        ("fog_ratio=1.0", "oracle:blanked"),  # blanked, the thermal camera is all one
        ("fog_ratio=1.0", "oracle:swapped"),
    ]
    text = make_tables(rows)[0].markdown()
    assert "oracle (fog_ratio=1.0, thermal look 1)" in text
    assert "oracle:blanked (" not in text


def test_an_arm_with_faults_is_compared_with_itself_and_with_no_control() -> None:
    well, ill = "fog_ratio=0.5", "fog_ratio=0.5,noise=16"
    rows = [
        *arm("rgb", []), *arm("dehaze", range(3)), *arm("oracle", ALL, thermal=well),
        *arm("oracle", range(5), thermal=ill),
    ]  # fmt: skip
    gains = [(c.kind, c.minus.label) for c in compare(rows) if c.arm.thermal == ill]
    assert gains == [("total", "rgb"), ("fault", "oracle")]
    (fault,) = [c for c in compare(rows) if c.kind == "fault"]
    assert (fault.success.only_arm, fault.success.only_other) == (0, 7)
    assert "fault: an arm whose thermal camera has faults" in make_tables(rows)[2].markdown()
    assert all(item.arm.thermal == well for item in missing_controls(rows))


def test_an_arm_with_faults_alone_keeps_its_controls() -> None:
    rows = [*arm("dehaze", range(3)), *arm("oracle", ALL, thermal="fog_ratio=0.5,noise=16")]
    assert [c.kind for c in compare(rows)] == ["infrared"]


def test_weights_of_one_name_are_told_apart() -> None:
    rows = [*arm("distilled", ALL), *arm("distilled", ALL, fuser_weights="cccc")]
    assert [*labels_of(cell.input_setting for cell in make_cells(rows)).values()] == [
        "distilled (bbbb)",
        "distilled (cccc)",
    ]


def test_trainings_of_a_twin_are_twins() -> None:
    def trained(network: str, arm_of_it: str, weights: str) -> list[EpisodeRow]:
        label = f"student ({network})" + (", infrared blanked" if ":" in arm_of_it else "")
        return arm(arm_of_it, ALL, fuser_label=label, fuser_weights=weights)

    rows = [
        *trained("distilled_s1", "student", "aaaa"),
        *trained("restored_s1", "student:blanked", "bbbb"),
        *trained("restored_s2", "student:blanked", "cccc"),
        *trained("oracle_rgb", "student:blanked", "dddd"),  # another's twin
    ]
    gains = [(c.arm.label, c.minus.label) for c in compare(rows) if c.kind == "infrared"]
    assert gains == [
        ("student (distilled_s1)", "student (restored_s1), infrared blanked"),
        ("student (distilled_s1)", "student (restored_s2), infrared blanked"),
    ]
