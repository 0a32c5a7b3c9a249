"""Reads one video frame by frame, upright and in 8 bits, with the time of each frame."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from fusionproxy.data import U8
from fusionproxy.errors import FusionError, first_line
from fusionproxy.frame_values import values_of
from fusionproxy.images import Limits, grey_of, rgb_of, to_8_bits, to_unit
from fusionproxy.orientation import ORIENTATIONS, UPRIGHT, Turn, turn_of_matrix

DISPLAY_MATRIX = "DISPLAYMATRIX"  # name of the side data
# by PyAV's degrees, against the clock
QUARTERS = {
    0: UPRIGHT,
    90: ORIENTATIONS[8],
    -90: ORIENTATIONS[6],
    180: ORIENTATIONS[3],
    -180: ORIENTATIONS[3],
}
SHORT_BY = Fraction(3, 2)  # of the longest time between frames: what a file may lack at its end


class VideoFrame(NamedTuple):
    """One frame of a video with its time."""

    time_s: Fraction  # as the file has it; the first need not be 0
    image: U8  # infrared (H, W), visible (H, W, 3) RGB


class Video:
    """A file with one video stream; each iteration decodes its frames anew."""

    def __init__(
        self, path: Path, side: str, limits: Limits | None = None, kind: str = "any"
    ) -> None:
        """Open the video and read its first frame.

        Args:
            path: the file.
            side: `infrared` (grey is expected) or `visible`.
            limits: values that become black and white; 16-bit and float files need them.
            kind: what a visible video may be, `any` or `rgb` (grey is refused).

        Raises:
            FusionError: the file is no video, has no frames, or needs a range.
        """
        self.path, self.side = path, side
        self._limits, self._kind = limits, kind
        with _opened(path) as stream:
            self.rate = Fraction(stream.average_rate or stream.base_rate or 0)
            self.count = int(stream.frames)  # 0 where the container does not say
        first = next(iter(self), None)
        if first is None:
            raise FusionError(f"{path} has a video stream without frames")
        self.start_s = first.time_s
        self.size = (first.image.shape[1], first.image.shape[0])  # width, height

    def __iter__(self) -> Iterator[VideoFrame]:
        """Yield the frames in order.

        Raises:
            FusionError: the file is broken or cut off, a frame is of another size or kind, or
                times do not rise.
        """
        with _opened(self.path) as stream:
            clock = _Clock(self.path, 1 / self.rate if self.rate else Fraction(0))
            is_raw, size = stream.codec_context.name == "rawvideo", None
            for index, frame in enumerate(_decoded(stream, self.path)):
                where = f"{self.path}, frame {index}"
                time_s = clock.advance(frame, where)
                image = self._image(frame, where, is_raw=is_raw)
                if size is not None and image.shape != size:
                    raise FusionError(
                        f"{where} is {image.shape[0]} x {image.shape[1]} but those before it "
                        f"{size[0]} x {size[1]} (rows x columns)"
                    )
                size = image.shape
                yield VideoFrame(time_s, image)
            clock.check_end(_declared_end(stream))

    def _image(self, frame: Any, where: str, *, is_raw: bool) -> U8:
        """Convert a decoded frame to an upright image in 8 bits."""
        if frame.is_corrupt:
            raise FusionError(f"{where} is damaged; cut it away, or take an undamaged file")
        values, known = values_of(frame, where, self.side, is_raw=is_raw)
        image: NDArray[Any] = values
        if self._limits is not None or values.dtype != np.uint8:
            image = to_unit(values, self._limits or known, where, self.side)
        white = 255.0 if image.dtype == np.uint8 else 1.0
        if self.side == "infrared":
            image = grey_of(image, where, white)
        else:
            image = rgb_of(image, where, self._kind)
        bytes_ = image if image.dtype == np.uint8 else to_8_bits(image)
        turn = _turn(frame, where)
        return np.asarray(bytes_ if turn == UPRIGHT else turn.apply(bytes_))


class _Clock:
    """Keeps the times of the frames of a video as they are read."""

    def __init__(self, path: Path, step: Fraction) -> None:
        self._path, self._step = path, step  # seconds between frames, 0 where it is not known
        self._longest = step
        self._last: Fraction | None = None
        self._end = Fraction(0)

    def advance(self, frame: Any, where: str) -> Fraction:
        """Seconds at which the next frame is shown.

        Raises:
            FusionError: that time is not after the one of the frame before.
        """
        last = self._last
        if frame.pts is None:
            time_s = Fraction(0) if last is None else last + self._step
        else:
            time_s = frame.pts * Fraction(frame.time_base)
        if last is not None:
            if time_s <= last:
                raise FusionError(
                    f"{where} is at {float(time_s):.3f} s, not after the one before it; times must "
                    "rise: write the video again"
                )
            self._longest = max(self._longest, time_s - last)
        duration = Fraction(frame.duration or 0) * Fraction(frame.time_base or 0)
        self._last, self._end = time_s, time_s + (duration or self._step)
        return time_s

    def check_end(self, declared: Fraction | None) -> None:
        """Raise FusionError where frames end long before the time that the file names."""
        if self._last is None or declared is None:
            return
        if declared - self._end > SHORT_BY * self._longest:
            raise FusionError(
                f"{self._path} is cut off: by its header it lasts until {float(declared):.2f} s, "
                f"its frames end at {float(self._end):.2f} s"
            )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The video stream of a file; a cover picture of a sound file is none."""
    if not path.is_file():
        raise FusionError(f"no video at {path}")
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as err:
        raise FusionError(
            f"{path} cannot be read as a video ({first_line(err)}); it may be cut off"
        ) from err
    with container:
        attached = av.stream.Disposition.attached_pic
        streams = [item for item in container.streams.video if not item.disposition & attached]
        if not streams:
            kinds = sorted({item.type for item in container.streams})
            raise FusionError(f"{path} has no video stream; found {', '.join(kinds) or 'nothing'}")
        if len(streams) > 1:
            raise FusionError(
                f"{path} has {len(streams)} video streams; expected one: copy each to a file of "
                "its own (ffmpeg -map 0:v:0 -c copy)"
            )
        yield streams[0]


