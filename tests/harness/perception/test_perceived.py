"""What frozen perception finds in pictures of poses: rows by hand, measures, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from fusiondrive.errors import ConfigError
from fusiondrive.types import CameraSpec
from harness.perception.__main__ import main
from harness.perception.perceived import TYPES, Seen, measure, row_of
from harness.perception.perceived_table import perceived_tables
from perceivers.detection import focal_px
from perceivers.kinds import KINDS, SEGMENTS
from perceivers.labelled_frame import RoadUser
from perceivers.trained import Perceiver
from perceivers.training.targets import make_targets
from results.counterfactuals import write_rows

PERSON, CYCLIST, CAR = range(3)
RIGHT, WRONG = 1, 0
N = len(SEGMENTS)
CAMERA = CameraSpec(width=64, height=64)


class Line(NamedTuple):
    """Answers of one kind, distance and truth, the surest first."""

    kind: int
    distance_m: float
    is_right: int


def row(pose: str, arm: str, answers: list[Line], asked: list[tuple[int, float]]) -> dict[str, str]:
    lines = [[a.kind, 0.9 - 0.1 * n, a.distance_m, a.is_right] for n, a in enumerate(answers)]
    pixels = np.eye(N, dtype=int) * 10
    if arm != "rgb":
        pixels[1, 2] = 10  # road that is taken for the next class
    return {
        **dict.fromkeys(TYPES, ""),
        "pose": pose,
        "drive": pose[0],
        "town": "t",
        "level": "fog",
        "arm": arm,
        "answers": json.dumps(lines),
        "asked": json.dumps(asked),
        "pixels": json.dumps(pixels.ravel().tolist()),
    }


def rows() -> pd.DataFrame:
    asked = [(PERSON, 10.0), (PERSON, 30.0)]
    near, far, nobody = Line(PERSON, 10.0, RIGHT), Line(PERSON, 30.0, RIGHT), Line(PERSON, 50.0, 0)
    found = [
        row(f"{drive}{n}", arm, answers, asked)
        for drive in "abc"
        for n in range(2)
        for arm, answers in (("rgb", [near]), ("oracle", [near, nobody, far]))
    ]
    frame = pd.DataFrame(found)
    for column in ("range_m", "look", "thermal_look"):
        frame[column] = None
    return frame


def seen(frame: pd.DataFrame) -> dict[str, Seen]:
    return {item.arm: item for item in measure(frame)}


def test_average_precision_and_its_gain_by_hand() -> None:
    found = seen(rows())
    # rgb finds half of them without a fault. The oracle finds all, a third of its answers wrong:
    # sorted by score, all near ones come first, then the wrong ones, then the far ones.
    assert found["rgb"].ap["person"].value == pytest.approx(0.5)
    assert found["oracle"].ap["person"].value == pytest.approx(0.5 + 0.5 * 2.0 / 3.0)
    gain = found["oracle"].ap_gain["person"]
    assert gain.value == pytest.approx(1.0 / 3.0)
    assert gain.interval is not None
    assert tuple(gain.interval) == pytest.approx((1.0 / 3.0, 1.0 / 3.0))  # all drives are alike
    assert found["rgb"].ap_gain == {}


def test_a_span_of_distances_leaves_the_others_out() -> None:
    found = seen(rows())
    assert found["rgb"].ap_by_distance["person", (0.0, 20.0)] == pytest.approx(1.0)
    assert found["rgb"].ap_by_distance["person", (20.0, 40.0)] == 0.0
    assert found["oracle"].ap_by_distance["person", (20.0, 40.0)] == pytest.approx(1.0)
    assert found["oracle"].asked["person", (20.0, 40.0)] == 6
    assert found["oracle"].ap_by_distance["car", None] is None


def test_iou_and_its_mean_by_hand() -> None:
    found = seen(rows())
    assert found["rgb"].miou.value == pytest.approx(1.0)
    # Of two classes half is right: one has 10 of 20 pixels, the other 10 of its own and 10 more.
    assert found["oracle"].iou["road"] == pytest.approx(0.5)
    assert found["oracle"].miou.value == pytest.approx(5.0 / 6.0)
    assert found["oracle"].miou_gain is not None
    assert found["oracle"].miou_gain.value == pytest.approx(-1.0 / 6.0)


def test_arms_on_other_poses_are_not_compared() -> None:
    frame = rows()
    with pytest.raises(ConfigError, match="arm 'oracle' has 5 poses, 'rgb' 6"):
        measure(frame.drop(index=1))
    with pytest.raises(ConfigError, match="expected rows of the arm 'rgb'"):
        measure(frame[frame["arm"] == "oracle"])


def test_tables_say_what_was_asked_for(tmp_path: Path) -> None:
    frame = rows()
    write_rows(frame, tmp_path / "rows.parquet", TYPES)
    tables = perceived_tables(pd.read_parquet(tmp_path / "rows.parquet"), "drive")
    assert tables[0].body[1][:5] == ("fog", "oracle", "6", "83 [83, 83]", "+33 [+33, +33]")
    assert "12 persons, 0 cyclists, 0 cars" in " ".join(tables[0].notes)


class Perfect(Perceiver):
    """Answers the targets that a network is trained for."""

    def __init__(self, objects: tuple[RoadUser, ...], tags: NDArray[np.uint8]) -> None:
        """Keep what is there."""
        object.__setattr__(self, "objects", objects)
        object.__setattr__(self, "tags", tags)

    def maps(self, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Targets, and certain logits of the class road."""
        made = make_targets(self.objects, self.tags, focal_px(CAMERA))  # type: ignore[attr-defined]
        logits = np.zeros((N, 16, 16), np.float32)
        logits[list(SEGMENTS).index("road")] = 9.0
        return np.concatenate([made.centres, made.sides, made.distance]), logits


def test_a_perfect_answer_is_right_and_only_who_is_large_enough_is_asked_for() -> None:
    there = RoadUser("person", 20.0, 12.0, 28.0, 40.0, 15.0, 1.0)
    small = RoadUser("car", 50.0, 50.0, 54.0, 54.0, 70.0, 1.0)
    tags = np.ones((64, 64), np.uint8)
    tags[12:40, 20:28] = 12
    picture = np.zeros((64, 64, 3), np.uint8)
    found = row_of(Perfect((there, small), tags), picture, CAMERA, (there, small), tags)
    (answer, *others) = json.loads(found["answers"])
    assert (KINDS[answer[0]], answer[2], answer[3]) == ("person", 15.0, 1)
    assert others == []
    assert json.loads(found["asked"]) == [[KINDS.index("person"), 15.0]]
    pixels = np.reshape(json.loads(found["pixels"]), (N, N))
    road, person = list(SEGMENTS).index("road"), list(SEGMENTS).index("person")
    assert pixels[road, road] == 64 * 64 - 28 * 8
    assert pixels[person, road] == 28 * 8


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--detector-weights", "none.onnx"], "none.onnx: no such file"),
        (["--camera", "roof"], "camera"),
        (["--arms", "dehaze"], "expected 'rgb' among them"),
        (["--level", "fogg"], "unknown weather 'fogg'"),
    ],
)
def test_what_cannot_be_looked_at_is_said_in_one_line(
    words: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["perceive", "--out", str(tmp_path / "out"), *words]) == 2
    assert expected in capsys.readouterr().err
