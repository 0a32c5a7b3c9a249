"""Videos are read upright, at their depth and times; what is cut off or ambiguous is refused."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from fusionproxy import fuse, video_reading
from fusionproxy.errors import FusionError
from fusionproxy.orientation import ORIENTATIONS
from fusionproxy.video import VideoPairs, VideoWriter
from fusionproxy.video_reading import Video
from tests.pictures import read_bgr

SIZE = (48, 64)
rng = np.random.default_rng(0)
RGB = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), SIZE[::-1])
GREY = np.ascontiguousarray(RGB[..., 0])
COUNTS = 7000 + 8 * GREY.astype(np.uint16)
# display matrices by EXIF orientation, in libavutil's 16.16 and 2.30 fixed point
CORNERS = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}


def frame_of(planes: Sequence[np.ndarray], pixels: str) -> av.VideoFrame:
    """A frame whose planes are given as stored."""
    height, width = planes[0].shape[:2]
    frame = av.VideoFrame(width, height, pixels)
    for plane, image in zip(frame.planes, planes, strict=True):
        rows = np.zeros((image.shape[0], plane.line_size), np.uint8)
        stored = np.ascontiguousarray(image).reshape(image.shape[0], -1).view(np.uint8)
        rows[:, : stored.shape[1]] = stored
        plane.update(rows.tobytes())
    return frame


def film(
    path: Path,
    frames: Sequence[Sequence[np.ndarray]],
    pixels: str = "bgr0",
    codec: str = "ffv1",
    rate: int = 25,
    times: Sequence[Fraction] | None = None,
    matrix: tuple[int, int, int, int] | None = None,
    tags: tuple[int, int] = (0, 2),
    options: dict[str, str] | None = None,
) -> Path:
    """A video of stored planes; `tags` are colour range and matrix."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0][0].shape[:2]
        stream.pix_fmt = pixels
        codec_context = stream.codec_context
        codec_context.color_range, codec_context.colorspace = tags
        codec_context.time_base = Fraction(1, 1000 if times is not None else rate)
        if matrix is not None:
            if not hasattr(stream, "set_display_matrix"):
                pytest.skip("writing display matrices needs PyAV 17 or later")
            a, b, c, d = (value << 16 for value in matrix)
            stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        for i, planes in enumerate(frames):
            frame = frame_of(planes, pixels)
            frame.color_range, frame.colorspace = tags
            frame.time_base = codec_context.time_base
            frame.pts = i if times is None else round(times[i] * 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def four(image: np.ndarray = RGB) -> list[np.ndarray]:
    """The plane of a bgr0 frame."""
    return [np.dstack([image[..., ::-1], np.zeros(image.shape[:2], np.uint8)])]


def images(path: Path, side: str = "visible", **how: Any) -> list[np.ndarray]:
    return [frame.image for frame in Video(path, side, **how)]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["mov", "mkv"])
def test_display_matrices_are_applied(tmp_path: Path, kind: str, orientation: int) -> None:
    codec = {"mov": "qtrle", "mkv": "ffv1"}[kind]
    pixels, planes = {"mov": ("rgb24", [RGB]), "mkv": ("bgr0", four())}[kind]
    matrix = CORNERS[orientation]
    path = film(tmp_path / f"a.{kind}", [planes] * 2, pixels, codec, matrix=matrix)
    expected = ORIENTATIONS[orientation].apply(RGB)
    assert Video(path, "visible").size == expected.shape[1::-1]
    if kind == "mov" or orientation in (1, 3, 6, 8):  # Matroska keeps rotations alone
        np.testing.assert_array_equal(images(path)[1], expected)
    if orientation in (3, 6, 8):  # OpenCV knows rotations alone
        opencv = cv2.VideoCapture(str(path)).read()[1][..., ::-1]
        assert np.abs(opencv.astype(int) - expected).mean() < 3


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_rotations_are_found_beside_side_data_that_pyav_does_not_know(
    tmp_path: Path, orientation: int
) -> None:
    """FFmpeg's TIFF frames carry EXIF data, over which PyAV 18 stumbles."""
    path = film(tmp_path / "a.mov", [[RGB]], "rgb24", "tiff", matrix=CORNERS[orientation])
    np.testing.assert_array_equal(images(path)[0], ORIENTATIONS[orientation].apply(RGB))


