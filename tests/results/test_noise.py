"""The noise floor from made-up rows, and from rows that were published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.noise_floor import main
from results.noise import floor_table, floors, repeat_table, repeats
from results.row import EpisodeRow
from results.store import RowStore
from tests.results.test_tables import row

ROOT = Path(__file__).parents[2]


def drives(seed: int, won: set[int], **changes: object) -> list[EpisodeRow]:
    """Four routes in traffic with one seed, of which some are won."""
    return [
        row(i, "rgb", "success" if i in won else "collision", seed=seed, traffic="regular",
            **{"identity": f"{i:02d}{seed:02d}", **changes})
        for i in range(4)
    ]  # fmt: skip


def test_a_flip_is_a_pair_of_seeds_of_which_one_succeeds() -> None:
    (found,) = floors([*drives(0, {0, 1}), *drives(1, {0, 2})])
    assert (found.routes, found.success.hits, found.success.n) == (4, 2, 4)
    assert (found.collision.hits, found.success.effective) == (2, 4)
    low, high = found.success.interval
    assert low == pytest.approx(0.150, abs=1e-3)  # Wilson's interval of 2 in 4
    assert high == pytest.approx(0.850, abs=1e-3)


def test_three_seeds_are_three_pairs_of_a_route_that_are_not_independent() -> None:
    (found,) = floors([*drives(0, {0, 1}), *drives(1, {0, 2}), *drives(2, {0, 2})])
    assert (found.success.hits, found.success.n) == (4, 12)
    assert found.success.effective < 12


def test_one_seed_has_no_floor_and_settings_are_apart() -> None:
    assert not floors(drives(0, {0}))
    assert not floors([*drives(0, {0}), *drives(1, {0}, weather="night")])
    assert len(floors([*drives(0, {0}), *drives(1, {0}), *drives(2, set(), town="Town02")])) == 1


def test_the_same_drives_are_equal_but_for_wall_time_and_commit() -> None:
    first = drives(0, {0})
    second = [replace(item, wall_seconds=3.0, commit="abc") for item in first]
    found = repeats(first, second)
    assert [item.differing for item in found] == [()] * 4
    (line,) = repeat_table(found).body
    assert line[-3:] == ("4", "4", "0.0 [0, 49]")


def test_a_drive_that_differs_is_named_with_its_columns() -> None:
    first = drives(0, {0})
    second = [replace(first[0], outcome="collision", distance_m=3.0), *first[1:]]
    table = repeat_table(repeats(first, second))
    assert table.body[0][-3:] == ("4", "3", "25.0 [5, 70]")
    assert table.notes[-1] == "1 of 4 drives differ: h0000 (outcome, distance_m)."


def test_where_wall_clock_time_decides_drives_need_not_be_equal() -> None:
    first, second = drives(0, {0}, latency="real"), drives(0, {1}, latency="real")
    assert not any(item.has_to_be_equal for item in repeats(first, second))
    assert all(item.has_to_be_equal for item in repeats(drives(0, {0}), drives(0, {0})))


def test_simulator_errors_are_no_drives() -> None:
    broken = [row(0, "rgb", "sim_error", identity="0000")]
    assert not repeats(broken, drives(0, {0}))
    assert not floors([*broken, *drives(1, {0})[:1]])


def test_the_published_floor_is_what_the_page_says(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([str(ROOT / "results/published/noise_town02.parquet")]) == 0
    shown = capfd.readouterr().out
    assert "60.0 [23, 88]" in shown
    assert "0.0 [0, 43]" in shown


def run_of(folder: Path, rows: list[EpisodeRow]) -> str:
    with RowStore(folder) as store:
        for item in rows:
            store.append(item)
    return str(folder)


def test_rows_that_are_there_need_no_driving(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    both = run_of(tmp_path / "a", [*drives(0, {0}), *drives(1, {1})])
    assert main([both]) == 0
    assert "Noise floor: the same arm with another seed" in capfd.readouterr().out
    other = run_of(tmp_path / "b", [replace(item, steps=7) for item in drives(0, {0})])
    assert main([both, other]) == 1
    assert "4 of 4 drives differ" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["{run}", "--town", "Town02"], "need no driving; leave town out"),
        (["{run}"], "nothing to compare: expected routes with several seeds, or two runs"),
        (["{run}/absent"], "no such file or folder"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    flags: list[str], message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = run_of(tmp_path / "run", drives(0, {0}))
    assert main([flag.format(run=run) for flag in flags]) == 2
    told = capfd.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_the_table_has_a_line_for_each_arm() -> None:
    rows = [*drives(0, {0}), *drives(1, {1}), *drives(0, {0}, input="thermal"),
            *drives(1, {0}, input="thermal")]  # fmt: skip
    found = floor_table(floors(rows))
    assert [line[4] for line in found.body] == ["rgb", "thermal"]
    assert found.body[0][5:7] == ("4", "4")
