"""Pose sets: rows that come back whole, equal bytes, and bad files named in one line."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fusiondrive.errors import ConfigError
from harness.perception.poses import FrozenPose, PoseSet, SetFacts, read_poses, write_poses
from harness.perception.record_options import RecordOptions
from harness.perception.sampling import FIRST_S, NEEDED_S, STANDING_S, USUAL_S, Sampler
from scenarios.suite import route_set
from tests.harness.perception.scenes import FACTS, POSE, poses

CALM = replace(POSE, step=30, cause="", gap_m=None, hazard="", hazard_m=None, brake=0.0,
               oncoming=None, actors=())  # fmt: skip


def test_a_set_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = write_poses((POSE, CALM), FACTS, tmp_path / "set.parquet")
    found = read_poses(tmp_path / "set.parquet")
    assert found.poses == (POSE, CALM)
    assert found.facts == FACTS
    assert found.digest == made.digest


def test_equal_poses_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_poses((POSE, CALM), FACTS, tmp_path / f"{name}.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_summary_counts_poses_with_a_hazard_or_somebody_to_brake_for() -> None:
    lead = replace(CALM, step=40, cause="lead", brake=0.3)
    light = replace(CALM, step=50, cause="light", brake=0.3)
    said = PoseSet((POSE, CALM, lead, light), FACTS).summary()
    assert said["share_needed"] == 0.5
    assert said["expert_brakes"] == 3
    assert said["expert_brakes_for_somebody"] == 2


def test_some_poses_are_taken_evenly_over_the_set() -> None:
    found = PoseSet((*poses(2, 4), *poses(2, 4, "random:8")), FACTS).by_town(4)
    assert {town: [pose.cluster for pose in own] for town, own in found.items()} == {
        "random:7": ["random:7/000", "random:7/001"],
        "random:8": ["random:8/000", "random:8/001"],
    }


def test_more_poses_than_there_are_are_refused() -> None:
    with pytest.raises(ConfigError, match="--count 9: the pose set has 4 poses"):
        PoseSet(poses(1, 4), FACTS).by_town(9)


def test_a_set_of_another_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_poses((POSE,), replace(FACTS, version=99), tmp_path / "set.parquet")
    with pytest.raises(ConfigError, match="expected version 1 of pose sets, found 99; record"):
        read_poses(tmp_path / "set.parquet")


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(ConfigError, match="expected a pose set"):
        read_poses(tmp_path / "other.parquet")


def test_a_missing_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file; record one"):
        read_poses(tmp_path / "none.parquet")


@pytest.mark.parametrize("town", ["Town02", "Town03"])
def test_recording_in_a_test_town_is_refused(town: str) -> None:
    with pytest.raises(ConfigError, match="clear-day pictures of them stay unseen"):
        RecordOptions(out=Path("a.parquet"), towns=("random:7", town))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"out": Path("a.csv")}, "ends in .parquet"),
        ({"towns": ("Mordor",)}, "unknown town 'Mordor'"),
        ({"towns": ("random:7", "random:7")}, "town given twice"),
        ({"poses": 3}, "expected 10 or more"),
        ({"speed": (500,)}, "speed"),
        ({"traffic": "jam"}, "unknown traffic"),
        ({"route_set": "tests"}, "unknown route set"),
    ],
)
def test_a_bad_option_of_the_recording_is_named(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        RecordOptions(**{"out": Path("a.parquet"), **changes})


def test_the_validation_towns_are_recorded_by_default_and_shares_sum_up() -> None:
    options = RecordOptions(out=Path("a.parquet"), poses=5003)
    assert options.all_towns == route_set("validation").towns
    assert sum(options.share(town) for town in options.all_towns) == 5003


def kept(seconds: float, speed_mps: float, *, is_needed: bool) -> list[float]:
    sampler = Sampler(1, 1000)
    times = [0.1 * step for step in range(round(10 * seconds))]
    return [t for t in times if sampler.takes(t, speed_mps, is_needed=is_needed)]


@pytest.mark.parametrize(
    ("speed_mps", "is_needed", "bounds"),
    [(8.0, False, USUAL_S), (8.0, True, NEEDED_S), (0.0, True, STANDING_S)],
)
def test_moments_lie_as_far_apart_as_their_kind_says(
    speed_mps: float, is_needed: bool, bounds: tuple[float, float]
) -> None:
    times = kept(120.0, speed_mps, is_needed=is_needed)
    steps = [b - a for a, b in pairwise(times)]
    assert min(times) >= FIRST_S
    assert bounds[0] - 1e-6 <= min(steps)
    assert max(steps) <= bounds[1] + 0.1 + 1e-6  # the next step after it


def test_a_drive_gives_no_more_than_its_share() -> None:
    sampler = Sampler(1, 3)
    taken = [sampler.takes(float(t), 8.0, is_needed=False) for t in range(100)]
    assert sum(taken) == 3
    assert sampler.is_full


def test_a_pose_names_its_drive() -> None:
    pose: FrozenPose = POSE
    assert (pose.key, pose.cluster) == ("random:7/000/0020", "random:7/000")
    assert SetFacts(1, {}).version == 1