def test_turned_videos_are_fused_upright_and_written_without_a_matrix(tmp_path: Path) -> None:
    turned = film(tmp_path / "v.mkv", [four()] * 2, matrix=CORNERS[3])
    upright = film(tmp_path / "i.mkv", [[GREY[::-1, ::-1]]] * 2, "gray")
    line = ["--infrared", str(upright), "--visible", str(turned), "--side-by-side"]
    assert fuse.main([*line, "--out", str(tmp_path / "images")]) == 0
    picture = read_bgr(tmp_path / "images/000001.png")[..., ::-1]
    np.testing.assert_array_equal(picture[:, :64], RGB[::-1, ::-1])
    assert fuse.main([*line, "--out", str(tmp_path / "out.mp4")]) == 0
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert next(container.decode(video=0)).rotation == 0


def test_a_slanted_video_and_sizes_that_differ_upright_are_refused(tmp_path: Path) -> None:
    slanted = film(tmp_path / "s.mov", [[RGB]], "rgb24", "qtrle", matrix=(2, 1, 1, 2))
    with pytest.raises(FusionError, match="expected a multiple of 90"):
        Video(slanted, "visible")
    infrared = film(tmp_path / "i.mkv", [[GREY]], "gray")
    turned = film(tmp_path / "v.mkv", [four()], matrix=CORNERS[6])
    with pytest.raises(FusionError, match=r"\(64, 48\) pixels upright .* has \(48, 64\)"):
        VideoPairs(infrared, turned)


@pytest.mark.parametrize(
    ("pixels", "planes", "codec", "kind"),
    [
        ("gray16le", [COUNTS], "ffv1", "mkv"),
        ("gray16be", [COUNTS.astype(">u2")], "png", "mov"),
        ("gray12le", [COUNTS % 4096], "ffv1", "avi"),
        ("gray10le", [COUNTS % 1024], "ffv1", "mkv"),
        ("grayf32le", [COUNTS.astype(np.float32)], "exr", "mov"),
        ("gbrpf32le", [COUNTS.astype(np.float32)] * 3, "exr", "mov"),
        ("rgb48le", [np.dstack([COUNTS] * 3)], "tiff", "mov"),
        ("gbrp12le", [COUNTS % 4096] * 3, "ffv1", "mkv"),
    ],
)
def test_deep_infrared_videos_need_a_range_as_images_do(
    tmp_path: Path, pixels: str, planes: list[np.ndarray], codec: str, kind: str
) -> None:
    path = film(tmp_path / f"a.{kind}", [planes], pixels, codec)
    with pytest.raises(FusionError, match=r"frame 0: .* no declared range; give --infrared-range"):
        Video(path, "infrared")
    stored = planes[0].astype(float)
    stored = stored if stored.ndim == 2 else stored[..., 0]
    low, high = stored.min() + 50, stored.max() - 50
    expected = 255 * np.clip((stored - low) / (high - low), 0, 1)
    found = images(path, "infrared", limits=(low, high))[0]
    assert np.abs(found - expected).max() <= 0.6


def test_the_range_reaches_videos_from_the_command_line(tmp_path: Path) -> None:
    infrared = film(tmp_path / "i.mkv", [[COUNTS]], "gray16le")
    visible = film(tmp_path / "v.mkv", [four()])
    line = ["--infrared", str(infrared), "--visible", str(visible), "--side-by-side"]
    out = tmp_path / "out"
    assert fuse.main([*line, "--out", str(out)]) == 2
    assert not out.exists()
    assert fuse.main([*line, "--out", str(out), "--infrared-range", "7000", "9040"]) == 0
    picture = read_bgr(out / "000000.png")
    assert np.abs(picture[:, 64:128, 0].astype(int) - GREY).max() <= 1


def test_a_range_of_8_bit_videos_is_applied_too(tmp_path: Path) -> None:
    path = film(tmp_path / "i.mkv", [[GREY]], "gray")
    expected = np.clip((GREY - 50.0) / 100, 0, 1) * 255
    assert np.abs(images(path, "infrared", limits=(50, 150))[0] - expected).max() <= 0.6