def _decoded(stream: Any, path: Path) -> Iterator[Any]:
    stream.thread_type = "AUTO"
    try:
        yield from stream.container.decode(stream)
    except (av.FFmpegError, OSError) as err:
        raise FusionError(f"{path} is broken ({first_line(err)})") from err


def _turn(frame: Any, where: str) -> Turn:
    """The turn that a frame's display matrix asks for."""
    try:
        data = frame.side_data.get(DISPLAY_MATRIX)
    except ValueError:  # PyAV stumbles over side data newer than itself: take the rotation alone
        turn = QUARTERS.get(frame.rotation)
    else:
        matrix = [] if data is None else [int(value) for value in np.frombuffer(data, np.int32)]
        turn = turn_of_matrix(matrix) if matrix else UPRIGHT
    if turn is None:
        raise FusionError(
            f"{where} is to be turned by {frame.rotation} degrees; expected a multiple of 90"
        )
    return turn


def _declared_end(stream: Any) -> Fraction | None:
    """Seconds at which the last frame ends by the file's headers; None where they do not say."""
    container = stream.container
    if container.format.name == "avi" and stream.frames and stream.average_rate:
        return Fraction(stream.frames / stream.average_rate)  # the duration is of what is there
    if stream.duration:
        return Fraction(((stream.start_time or 0) + stream.duration) * stream.time_base)
    tag = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", ""))
    if tag:  # of Matroska
        return 3600 * Fraction(tag[1]) + 60 * Fraction(tag[2]) + Fraction(tag[3])
    if container.duration and len(container.streams) == 1:
        return Fraction((container.start_time or 0) + container.duration, av.time_base)
    return None
