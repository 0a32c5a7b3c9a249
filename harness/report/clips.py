"""Short clips of two drives side by side, cut out of the videos that a run kept."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from harness.recorder import FPS, TILE
from harness.report.alignment import Moment
from harness.report.cases import Case, Key

logger = logging.getLogger(__name__)

U8 = NDArray[np.uint8]

AROUND_S = 4.0  # before and after the moment
VIEW_SIZE, MAP_SIZE = (320, 240), (320, 160)  # width, height of one drive's pictures
ENCODER = {"crf": "31", "preset": "medium", "threads": "1", "g": "40"}
APART_S = 2.0  # moments of a case that are nearer than this share a clip


class Clip(NamedTuple):
    """A clip around a moment of a case, MP4 (H.264)."""

    case: str  # its id
    moment: str  # paths, actions or end
    data: bytes

    @property
    def size(self) -> int:
        """Bytes that it takes in the page, with its names."""
        return 4 * len(self.data) // 3 + 4 + len(self.case) + len(self.moment) + 16

    def text(self) -> str:
        """The clip as base64."""
        return base64.b64encode(self.data).decode("ascii")


def chosen(cases: Sequence[Case], count: int, first: Key | None = None) -> list[Case]:
    """The cases that get clips: of each comparison in turn, those of `first` before all others."""
    groups: dict[Key, list[Case]] = {} if first is None else {first: []}
    for case in cases:
        if case.divergence is not None and case.first.video and case.second.video:
            groups.setdefault(case.key, []).append(case)
    found = list(groups.pop(first, ())) if first is not None else []
    waiting = [list(reversed(group)) for group in groups.values()]
    while any(waiting):
        found += [group.pop() for group in waiting if group]
    return found[:count]


def make_clips(case: Case) -> Iterator[Clip]:
    """The clips of one case: where the drives diverge, and where the shorter one ends.

    A video that cannot be read leaves its clip out with a warning.
    """
    if case.divergence is None or case.first.video is None or case.second.video is None:
        return
    for name, moment in moments(case):
        try:
            data = side_by_side((case.first.video, case.second.video), moment.steps)
        except (av.FFmpegError, OSError, ValueError, IndexError) as err:
            logger.warning("no clip of %s and %s: %s", case.first.video, case.second.video, err)
            return
        yield Clip(case.id, name, data)


def moments(case: Case) -> list[tuple[str, Moment]]:
    """What of a case is worth a clip, by name."""
    assert case.divergence is not None  # callers have asked
    diverged = case.divergence
    name, first = ("paths", diverged.paths) if diverged.paths else ("actions", diverged.actions)
    end = ("end", diverged.end)
    if first is None or all(
        abs(a - b) < APART_S * FPS for a, b in zip(first.steps, diverged.end.steps, strict=True)
    ):
        return [end]
    return [(name, first), end]


def side_by_side(videos: tuple[Path, Path], steps: tuple[int, int]) -> bytes:
    """Both drives around their steps: the policy's image above, the map below.

    Args:
        videos: of the two drives, as `harness.recorder` writes them.
        steps: the steps that are shown together.

    Returns:
        MP4, 640x400, at the videos' rate.
    """
    around = round(AROUND_S * FPS)
    sides = [
        _frames(path, step - around, step + around)
        for path, step in zip(videos, steps, strict=True)
    ]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS, options=ENCODER)
        stream.width, stream.height = 2 * VIEW_SIZE[0], VIEW_SIZE[1] + MAP_SIZE[1]
        stream.pix_fmt = "yuv420p"
        for pair in zip(*sides, strict=True):
            picture = np.concatenate(pair, axis=1)  # (400, 640, 3)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()


def _frames(path: Path, start: int, stop: int) -> list[U8]:
    """Pictures of these steps; before the first and after the last one it stands still."""
    found: dict[int, U8] = {}
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if start > 0 and stream.time_base:
            container.seek(int(start / FPS / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            index = round(float(frame.time or 0.0) * FPS)
            if index >= stop:
                break
            if index >= start:
                found[index] = _side(frame.to_ndarray(format="rgb24"))
    if not found:
        raise ValueError(f"{path.name} has no picture of steps {start} to {stop}")
    first, last = min(found), max(found)
    return [found[min(max(index, first), last)] for index in range(start, stop)]


def _side(picture: U8) -> U8:
    """The policy's image above the map, (400, 320, 3), of one picture of a video."""
    height, width = TILE
    tiles = [picture[:height, left : left + width] for left in range(0, picture.shape[1], width)]
    view = cv2.resize(tiles[-2] if len(tiles) > 1 else tiles[0], VIEW_SIZE)
    cut = (height - MAP_SIZE[1] * width // MAP_SIZE[0]) // 2
    below = cv2.resize(tiles[-1][cut : height - cut], MAP_SIZE)
    return np.concatenate([view, below], axis=0).astype(np.uint8)
