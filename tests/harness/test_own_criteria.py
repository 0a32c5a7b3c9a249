"""Criteria of a user's own: found by name, counted, and without a say in outcome and score."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from fusiondrive.errors import ConfigError
from fusiondrive.types import Pose
from harness.criteria import Event, EventKind, LanePlace, Step
from harness.criteria.own import GROUP, check_criteria, criteria_text, make_own
from harness.run import main
from harness.scoring import Judge
from results.frame import load_frame, to_rows, write_parquet
from results.row import EpisodeRow
from results.store import RowStore
from results.table import cells_csv, make_tables
from scenarios.tracker import RouteTracker
from tests.harness.test_criteria import ROUTE, state_at
from tests.results.test_columns import SCORE, row_of
from tests.results.test_store import IDENTITY


class FastSteps:
    """Reports each step above 5 m/s."""

    def update(self, step: Step) -> list[Event]:
        return [step.event(EventKind.OWN)] if step.state.ego.speed_mps > 5.0 else []


class Renamed(FastSteps):
    name = "quick"

    def __init__(self, setup: object) -> None:
        self.setup = setup


class Crash:
    """Claims a collision in every step."""

    def update(self, step: Step) -> list[Event]:
        return [step.event(EventKind.COLLISION)]


class Broken:
    def update(self, step: Step) -> list[Event]:
        raise KeyError("speed")


class Wordy:
    def update(self, step: Step) -> list[str]:
        return ["fast"]


class Empty:
    pass


class TwoArguments:
    def update(self, step: Step, more: object) -> list[Event]:
        return []


class Shouted(FastSteps):
    name = "Fast Steps"


HERE = __name__


class Inside:
    """Every place is within its lane."""

    def locate(self, pose: Pose) -> LanePlace:
        return LanePlace(in_junction=False, outside_m=0.0, wrong_way=False)


def judged(*names: str) -> Judge:
    """A judge that has seen 4, 6 and 8 m/s, a step apart."""
    judge = Judge(ROUTE, Inside(), own=make_own(names, "the set-up"))
    tracker = RouteTracker(ROUTE)
    for number, speed_mps in enumerate((4.0, 6.0, 8.0)):
        state = state_at(0.5 * number, 0.1 * number, speed_mps)
        judge.update(state, tracker.advance(state.ego.pose.x, state.ego.pose.y))
    return judge


def test_events_are_counted_by_the_name_of_the_criterion() -> None:
    found = judged(f"{HERE}:FastSteps", f"{HERE}:Renamed").score()
    assert found.own == (("fast_steps", 2), ("quick", 2))


def test_what_it_reports_decides_nothing() -> None:
    judge, plain = judged(f"{HERE}:Crash"), judged()
    assert (judge.events, judge.is_over) == (plain.events, plain.is_over)
    assert judge.score() == replace(plain.score(), own=(("crash", 3),))


def test_an_entry_point_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("harsh", f"{HERE}:FastSteps", GROUP)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [point])
    check_criteria(["harsh"])
    assert list(make_own(["harsh"], None)) == ["fast_steps"]
    with pytest.raises(ConfigError, match=r"unknown criterion 'soft'; known: harsh, pkg\.module:"):
        check_criteria(["soft"])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["Empty"], r"Empty is no criterion, for it has no update\(step\)"),
        (["TwoArguments"], r"update must take \(step\)"),
        (["Nothing"], r"no 'Nothing' in .*; classes there: .*FastSteps"),
        (["Shouted"], "name: expected small letters, digits and _, as in harsh_braking"),
    ],
)
def test_what_is_no_criterion_is_said_before_a_server_starts(
    names: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        criteria_text(f"{HERE}:{name}" for name in names)


def test_two_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("again", f"{HERE}:FastSteps", GROUP)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [point])
    with pytest.raises(ConfigError, match="another criterion is called 'fast_steps' as well"):
        criteria_text(["again", f"{HERE}:FastSteps"])
    with pytest.raises(ConfigError, match="criterion given twice: again"):
        check_criteria(["again", "again"])


@pytest.mark.parametrize(
    ("name", "message"),
    [("Broken", "update failed: KeyError: 'speed'"), ("Wordy", "expected events .* found 'fast'")],
)
def test_one_that_fails_in_a_drive_is_named(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"criterion '{HERE}:{name}': .*{message}"):
        judged(f"{HERE}:{name}")


def test_the_command_ends_with_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    line = ["--policy", "constant", "--criteria", "nowhere:Thing", "--out", str(tmp_path)]
    assert main(line) == 2
    assert "error: criterion 'nowhere:Thing': no module 'nowhere'" in capsys.readouterr().err


def watched(fast: int, seed: int = 0) -> EpisodeRow:
    row = row_of(EpisodeRow, replace(SCORE, own=(("fast_steps", fast),)), seed)
    return replace(row, criteria="fast_steps 0123456789ab")


def test_events_are_columns_of_the_rows_and_numbers_per_km(tmp_path: Path) -> None:
    rows = [watched(3), watched(1, 1)]  # 500 m each
    assert rows[0].to_dict()["own_fast_steps"] == 3
    assert EpisodeRow.from_dict(rows[0].to_dict()) == rows[0]
    write_parquet(rows, tmp_path / "rows.parquet")
    frame = load_frame(tmp_path / "rows.parquet")
    assert (str(frame["own_fast_steps"].dtype), frame["own_fast_steps"].tolist()) == (
        "Int64",
        [3, 1],
    )
    assert to_rows(frame) == rows
    table = make_tables(rows)[0]
    assert table.body[0][table.header.index("fast_steps / km")] == "4.00"
    (line,) = csv.DictReader(io.StringIO(cells_csv(rows)))
    assert float(line["own_fast_steps_per_km"]) == pytest.approx(4.0)


def test_rows_with_and_without_share_a_folder_and_a_table(tmp_path: Path) -> None:
    plain = row_of(EpisodeRow, SCORE, 2)
    with RowStore(tmp_path) as store:
        for row in (watched(3), plain):
            store.append(row)
    frame = load_frame(tmp_path)
    assert frame["own_fast_steps"].isna().tolist() == [False, True]
    assert frame["criteria"].tolist() == ["fast_steps 0123456789ab", ""]
    assert to_rows(frame) == [watched(3), plain]
    table = make_tables([watched(3), plain])[0]
    assert table.body[0][table.header.index("fast_steps / km")] == "6.00"  # of the watched row


def test_without_one_rows_and_identities_are_as_they_were() -> None:
    row = row_of(EpisodeRow, SCORE)
    assert not {"criteria", "own"} & set(row.to_dict())
    assert list(row.to_dict())[-1] == "benchmark"
    assert "own_" not in cells_csv([row])
    assert replace(IDENTITY, criteria="").digest() == IDENTITY.digest()
    assert replace(IDENTITY, criteria="fast_steps 0123456789ab").digest() != IDENTITY.digest()