@pytest.mark.parametrize(
    ("pixels", "white", "codec"),
    [("gbrp10le", 1023, "ffv1"), ("gbrp12le", 4095, "ffv1"), ("gbrp16le", 65535, "ffv1")],
)
def test_deep_visible_videos_are_scaled_by_their_depth(
    tmp_path: Path, pixels: str, white: int, codec: str
) -> None:
    planes = [np.rint(RGB[..., i] / 255 * white).astype(np.uint16) for i in (1, 2, 0)]
    path = film(tmp_path / "v.mkv", [planes], pixels, codec)
    assert np.abs(images(path)[0].astype(int) - RGB).max() <= 1
    grey = film(tmp_path / "g.mkv", [[planes[0]]], f"gray{len(bin(white)) - 2}le")
    if white == 65535:
        with pytest.raises(FusionError, match="give --visible-range"):
            images(grey)
    else:
        assert np.abs(images(grey)[0][..., 0].astype(int) - RGB[..., 1]).max() <= 1


KR_KB = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}  # ITU-R BT.709, 601, 2020


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("colour_range", [1, 2])
@pytest.mark.parametrize("matrix", KR_KB)
def test_colour_matrix_and_range_are_those_of_the_tags(
    tmp_path: Path, bits: int, colour_range: int, matrix: int
) -> None:
    y, cb, cr = (value << (bits - 8) for value in (100, 90, 160))
    pixels, kind = ("yuv444p", np.uint8) if bits == 8 else (f"yuv444p{bits}le", np.uint16)
    planes = [np.full(SIZE, value, kind) for value in (y, cb, cr)]
    path = film(tmp_path / "a.mkv", [planes], pixels, tags=(colour_range, matrix))
    one = 1 << (bits - 8)
    luma, chroma = ((y - 16 * one) / (219 * one), 224 * one)
    if colour_range == 2:
        luma, chroma = y / (256 * one - 1), 256 * one - 1
    kr, kb = KR_KB[matrix]
    pb, pr = (cb - 128 * one) / chroma, (cr - 128 * one) / chroma
    red, blue = luma + 2 * (1 - kr) * pr, luma + 2 * (1 - kb) * pb
    green = (luma - kr * red - kb * blue) / (1 - kr - kb)
    assert np.abs(images(path)[0][9, 9] - 255 * np.array([red, green, blue])).max() < 1.2
    grey = [planes[0], *[np.full(SIZE, 128 * one, kind)] * 2]
    path = film(tmp_path / "grey.mkv", [grey], pixels, tags=(colour_range, matrix))
    assert np.abs(images(path, "infrared")[0] - 255 * luma).max() < 1.2


def test_transparent_frames_are_refused(tmp_path: Path) -> None:
    solid = np.dstack([RGB, np.full(SIZE, 255, np.uint8)])
    path = film(tmp_path / "a.mov", [[solid]], "rgba", "png")
    np.testing.assert_array_equal(images(path)[0], RGB)
    solid[3, 4, 3] = 0
    path = film(tmp_path / "b.mov", [[solid]], "rgba", "png")
    with pytest.raises(FusionError, match="frame 0: 1 of 3072 pixels are transparent"):
        images(path)


TIMES = [Fraction(ms, 1000) for ms in (0, 40, 120, 150, 400, 440)]


@pytest.mark.parametrize("kind", ["mkv", "mp4"])
def test_variable_times_are_kept(tmp_path: Path, kind: str) -> None:
    codec, pixels = {"mkv": ("ffv1", "gray"), "mp4": ("libx264", "gray")}[kind]
    paths = [
        film(tmp_path / f"{side}.{kind}", [[GREY]] * 6, pixels, codec, times=TIMES) for side in "iv"
    ]
    line = ["--infrared", str(paths[0]), "--visible", str(paths[1])]
    assert fuse.main([*line, "--out", str(tmp_path / "out.mp4")]) == 0
    found = [frame.time_s for frame in Video(tmp_path / "out.mp4", "visible")]
    assert found == TIMES
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.duration > 1e6 * float(TIMES[-1])


