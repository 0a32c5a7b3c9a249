"""What may be asked about poses: every bad name, file or combination before a server starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusiondrive.errors import ConfigError
from fusiondrive.types import CameraSpec, Control, Observation, WorldState
from harness.perception.__main__ import main
from harness.perception.act_options import ActOptions
from harness.perception.acting import check_looks, ready_arms, ready_policies
from harness.perception.drawing import still_settings
from harness.perception.poses import PoseSet, SetFacts, write_poses
from harness.perception.unit import check_swaps, pairs_of, units_of
from perceivers.frames import FramesCard, FrameWriter
from perceivers.labelled_frame import LabelledFrame
from policies.base import Policy
from tests.harness.perception.scenes import FACTS, POSE, poses

HERE = "tests.harness.perception.test_asking"


class Narrow(Policy):
    """Looks through another camera."""

    camera = replace(Policy.camera, fov_deg=60.0)

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """Roll."""
        return Control()


class Bright(Policy):
    """Brakes on bright pictures."""

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """Look at the mean."""
        return Control(brake=float(observation.image.mean() > 100.0))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("rgb", "dehase"), "unknown arm 'dehase'"),
        (("rgb", "rgb"), "arm given twice"),
        (("dehaze",), "expected 'rgb' among them"),
        (("rgb", "clear"), "what every arm is compared with"),
        (("rgb", "student"), "weights|same"),
    ],
)
def test_a_bad_arm_is_named(names: tuple[str, ...], expected: str) -> None:
    if names[-1] == "student":  # the shipped student is the oracle
        names = (*names, "oracle")
    with pytest.raises(ConfigError, match=expected):
        ready_arms(names, None)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("cilrs=none.onnx",), "weights none.onnx: no such file"),
        (("expert",), "does not look at pictures"),
        (("autopilot",), "does not look at pictures"),
        (("leaderboard:a.py",), "needs a route"),
        (("clirs",), "unknown policy"),
        (("cilrs", "cilrs"), "policy given twice"),
        (("cilrs", f"{HERE}:Narrow"), "looks through another camera"),
    ],
)
def test_a_bad_policy_is_named(names: tuple[str, ...], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        ready_policies(names)


def test_a_policy_of_another_look_than_the_poses_is_refused() -> None:
    arms, policies = ready_arms(("rgb",), None), ready_policies(("cilrs",))
    found = PoseSet((POSE,), SetFacts(999, {}))
    with pytest.raises(ConfigError, match=r"trained on pictures of look .*, the poses are of look"):
        check_looks([("policy 'cilrs'", policies[0].looks)], arms, found)


def test_a_policy_answers_a_picture_with_the_poses_own_speed() -> None:
    (policy,) = ready_policies((f"{HERE}:Bright",))
    dark, bright = (np.full((300, 400, 3), value, np.uint8) for value in (10, 200))
    assert policy.act(POSE, dark).brake == 0.0
    assert policy.act(POSE, bright).brake == 1.0


@pytest.mark.parametrize("name", ["freeze=1s", "latency=0.2s"])
def test_faults_of_delivery_are_refused_for_still_pictures(name: str) -> None:
    with pytest.raises(ConfigError, match="pictures that follow each other"):
        still_settings(name)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"level": ("fogg",)}, "unknown weather 'fogg'"),
        ({"level": ("route",)}, "route file's weather"),
        ({"level": ("fog", "fog")}, "weather given twice"),
        ({"cluster": "house"}, "unknown cluster 'house'"),
        ({"workers": 0}, "--workers"),
        ({"thermal": "fog_ratio=9"}, "fog_ratio"),
    ],
)
def test_a_bad_option_is_named(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        ActOptions(**{"poses": Path("a"), "out": Path("b"), **changes})


def test_pairs_are_of_drives_apart_and_none_is_left_out() -> None:
    found = poses(3, 4)
    pairs = list(pairs_of(found))
    assert {pose.key for pair in pairs for pose in pair} == {pose.key for pose in found}
    assert all(first.cluster != second.cluster for first, second in pairs)


@pytest.mark.parametrize("found", [poses(1, 4), poses(3, 3)])
def test_swapped_is_refused_where_a_pose_would_get_its_own_drives_picture(found: Any) -> None:
    with pytest.raises(ConfigError, match="thermal picture of another drive"):
        check_swaps(found, ready_arms(("rgb", "oracle", "oracle:swapped"), None))


def test_the_clear_day_comes_before_the_levels_of_a_town() -> None:
    units = units_of(["random:7"], ["fog", "clear"])
    names = [unit.path(Path("out")).name for unit in units]
    assert units[0].is_reference
    assert len(set(names)) == 3


def test_answers_of_other_settings_are_not_mixed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_poses(poses(2, 2), FACTS, tmp_path / "set.parquet")
    out = tmp_path / "out"
    out.mkdir()
    (out / "settings.json").write_text('{"pose_set": "another"}', encoding="utf-8")
    words = ["act", "--poses", str(tmp_path / "set.parquet"), "--out", str(out), "--arms", "rgb"]
    assert main(words) == 2
    assert "answers with other pose_set" in capsys.readouterr().err


def test_frames_of_other_settings_are_not_mixed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_poses(poses(2, 2), FACTS, tmp_path / "set.parquet")
    with FrameWriter(
        tmp_path / "out" / "random-7", FramesCard("another", "unknown", 1, 0)
    ) as there:
        there.add(LabelledFrame("random:7", "a", "clear", CameraSpec(), b"", b"", ()))
    words = ["draw", "--poses", str(tmp_path / "set.parquet"), "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "has frames of other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["drive"], "unknown step 'drive'"),
        (["act", "--poses", "none.parquet", "--out", "x"], "no such file; record one"),
        (["draw", "--poses", "none.parquet", "--out", "x"], "no such file; record one"),
        (["correlate", "--rows", "none", "--drives", "x"], "expected rows of harness.perception"),
        (["table", "--rows", "none", "--out", "x"], "expected rows of harness.perception"),
        (["rate", "--metrics", "ENN", "--out", "x"], "unknown metric 'ENN'"),
        (["leaderboard", "--act", "none", "--rate", "x"], "rows of harness.perception act"),
    ],
)
def test_a_bad_command_line_ends_with_one_line(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert said.count("\n") == 1
