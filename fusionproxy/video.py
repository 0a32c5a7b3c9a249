"""Aligned infrared and visible videos, frame by frame, and writing of mp4 (H.264 by PyAV)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import cv2

from fusionproxy.data import U8
from fusionproxy.errors import FusionError
from fusionproxy.pair_source import Pair, ReadAs
from fusionproxy.video_reading import Video, VideoFrame

logger = logging.getLogger(__name__)
SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".wmv"}
)
ENCODER = {"crf": "18", "preset": "veryfast"}
FORMAT = "mp4"
TICKS = 90_000  # a second, at least: finer than the milliseconds of Matroska
BT601, LIMITED = 6, 1  # colour matrix (SMPTE 170M) and range by the numbers of ISO/IEC 23091-2
RATE_TOLERANCE = 0.01  # share of the rate: averages of variable rates differ a little


class VideoPairs:
    """Two videos whose frames are paired by index; their times must agree with that."""

    def __init__(self, infrared: Path, visible: Path, read_as: ReadAs | None = None) -> None:
        """Open both videos.

        Raises:
            FusionError: one cannot be read, or they differ in size, rate or length.
        """
        how = read_as or ReadAs()
        self._infrared = a = Video(infrared, "infrared", how.infrared_range)
        self._visible = b = Video(visible, "visible", how.visible_range, how.visible)
        self.rate = b.rate or a.rate
        self._check_same("pixels upright (width, height)", a.size, b.size)
        if abs(a.rate - b.rate) > RATE_TOLERANCE * self.rate:
            self._check_same("frames a second", a.rate, b.rate)
        if a.count and b.count:
            self._check_same("frames", a.count, b.count)
        if 2 * self.rate * abs(a.start_s - b.start_s) > 1:
            logger.warning(
                "warning: %s begins at %.3f s but %s at %.3f s; their first frames are taken for "
                "one moment",
                *(infrared, float(a.start_s), visible, float(b.start_s)),
            )

    def _check_same(self, what: str, a: object, b: object) -> None:
        if a != b:
            raise FusionError(
                f"{self._infrared.path} has {_shown(a)} {what} but {self._visible.path} has "
                f"{_shown(b)}; frames of one index must belong together"
            )

    def __len__(self) -> int:
        """Number of frames as the containers say; 0 where they do not."""
        return self._infrared.count or self._visible.count

    def __iter__(self) -> Iterator[Pair]:
        """Yield frames in order, named by their index, at the times of the visible video.

        Raises:
            FusionError: a file is broken, the infrared one is in colour, one ends first, or two
                frames of one index differ in time.
        """
        a, b = iter(self._infrared), iter(self._visible)
        index = 0
        while True:
            infrared, visible = next(a, None), next(b, None)
            if infrared is None or visible is None:
                break
            time_s = self._check_times(index, infrared, visible)
            yield Pair(f"{index:06d}", "", infrared.image, visible.image, time_s=time_s)
            index += 1
        if (infrared is None) is not (visible is None):
            paths = self._infrared.path, self._visible.path
            shorter, longer = paths if infrared is None else paths[::-1]
            raise FusionError(
                f"{shorter} ends after {index} frames but {longer} goes on; cut them to one length"
            )

    def _check_times(self, index: int, infrared: VideoFrame, visible: VideoFrame) -> Fraction:
        """Seconds from the first visible frame to this one.

        Raises:
            FusionError: the infrared frame is more than half a frame away.
        """
        times = (infrared.time_s - self._infrared.start_s, visible.time_s - self._visible.start_s)
        if 2 * self.rate * abs(times[0] - times[1]) > 1:
            raise FusionError(
                f"frame {index} comes {float(times[0]):.3f} s after the first in "
                f"{self._infrared.path} but {float(times[1]):.3f} s in {self._visible.path}; "
                "frames of one index must belong together: bring both to one constant rate, for "
                "instance with ffmpeg -i IN -r 25 OUT"
            )
        return times[1]


def _shown(value: object) -> str:
    return f"{float(value):g}" if isinstance(value, Fraction) else str(value)


class VideoWriter:
    """Writes frames of one size to an mp4; the edge of an odd side is repeated for H.264."""

    def __init__(self, path: Path, rate: Fraction) -> None:
        self._container: Any = av.open(str(path), "w", format=FORMAT)
        self._stream: Any = None
        self._rate = rate
        self._count = 0

    def add(self, picture: U8, time_s: Fraction | None = None) -> None:
        """Append a picture (H, W, 3) RGB.

        Args:
            picture: an image of the size of those before it.
            time_s: seconds since the first picture, rising; by default one step of the rate after
                the last one.

        Raises:
            FusionError: the picture has another size than the first.
        """
        height, width = picture.shape[:2]
        even = cv2.copyMakeBorder(picture, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        if self._stream is None:
            self._open(even.shape[0], even.shape[1], is_steady=time_s is None)
        expected = (self._stream.height, self._stream.width)
        if even.shape[:2] != expected:
            raise FusionError(
                f"a video needs pictures of one size: found {height} x {width} after "
                f"{expected[0]} x {expected[1]} (rows x columns)"
            )
        frame = av.VideoFrame.from_ndarray(even, format="rgb24")
        frame.time_base = self._stream.codec_context.time_base
        time_s = self._count / self._rate if time_s is None else time_s
        frame.pts = round(time_s / frame.time_base)
        self._count += 1
        self._container.mux(self._stream.encode(frame))

    def _open(self, height: int, width: int, *, is_steady: bool) -> None:
        stream = self._container.add_stream("libx264", rate=self._rate, options=ENCODER)
        stream.height, stream.width = height, width
        stream.pix_fmt = "yuv420p"
        codec = stream.codec_context
        per_second = max(1, self._rate.limit_denominator(1001).numerator)
        steps = -(-TICKS // per_second)  # a step of the rate is a whole number of ticks
        codec.time_base = Fraction(1, steps * per_second)
        codec.colorspace, codec.color_range = BT601, LIMITED  # as the frames are converted
        if not is_steady:
            codec.max_b_frames = 0  # reordering makes mp4 name too short a duration
        self._stream = stream

    def __enter__(self) -> VideoWriter:
        """Write to the open file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, at: TracebackType | None
    ) -> None:
        """Finish the file."""
        container, self._container = self._container, None
        try:
            if self._stream is not None and kind is None:
                container.mux(self._stream.encode())  # what the encoder still holds
        finally:
            container.close()