def test_frames_of_one_index_and_other_times_are_refused(tmp_path: Path) -> None:
    steady = [Fraction(i, 25) for i in range(6)]
    dropped = [*steady[:3], *(time + Fraction(1, 25) for time in steady[3:])]
    infrared = film(tmp_path / "i.mkv", [[GREY]] * 6, "gray", times=dropped)
    visible = film(tmp_path / "v.mkv", [four()] * 6, times=steady)
    pairs = iter(VideoPairs(infrared, visible))
    assert [next(pairs).name for _ in range(3)] == ["000000", "000001", "000002"]
    with pytest.raises(FusionError, match=r"frame 3 comes 0.160 s after .*i.mkv but 0.120 s in"):
        next(pairs)


def test_times_that_do_not_rise_are_an_error(tmp_path: Path) -> None:
    clock = video_reading._Clock(tmp_path, Fraction(0))  # of a file without times and rate
    frame = frame_of([GREY], "gray")
    clock.advance(frame, "frame 0")
    with pytest.raises(FusionError, match=r"frame 1 is at 0.000 s, not after the one before"):
        clock.advance(frame, "frame 1")


def test_another_start_is_said_with_both_times(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    late = [Fraction(i, 25) + Fraction(1, 2) for i in range(3)]
    infrared = film(tmp_path / "i.mkv", [[GREY]] * 3, "gray", times=late)
    visible = film(tmp_path / "v.mkv", [four()] * 3)
    assert len(list(VideoPairs(infrared, visible))) == 3
    assert "i.mkv begins at 0.500 s but" in caplog.text
    assert "v.mkv at 0.000 s" in caplog.text


@pytest.mark.parametrize("kind", ["mkv", "avi", "mp4"])
def test_a_video_that_is_cut_off_is_an_error(tmp_path: Path, kind: str) -> None:
    noise = [[rng.integers(0, 256, SIZE, np.uint8)] for _ in range(30)]
    codec, options = ("mjpeg", {"movflags": "faststart"}) if kind != "mkv" else ("ffv1", {})
    frames, pixels = noise, "gray"
    if codec == "mjpeg":
        frames = [[y, *[np.full((24, 32), 128, np.uint8)] * 2] for (y,) in noise]
        pixels = "yuvj420p"
    path = film(tmp_path / f"a.{kind}", frames, pixels, codec, options=options)
    assert len(images(path)) == 30
    data = path.read_bytes()
    path.write_bytes(data[: int(0.8 * len(data))])
    with pytest.raises(FusionError, match=r"a\.\w+ is (cut off: .* 1.20 s, .* end at|broken)"):
        images(path)


def sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=8000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_sound_alone_no_frames_and_two_streams_are_named(tmp_path: Path) -> None:
    with pytest.raises(FusionError, match="has no video stream; found audio"):
        Video(sound(tmp_path / "a.mkv"), "visible")
    with av.open(str(tmp_path / "none.mkv"), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "gray"
        container.start_encoding()
    with pytest.raises(FusionError, match=r"none\.mkv (cannot be read|has a video stream without)"):
        Video(tmp_path / "none.mkv", "visible")
    with av.open(str(tmp_path / "two.mkv"), "w") as container:
        streams: list[Any] = [container.add_stream("ffv1", rate=25) for _ in range(2)]
        for stream in streams:
            stream.height, stream.width, stream.pix_fmt = 48, 64, "gray"
        for stream in streams:
            frame = frame_of([GREY], "gray")
            frame.pts, frame.time_base = 0, Fraction(1, 25)
            container.mux(stream.encode(frame))
            container.mux(stream.encode())
    with pytest.raises(FusionError, match="has 2 video streams; expected one"):
        Video(tmp_path / "two.mkv", "visible")


def test_the_written_video_says_how_its_colours_are_coded(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", Fraction(30000, 1001)) as writer:
        for _ in range(4):
            writer.add(RGB)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == Fraction(30000, 1001)
        context = stream.codec_context
        assert (context.colorspace, context.color_range) == (6, 1)
    assert np.abs(images(tmp_path / "a.mp4")[0].astype(int) - RGB).mean() < 12
