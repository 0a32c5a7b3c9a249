"""The command that fuses folders, images and videos: what it writes, and what it refuses."""

import re
import resource
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from fusionproxy import FusionProxy, fuse
from fusionproxy.video import VideoWriter
from tests.pictures import read_bgr

SIZE = (48, 64)
rng = np.random.default_rng(0)
FRAMES = [
    cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    for _ in range(5)
]
GREY = [np.repeat(frame[..., :1], 3, axis=2) for frame in FRAMES]


def film(path: Path, frames: list[np.ndarray], rate: int = 25) -> Path:
    with VideoWriter(path, Fraction(rate)) as writer:
        for frame in frames:
            writer.add(frame)
    return path


def frames_of(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for side, frames in (("ir", GREY), ("vi", FRAMES)):
        (tmp_path / "pairs" / side).mkdir(parents=True)
        for i, frame in enumerate(frames):
            cv2.imwrite(str(tmp_path / "pairs" / side / f"{i}.png"), frame[..., ::-1])
    return tmp_path / "pairs"


@pytest.fixture
def videos(tmp_path: Path) -> list[str]:
    visible = film(tmp_path / "vi.mp4", FRAMES)
    return ["--infrared", str(film(tmp_path / "ir.mp4", GREY)), "--visible", str(visible)]


def left_over(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if "partial" in path.name]


def test_a_folder_of_pairs_becomes_a_folder_of_images(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder.parent / "fused"
    assert fuse.main(["--pairs", str(folder), "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == [f"{i}.png" for i in range(5)]
    expected = FusionProxy.from_pretrained("student_distilled").fuse(FRAMES[3], GREY[3][..., 0])
    np.testing.assert_array_equal(read_bgr(out / "3.png")[..., ::-1], expected)
    said = capsys.readouterr()
    assert said.err.count("\n") == 1  # progress is one line
    assert "5 of 5 pairs" in said.err
    assert "student_distilled.onnx (" in said.out


def test_two_images_become_one_side_by_side(folder: Path) -> None:
    sides = ["--infrared", str(folder / "ir/1.png"), "--visible", str(folder / "vi/1.png")]
    out = folder.parent / "one" / "fused.png"
    assert fuse.main([*sides, "--out", str(out), "--side-by-side"]) == 0
    picture = read_bgr(out)[..., ::-1]
    np.testing.assert_array_equal(picture[:, : 2 * SIZE[1]], np.hstack([FRAMES[1], GREY[1]]))
    assert picture.shape == (SIZE[0], 3 * SIZE[1], 3)


def test_two_videos_become_a_video_of_their_rate(videos: list[str], tmp_path: Path) -> None:
    out = tmp_path / "fused.mp4"
    assert fuse.main([*videos, "--out", str(out), "--side-by-side"]) == 0
    with av.open(str(out)) as container:
        assert container.streams.video[0].average_rate == 25
    frames = frames_of(out)
    assert len(frames) == len(FRAMES)
    assert frames[0].shape == (SIZE[0], 3 * SIZE[1], 3)
    visible = frames[2][:, : SIZE[1]].astype(int)
    assert np.abs(visible - FRAMES[2]).mean() < 12  # lossy twice, colour at half size


def test_pairs_become_a_video_and_videos_become_images(
    folder: Path, videos: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "v.mp4"
    assert fuse.main(["--pairs", str(folder), "--out", str(out), "--rate", "30000/1001"]) == 0
    assert len(frames_of(out)) == 5
    assert fuse.main([*videos, "--out", str(tmp_path / "images")]) == 0
    assert (tmp_path / "images/000004.png").is_file()


def test_odd_sides_repeat_their_edge_in_a_video(tmp_path: Path) -> None:
    path = film(tmp_path / "odd.mp4", [np.full((33, 47, 3), 90, np.uint8)])
    assert frames_of(path)[0].shape == (34, 48, 3)


def test_nothing_is_overwritten_unless_asked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder.parent / "fused"
    out.mkdir()
    (out / "4.png").write_bytes(b"mine")
    (out / "other.txt").write_bytes(b"mine too")
    line = ["--pairs", str(folder), "--out", str(out)]
    assert fuse.main(line) == 2
    assert "4.png exist; give another --out, or --overwrite" in capsys.readouterr().err
    assert [path.name for path in sorted(out.iterdir())] == ["4.png", "other.txt"]
    assert fuse.main([*line, "--overwrite"]) == 0
    assert (out / "4.png").read_bytes() != b"mine"
    assert (out / "other.txt").read_bytes() == b"mine too"


def test_inputs_are_never_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["--pairs", str(folder), "--out", str(folder / "vi"), "--overwrite"]
    assert fuse.main(line) == 2
    assert "is an input; it is not overwritten" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["fused.mp4", "images"])
def test_an_unfinished_output_is_removed(
    folder: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = folder / "ir/3.png"
    broken.write_bytes(broken.read_bytes()[:60])
    out = folder.parent / kind
    assert fuse.main(["--pairs", str(folder), "--out", str(out)]) == 2
    assert "3.png cannot be read as an image" in capsys.readouterr().err
    assert not out.exists()
    assert not left_over(folder.parent)


@pytest.mark.parametrize(
    ("infrared", "visible", "text"),
    [
        (film, lambda p, f: film(p, f[:4]), "has 5 frames but .*vi.mp4 has 4"),
        (film, lambda p, f: film(p, f, 24), "has 25 frames a second but .*vi.mp4 has 24"),
        (film, lambda p, f: film(p, [x[:, :32] for x in f]), r"has \(64, 48\) pixels"),
        (lambda p, f: film(p, FRAMES), film, "frame 0: expected a grey infrared image"),
        (lambda p, f: p.write_bytes(b"no video"), film, "ir.mp4 cannot be read as a video"),
        (lambda p, f: None, film, "no video at"),
    ],
)
def test_videos_that_do_not_match_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], infrared, visible, text: str
) -> None:
    infrared(tmp_path / "ir.mp4", GREY)
    visible(tmp_path / "vi.mp4", FRAMES)
    line = ["--infrared", str(tmp_path / "ir.mp4"), "--visible", str(tmp_path / "vi.mp4")]
    assert fuse.main([*line, "--out", str(tmp_path / "out.mp4")]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert re.search(text, said[0]), said
    assert not (tmp_path / "out.mp4").exists()


def test_a_video_that_ends_first_is_an_error_where_the_container_is_silent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Matroska does not say how many frames it has."""
    for name, frames in (("ir", GREY), ("vi", FRAMES[:3])):
        source = film(tmp_path / f"{name}.mp4", frames)
        with av.open(str(source)) as a, av.open(str(tmp_path / f"{name}.mkv"), "w") as b:
            stream = b.add_stream_from_template(a.streams.video[0])
            for packet in a.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    b.mux(packet)
    line = ["--infrared", str(tmp_path / "ir.mkv"), "--visible", str(tmp_path / "vi.mkv")]
    assert fuse.main([*line, "--out", str(tmp_path / "out.mp4")]) == 2
    assert "vi.mkv ends after 3 frames but" in capsys.readouterr().err
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "expected --pairs DIR, or both --infrared FILE and --visible FILE"),
        (["--infrared", "a.png"], "expected --pairs DIR, or both"),
        (["--infrared", "a.png", "--visible", "b.mp4"], "expected two images or two videos"),
        (["--infrared", "a.png", "--visible", "b.png"], "no file at a.png"),
        (["--pairs", "none"], "no folder of pairs at none"),
        (["--pairs", "PAIRS", "--out", "x.gif"], "expected a folder or a file of .bmp"),
        (["--pairs", "PAIRS", "--out", "x.png"], "x.png is one image"),
        (["--pairs", "PAIRS", "--rate", "5"], "--rate is of a .mp4 that is made of images"),
        (["--pairs", "PAIRS", "--out", "x.mp4", "--rate", "0"], "frames a second such as 25"),
        (["--pairs", "PAIRS", "--student", "none"], "no student 'none'; known names"),
    ],
)
def test_mistakes_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    line = [str(folder) if item == "PAIRS" else item for item in arguments]
    assert fuse.main(["--out", str(folder.parent / "out"), *line]) == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["fused.mp4", "images", "fused.png"])
def test_a_full_disk_is_one_line_and_leaves_nothing(folder: Path, kind: str) -> None:
    """A limit of the size of files stands for the disk."""
    out = folder.parent / kind
    line = [sys.executable, "-m", "fusionproxy.fuse", "--out", str(out)]
    line += ["--pairs", str(folder)] if kind != "fused.png" else []
    if kind == "fused.png":
        line += ["--infrared", str(folder / "ir/1.png"), "--visible", str(folder / "vi/1.png")]
    done = subprocess.run(
        line,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )
    assert done.returncode == 2, done.stderr
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()
    assert not left_over(folder.parent)
