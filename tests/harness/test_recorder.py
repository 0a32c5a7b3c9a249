"""Videos: a finished one stays, an unfinished one leaves nothing."""

import resource
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fusiondrive.errors import OutputError
from fusiondrive.types import Control
from harness import recorder
from harness.recorder import END_FRAMES, VideoRecorder


class FakeComposer:
    def __init__(self, env: Any) -> None:
        self._shade = 0

    def compose(self, env: Any, control: Control) -> np.ndarray:
        self._shade += 20
        return np.full((352, 800, 3), self._shade, np.uint8)


@pytest.fixture(autouse=True)
def _no_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "Composer", FakeComposer)


def drive(video: VideoRecorder, steps: int) -> None:
    for _ in range(steps):
        video.on_step(None, Control(0.0, 0.0, 0.0))  # type: ignore[arg-type]


def test_finished_video_holds_every_step_and_the_end(tmp_path: Path) -> None:
    path = tmp_path / "videos" / "drive.mp4"
    with VideoRecorder(path) as video:
        drive(video, 5)
        video.finish("success")
    with av.open(str(path)) as container:
        shades = [frame.to_ndarray(format="rgb24")[5, 5, 0] for frame in container.decode(video=0)]
    assert len(shades) == 5 + END_FRAMES
    assert shades[:5] == pytest.approx([20, 40, 60, 80, 100], abs=4)
    assert [p.name for p in path.parent.iterdir()] == ["drive.mp4"]


def test_unfinished_video_leaves_nothing(tmp_path: Path) -> None:
    with VideoRecorder(tmp_path / "drive.mp4") as video:
        drive(video, 2)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_goes_with_the_next_video(tmp_path: Path) -> None:
    (tmp_path / ".drive.1.part.mp4").write_bytes(b"half")
    (tmp_path / ".other.1.part.mp4").write_bytes(b"of somebody else")
    record(tmp_path / "drive.mp4")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".other.1.part.mp4", "drive.mp4"]


def record(path: Path) -> None:
    with VideoRecorder(path) as video:
        drive(video, 3)
        video.finish("success")


def test_a_full_disk_is_one_error_and_leaves_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, hard))
    try:
        with pytest.raises(OutputError, match=r"drive\.mp4 cannot be written"):
            record(tmp_path / "drive.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_episode_without_a_step_makes_no_video(tmp_path: Path) -> None:
    with VideoRecorder(tmp_path / "drive.mp4") as video:
        video.finish("sim_error")
    assert not list(tmp_path.iterdir())
