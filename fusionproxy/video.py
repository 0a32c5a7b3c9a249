"""Aligned infrared and visible videos, frame by frame, and writing of mp4 (H.264 by PyAV)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import cv2
import numpy as np

from fusionproxy.data import U8
from fusionproxy.errors import FusionError
from fusionproxy.images import grey_of
from fusionproxy.pairs import Pair

SUFFIXES = frozenset({".mp4", ".mkv", ".avi", ".mov", ".webm"})
ENCODER = {"crf": "18", "preset": "veryfast"}
FORMAT = "mp4"


class VideoPairs:
    """Two videos whose frames of one index belong together.

    Lengths are compared again while reading: some containers do not say theirs, some are wrong.
    """

    def __init__(self, infrared: Path, visible: Path) -> None:
        """Open both.

        Raises:
            FusionError: one cannot be read, or they differ in size, rate or length.
        """
        self._paths = (infrared, visible)
        with ExitStack() as stack:
            a, b = (stack.enter_context(_opened(path)) for path in self._paths)
            for what, found in (
                ("pixels (width, height)", [(s.width, s.height) for s in (a, b)]),
                ("frames a second", [_rate(s) for s in (a, b)]),
                ("frames", [s.frames or a.frames or b.frames for s in (a, b)]),
            ):
                if found[0] != found[1]:
                    raise FusionError(
                        f"{infrared} has {_shown(found[0])} {what} but {visible} has "
                        f"{_shown(found[1])}; frames of one index must belong together"
                    )
            self.rate = _rate(a)
            self._count = int(a.frames or b.frames)

    def __len__(self) -> int:
        """Number of frames by the containers; 0 where they do not say."""
        return self._count

    def __iter__(self) -> Iterator[Pair]:
        """Frames in their order, named by their index.

        Raises:
            FusionError: a file is broken, the infrared one is in colour, or one ends first.
        """
        with ExitStack() as stack:
            a, b = (_frames(stack.enter_context(_opened(p)), p) for p in self._paths)
            index = 0
            while True:
                infrared, visible = next(a, None), next(b, None)
                if infrared is None or visible is None:
                    break
                grey = grey_of(infrared, f"{self._paths[0]}, frame {index}")
                yield Pair(f"{index:06d}", "", grey, visible)
                index += 1
            if (infrared is None) is not (visible is None):
                shorter, longer = self._paths if infrared is None else self._paths[::-1]
                raise FusionError(
                    f"{shorter} ends after {index} frames but {longer} goes on; cut them to one "
                    "length"
                )
            if index == 0:
                raise FusionError(f"{self._paths[0]} and {self._paths[1]} have no frames")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The first video stream of a file."""
    if not path.is_file():
        raise FusionError(f"no video at {path}")
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as err:
        raise FusionError(f"{path} cannot be read as a video ({err})") from err
    with container:
        if not container.streams.video:
            raise FusionError(f"{path} has no video stream")
        yield container.streams.video[0]


def _frames(stream: Any, path: Path) -> Iterator[U8]:
    stream.thread_type = "AUTO"
    try:
        for frame in stream.container.decode(stream):
            yield np.asarray(frame.to_ndarray(format="rgb24"))
    except (av.FFmpegError, OSError) as err:
        raise FusionError(f"{path} is broken ({err})") from err


def _rate(stream: Any) -> Fraction:
    return Fraction(stream.average_rate or stream.guessed_rate or 0)


def _shown(value: object) -> str:
    return f"{float(value):g}" if isinstance(value, Fraction) else str(value)


class VideoWriter:
    """Frames of one size to an mp4; its encoder needs even sides, so odd ones repeat an edge."""

    def __init__(self, path: Path, rate: Fraction) -> None:
        self._container: Any = av.open(str(path), "w", format=FORMAT)
        self._stream: Any = None
        self._rate = rate

    def add(self, picture: U8) -> None:
        """Append a picture (H, W, 3) RGB.

        Raises:
            FusionError: it has another size than the first.
        """
        height, width = picture.shape[:2]
        even = cv2.copyMakeBorder(picture, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        if self._stream is None:
            self._stream = self._container.add_stream("libx264", rate=self._rate, options=ENCODER)
            self._stream.height, self._stream.width = even.shape[:2]
            self._stream.pix_fmt = "yuv420p"
        expected = (self._stream.height, self._stream.width)
        if even.shape[:2] != expected:
            raise FusionError(
                f"a video needs pictures of one size: found {height} x {width} after "
                f"{expected[0]} x {expected[1]} (rows x columns)"
            )
        frame = av.VideoFrame.from_ndarray(even, format="rgb24")
        self._container.mux(self._stream.encode(frame))

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
