"""Labelled frames come back from disk as they were written; broken ones are one clear line."""

from pathlib import Path

import numpy as np
import pytest

from fusiondrive.errors import ConfigError
from fusiondrive.types import CameraSpec
from perceivers.frames import FramesCard, FrameSet, FrameWriter
from perceivers.labelled_frame import LabelledFrame, RoadUser, encode_grey, encode_rgb

CARD = FramesCard(made_by="a test", commit="unknown", look=24, seed=1)
CAMERA = CameraSpec(width=40, height=30, fov_deg=50.0)


def frame(number: int = 0) -> LabelledFrame:
    rng = np.random.default_rng(number)
    return LabelledFrame(
        town="random:7",
        pose=f"p{number}",
        weather="clear",
        camera=CAMERA,
        rgb=encode_rgb(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8), as_png=True),
        tags=encode_grey(rng.integers(0, 29, (30, 40), dtype=np.uint8)),
        objects=(RoadUser("person", 1.0, 2.0, 5.0, 20.5, 14.25, 0.75),) * (number % 3),
        thermal_settings="fog_ratio=0.5" if number % 2 else "",
        thermal=encode_grey(np.full((30, 40), 7, np.uint8)) if number % 2 else b"",
    )


def written(folder: Path, count: int = 5, per_file: int = 2) -> FrameSet:
    with FrameWriter(folder, CARD, per_file) as writer:
        for number in range(count):
            writer.add(frame(number))
    return FrameSet(folder)


def test_frames_come_back_as_they_were(tmp_path: Path) -> None:
    found = written(tmp_path / "set")
    assert list(found) == [frame(number) for number in range(5)]
    assert len(found) == 5
    assert len(found.files) == 3


def test_pictures_come_back_as_they_were(tmp_path: Path) -> None:
    second = list(written(tmp_path))[1]
    rng = np.random.default_rng(1)
    assert (second.rgb_image() == rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)).all()
    assert (second.tag_image() == rng.integers(0, 29, (30, 40), dtype=np.uint8)).all()
    assert (second.thermal_image() == 7).all()


def test_a_set_goes_on_behind_its_last_file(tmp_path: Path) -> None:
    written(tmp_path, count=3)
    with FrameWriter(tmp_path, CARD, 2) as writer:
        assert writer.count == 3
        writer.add(frame(3))
    assert [item.pose for item in FrameSet(tmp_path)] == ["p0", "p1", "p2", "p3"]


def test_a_writer_without_frames_leaves_nothing(tmp_path: Path) -> None:
    with FrameWriter(tmp_path, CARD):
        pass
    assert list(tmp_path.iterdir()) == []


def test_frames_of_another_look_are_not_added(tmp_path: Path) -> None:
    written(tmp_path)
    other = FramesCard(made_by="a test", commit="unknown", look=25, seed=1)
    with pytest.raises(
        ConfigError, match=r"holds frames of look 24 .* are of 25 .* another folder"
    ):
        FrameWriter(tmp_path, other)


def test_a_folder_without_a_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected a set of labelled frames with card\.json"):
        FrameSet(tmp_path)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    written(tmp_path).files[1].unlink()
    with pytest.raises(ConfigError, match=r"expected frames_00001\.parquet"):
        FrameSet(tmp_path)


def test_a_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    found = written(tmp_path)
    found.files[1].write_bytes(found.files[1].read_bytes()[:200])
    with pytest.raises(ConfigError, match=r"frames_00001\.parquet: not readable as labelled"):
        list(found)


def test_a_set_of_another_version_is_refused(tmp_path: Path) -> None:
    card = written(tmp_path).folder / "card.json"
    card.write_text(
        card.read_text(encoding="utf-8").replace('"version": 1', '"version": 9'), "utf-8"
    )
    with pytest.raises(ConfigError, match="expected frames of version 1, found 9"):
        FrameSet(tmp_path)


def test_a_picture_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="frame p0 in clear: expected a picture 'thermal' of 40"):
        frame(0).thermal_image()


@pytest.mark.parametrize(
    "values", [("dog", 1, 2, 3, 4, 5, 1), ("car", 3, 2, 3, 4, 5, 1), ("car", 1, 2, np.nan, 4, 5, 1)]
)
def test_a_road_user_that_cannot_be_is_refused(values: tuple[object, ...]) -> None:
    with pytest.raises(ConfigError):
        RoadUser(*values)  # type: ignore[arg-type]
