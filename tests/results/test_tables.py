"""Cells, comparisons and printed tables from made-up rows."""

from __future__ import annotations

import csv
import io

import pytest

from results.cells import make_cells
from results.gains import compare
from results.row import EpisodeRow
from results.table import THERMAL_NOTE, cells_csv, make_tables


def row(route: int, input_name: str, outcome: str, **changes: object) -> EpisodeRow:
    is_fused = input_name == "fused"
    values: dict[str, object] = {
        "identity": f"{route} {input_name} {changes}",
        "package_version": "1",
        "backend": "embedded",
        "look": 1,
        "simulator_version": "0.9.16",
        "map": "authored:0123456789ab",
        "town": "Town03",
        "route_id": f"{route:02d}",
        "route_digest": "r",
        "route_length_m": 200.0,
        "weather": "fog",
        "input": input_name,
        "fuser": "student" if is_fused else "none",
        "fuser_label": "student (oracle)" if is_fused else "none",
        "fuser_weights": "f00d" if is_fused else "none",
        "policy": "cilrs",
        "policy_weights": "beef",
        "traffic": "empty",
        "collision_mode": "stop",
        "seed": 0,
        "outcome": outcome,
    }
    if outcome != "sim_error":
        values |= {
            "completion": 1.0,
            "driving_score": 80.0,
            "distance_m": 200.0,
            "collisions": int(outcome == "collision"),
            "lane_infractions": 3,
            "red_lights": 0,
        }
    return EpisodeRow(**(values | changes))  # type: ignore[arg-type]


PAIRED = [row(i, "rgb", "success" if i < 4 else "collision") for i in range(10)] + [
    row(i, "fused", "success") for i in range(10)
]


def test_rates_counts_and_kilometres_of_a_cell() -> None:
    cell = make_cells(PAIRED)[0]
    assert (cell.n, cell.success.hits, cell.collision.hits) == (10, 4, 6)
    assert cell.numbers["lane_per_route"] == 3.0
    assert cell.numbers["lane_per_km"] == pytest.approx(15.0)
    assert cell.outcomes == {"success": 4, "collision": 6}


def test_simulator_errors_are_in_the_bound_only() -> None:
    cell = make_cells([row(0, "rgb", "success"), row(1, "rgb", "sim_error")])[0]
    assert (cell.n, cell.errors, cell.success.percent, cell.success_bound) == (1, 1, 100.0, 50.0)


def test_agent_errors_are_failures_that_the_table_counts_and_names() -> None:
    why = "ValueError: no plan (mine.py, line 3, act)"
    failed = {"driving_score": 12.0, "distance_m": 20.0, "collisions": 0, "lane_infractions": 1}
    rows = [row(0, "rgb", "success"), row(1, "rgb", "agent_error", error=why, **failed)]
    cell = make_cells(rows)[0]
    assert (cell.n, cell.errors, cell.agent_errors) == (2, 0, 1)
    assert (cell.success.percent, cell.success_bound) == (50.0, 50.0)
    assert cell.numbers["driving_score"] == pytest.approx(46.0)
    assert cell.numbers["lane_per_km"] == pytest.approx(1000.0 * 4 / 220.0)
    text = make_tables(rows)[0].markdown()
    assert f"Agent errors, 1 in all, are failures within n: 1 x {why}." in text
    assert "1 success, 1 agent_error" in text
    (line,) = csv.DictReader(io.StringIO(cells_csv(rows)))
    assert (line["agent_errors"], line["sim_errors"]) == ("1", "0")
    assert "Agent errors" not in make_tables(rows[:1])[0].markdown()


def test_an_agent_error_loses_its_pair() -> None:
    crashed = [row(i, "fused", "agent_error", collisions=0) for i in range(4)]
    (found,) = compare([*PAIRED[:10], *crashed, *PAIRED[14:]])
    assert found.pairs == 10
    assert found.success.points.mean == pytest.approx(20.0)  # 4 of 10 lost, 6 of 10 gained
    assert found.success.p == pytest.approx(0.754, abs=1e-3)  # exact binomial test of 4 in 10


@pytest.mark.parametrize(
    "change", [{"backend": "unreal"}, {"map": "carla:x"}, {"policy_weights": "cafe"}]
)
def test_backends_maps_and_weights_never_share_a_cell(change: dict[str, object]) -> None:
    assert len(make_cells([row(0, "rgb", "success"), row(1, "rgb", "success", **change)])) == 2


def test_pairs_need_the_same_route_and_a_driven_partner() -> None:
    (found,) = compare(PAIRED)
    assert found.pairs == 10
    assert found.success.points.mean == pytest.approx(60.0)
    assert found.success.p == pytest.approx(2 * 0.5**6)
    short = [*PAIRED[:10], *PAIRED[12:], row(0, "fused", "sim_error")]
    assert compare(short)[0].pairs == 8


def test_holm_is_over_all_comparisons_of_the_table() -> None:
    night = [row(i, eyes, outcome, weather="night") for i, eyes, outcome in _outcomes()]
    found = compare([*PAIRED, *night])
    assert [item.success.holm for item in found] == pytest.approx(
        [2 * item.success.p for item in found]
    )


def _outcomes() -> list[tuple[int, str, str]]:
    return [(int(item.route_id), item.input, item.outcome) for item in PAIRED]


def test_appendix_b_stands_beside_ours_and_is_labelled() -> None:
    text = make_tables(PAIRED, "appendix_b")[-1].markdown()
    assert text.count("published (UE4)") == 8
    assert "93.8" in text
    assert "ours (embedded, look 1, authored:0123456789ab, student (oracle))" in text


def test_thermal_note_and_oracle_label_are_printed() -> None:
    text = make_tables(PAIRED)[0].markdown()
    assert THERMAL_NOTE in text
    assert "student (oracle)" in text
    assert THERMAL_NOTE not in make_tables(PAIRED[:10])[0].markdown()


def test_csv_has_plain_numbers() -> None:
    lines = list(csv.DictReader(io.StringIO(cells_csv(PAIRED))))
    assert [float(line["success_percent"]) for line in lines] == [40.0, 100.0]
    assert lines[0]["n"] == "10"


def test_latex_is_a_tabular() -> None:
    assert r"\begin{tabular}" in make_tables(PAIRED)[0].latex()


def test_rows_of_two_commits_are_told_of() -> None:
    rows = [row(i, "rgb", "success", commit=commit) for i, commit in enumerate(("abc", "abc", "d"))]
    text = make_tables(rows)[0].markdown()
    assert "Mixed: these rows are of 2 commits of the source" in text
    assert ": 2 of abc, 1 of d." in text
    assert "Mixed" not in make_tables(rows[:2])[0].markdown()


def test_rows_from_before_there_was_a_commit_are_called_so() -> None:
    rows = [row(0, "rgb", "success"), row(1, "rgb", "success", commit="abc")]
    assert ": 1 of one that is not named, 1 of abc." in make_tables(rows)[0].markdown()
    assert "Mixed" not in make_tables(rows[:1])[0].markdown()


def test_rows_of_two_package_versions_are_told_of() -> None:
    rows = [row(i, "rgb", "success", package_version=v) for i, v in enumerate(("0.1.0", "0.2.0"))]
    assert "2 package versions" in make_tables(rows)[0].markdown()
