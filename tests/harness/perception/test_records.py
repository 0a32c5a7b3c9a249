"""What is kept of a recording: parts that become one set with a card, and who may show."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fusiondrive.errors import ConfigError
from fusiondrive.types import ActorKind, ActorState, Pose
from harness.perception.moment import AHEAD_M, AROUND_M, may_show
from harness.perception.poses import SHIPPED, PoseSet, SetFacts, read_poses, write_poses
from harness.perception.record import card_path, join
from harness.perception.record_options import RecordOptions, part_path
from harness.perception.sheet import SheetOptions, worst
from results.counterfactual_table import error_table
from results.counterfactuals import read_rows
from scenarios.suite import route_set
from tests.harness.perception.scenes import FACTS, POSE, poses
from tests.results.test_counterfactuals import frame, row

ROOT = Path(__file__).parents[3]


def test_parts_become_one_set_with_a_card(tmp_path: Path) -> None:
    towns = ("random:7", "random:8")
    options = RecordOptions(out=tmp_path / "set.parquet", towns=towns, poses=8)
    for town in towns:
        facts = SetFacts(1, {town: f"authored:{town}"}, options.settings)
        write_poses(poses(2, 2, town), facts, part_path(options.out, town))
    made = join(options, {"command": "record", "commit": "abc"})
    card = json.loads(card_path(options.out).read_text(encoding="utf-8"))
    assert made.poses == (*poses(2, 2, "random:7"), *poses(2, 2, "random:8"))
    assert made.facts.maps == {town: f"authored:{town}" for town in towns}
    assert (card["hash"], card["poses"], card["drives"]) == (made.digest, 8, 4)
    assert not part_path(options.out, towns[0]).parent.exists()


def actor(x: float, y: float) -> ActorState:
    zero = (0.0, 0.0, 0.0)
    return ActorState(1, "vehicle.audi.tt", ActorKind.VEHICLE, Pose(x, y), zero, zero, zero)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (AHEAD_M - 1.0, 0.0, True),
        (AHEAD_M + 1.0, 0.0, False),
        (-AROUND_M + 1.0, 0.0, True),
        (-AROUND_M - 1.0, 0.0, False),
        (10.0, 60.0, False),
        (40.0, 60.0, True),
    ],
)
def test_a_pose_keeps_who_may_be_in_a_picture(x: float, y: float, expected: bool) -> None:
    assert may_show(actor(x, y), Pose(0.0, 0.0)) is expected


def test_a_sheet_shows_the_worst_pose_of_each_drive() -> None:
    errors = {0: 0.9, 1: 0.8, 2: 0.1, 4: 0.5}
    rows = frame(*(row(pose, "rgb", 0.0, clear_brake=error) for pose, error in errors.items()))
    shown = tuple(replace(POSE, drive=pose // 2, step=pose) for pose in errors)
    options = SheetOptions(rows=Path("rows"), out=Path("sheet.jpg"), each=2)
    found = worst(rows, PoseSet(shown, FACTS), options)
    assert [line.pose.step for line in found] == [0, 4]


def test_an_arm_without_rows_has_no_sheet() -> None:
    options = SheetOptions(rows=Path("rows"), out=Path("sheet.jpg"), arms=("oracle",))
    with pytest.raises(ConfigError, match="unknown arm 'oracle'; known: rgb"):
        worst(frame(row(0, "rgb", 0.0)), PoseSet((POSE,), FACTS), options)


def test_the_shipped_set_is_of_the_validation_towns_and_what_its_card_says() -> None:
    found = read_poses(None)
    card = json.loads(SHIPPED.with_suffix(".json").read_text(encoding="utf-8"))
    assert {pose.town for pose in found.poses} == set(route_set("validation").towns)
    assert card["hash"] == found.digest
    assert {key: card[key] for key in found.summary()} == found.summary()
    assert card["share_needed"] >= 0.3
    assert SHIPPED.stat().st_size < 2 * 2**20


def test_the_published_rows_are_of_the_shipped_set_and_what_the_page_says() -> None:
    rows = read_rows(ROOT / "results" / "published" / "perception_300.parquet")
    assert set(rows["pose_set"]) == {read_poses(None).digest}
    page = (ROOT / "docs" / "perception.md").read_text(encoding="utf-8")
    for line in error_table(rows).body:
        level, _, arm, count, steer, _, pedal, _, came, _, false = line
        said = (level, arm, steer, pedal, came.split(" (")[0], false.split(" (")[0])
        assert count == "300"
        shown = next(row for row in page.splitlines() if row.startswith(f"| {level} | {arm} |"))
        assert all(text in shown for text in said), said
