"""The shapes of `world.debug`, drawn over images of RGB cameras as CARLA's cameras show them.

They are hidden by what stands before them and are in no other image. Strings and HUD shapes belong
to the server's window, which this server does not have.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.quantities import finite, pose_of
from simulator.types import F64, U8, Camera, Frame, Pose

_MOST = 20_000  # strokes; the oldest go first
_NEAR_M = 0.05
_PIECE_PX = 48.0  # longer lines are drawn in pieces, so that few pixels are looked at
_MOST_PX = 16_384.0  # from the image's middle: what is farther out is cut off before it is drawn
_EDGE_M = 5.0  # how far beside the image the middle of a wide line may lie
_DEPTH_SHARE = 1.002  # a line on a surface is not hidden by it


class Primitive(IntEnum):
    """Alternatives of `carla/rpc/DebugShape.h` that cameras see."""

    POINT = 0
    LINE = 1
    ARROW = 2
    BOX = 3


class Stroke(NamedTuple):
    """A straight piece of a shape."""

    begin: F64  # (3,) m, world
    end: F64  # (3,)
    width: float  # m; of a point, pixels
    color: tuple[int, int, int]
    is_point: bool = False


@dataclass(frozen=True)
class _Lasting:
    stroke: Stroke
    left_s: float | None  # None for ever


class DebugShapes:
    """What is to be drawn now."""

    def __init__(self) -> None:
        self._shapes: list[_Lasting] = []

    def add(self, shape: list[Any]) -> None:
        """Take a DebugShape; as in CARLA one without a life time stays."""
        (kind, values), color, life_s = shape[0], shape[1], float(shape[2])
        left_s = life_s if life_s > 0.0 else None
        r, g, b = (min(max(int(v), 0), 255) for v in color[:3])
        self._shapes += [_Lasting(s, left_s) for s in _strokes(int(kind), values, (r, g, b))]
        del self._shapes[:-_MOST]

    def clear(self) -> None:
        """Draw nothing any more."""
        self._shapes.clear()

    def now(self) -> tuple[Stroke, ...]:
        """What the cameras of this frame see."""
        return tuple(shape.stroke for shape in self._shapes)

    def advance(self, delta_s: float) -> None:
        """Let the time of a frame pass."""
        if not self._shapes:
            return
        aged = (
            shape if shape.left_s is None else replace(shape, left_s=shape.left_s - delta_s)
            for shape in self._shapes
        )
        self._shapes = [s for s in aged if s.left_s is None or s.left_s > 1e-6]


def _strokes(kind: int, values: list[Any], color: tuple[int, int, int]) -> Iterator[Stroke]:
    """The pieces of a shape; none for those that cameras do not see."""
    if kind == Primitive.POINT:
        place, (size,) = np.array(finite(values[0])), finite(values[1:2])
        yield Stroke(place, place, 100.0 * size, color, is_point=True)
    elif kind == Primitive.LINE:
        yield _line(values, color)
    elif kind == Primitive.ARROW:
        yield from _arrow(_line(values[0], color), *finite(values[1:2]))
    elif kind == Primitive.BOX:
        box, (thickness,) = values[0], finite(values[2:3])
        frame = pose_of([box[0], values[1]])
        for begin, end in _edges(np.array(finite(box[1]))):
            yield Stroke(_placed(frame, begin), _placed(frame, end), thickness, color)


def _line(values: list[Any], color: tuple[int, int, int]) -> Stroke:
    (thickness,) = finite(values[2:3])
    return Stroke(np.array(finite(values[0])), np.array(finite(values[1])), thickness, color)


def _arrow(shaft: Stroke, size_m: float) -> Iterator[Stroke]:
    """A line with four barbs at its end."""
    yield shaft
    run = shaft.end - shaft.begin
    length = float(np.linalg.norm(run))
    if length < 1e-6:
        return
    yaw = math.degrees(math.atan2(run[1], run[0]))
    pitch = math.degrees(math.asin(max(min(run[2] / length, 1.0), -1.0)))
    x, y, z = (float(v) for v in shaft.begin)
    frame = Pose(x, y, z, pitch, yaw)
    for side, rise in itertools.product((size_m, -size_m), repeat=2):
        barb = np.array([length - size_m, side, rise])
        yield shaft._replace(begin=_placed(frame, barb))


def _edges(half: F64) -> Iterator[tuple[F64, F64]]:
    """The twelve edges of a box around the origin."""
    corners = [half * signs for signs in itertools.product((-1.0, 1.0), repeat=3)]
    for i, j in itertools.combinations(range(8), 2):
        if (i ^ j).bit_count() == 1:
            yield corners[i], corners[j]


def _placed(frame: Pose, point: F64) -> F64:
    return np.array(frame[:3]) + frame.rotation_matrix() @ point


def draw_strokes(frame: Frame, camera: Camera, strokes: Sequence[Stroke]) -> U8:
    """The image with the strokes over it, (H, W, 4)."""
    image = frame.bgra.copy()
    ends = np.array([(stroke.begin, stroke.end) for stroke in strokes]) - camera.pose[:3]
    local = ends @ camera.pose.rotation_matrix()  # (N, 2, 3) forward, right, up
    for i in np.flatnonzero(_may_be_seen(local, camera)).tolist():
        seen = _before_the_lens(local[i])
        if seen is not None:
            _draw(image, frame, camera, strokes[i], seen)
    return image


def _may_be_seen(local: F64, camera: Camera) -> NDArray[np.bool_]:
    """Which lines are not as a whole on the far side of an edge of the image, (N,)."""
    wide = math.tan(math.radians(0.5 * camera.fov_deg))
    edges = (wide, wide * camera.height / camera.width)
    reach = np.maximum(local[..., :1], 0.0) * edges + _EDGE_M  # (N, 2, 2)
    seen: NDArray[np.bool_] = np.ones(len(local), bool)
    for side in (1.0, -1.0):
        seen &= ~np.any(np.all(side * local[..., 1:] > reach, axis=1), axis=1)
    return seen


def _before_the_lens(ends: F64) -> F64 | None:
    """The part of a line in front of the camera, (2, 3) forward, right, up."""
    ahead = ends[:, 0]
    if ahead.max() <= _NEAR_M:
        return None
    if ahead.min() < _NEAR_M:
        back = int(ahead.argmin())
        share = (_NEAR_M - ahead[back]) / (ahead[1 - back] - ahead[back])
        ends = ends.copy()
        ends[back] += share * (ends[1 - back] - ends[back])
    return ends


def _draw(image: U8, frame: Frame, camera: Camera, stroke: Stroke, ends: F64) -> None:
    focal = 0.5 * camera.width / math.tan(math.radians(0.5 * camera.fov_deg))
    nearness = 1.0 / ends[:, 0]  # (2,), linear along the line in the image
    middle = (0.5 * camera.width, 0.5 * camera.height)
    places = middle + focal * nearness[:, None] * ends[:, 1:] * (1.0, -1.0)  # (2, 2) pixels
    run = places[1] - places[0]
    first, last = _part_in_sight(places, run)
    count = max(math.ceil((last - first) * float(np.hypot(*run)) / _PIECE_PX), 1)
    if last <= first:
        return
    for start, stop in itertools.pairwise(np.linspace(first, last, count + 1)):
        share = np.array([start, stop])
        piece = places[0] + share[:, None] * run
        near = nearness[0] + share * (nearness[1] - nearness[0])
        half = np.full(2, 0.5 * stroke.width) if stroke.is_point else (
            0.5 * stroke.width * focal * near
        )  # fmt: skip
        _draw_piece(image, frame, piece, near, np.maximum(half, 0.5), stroke)


def _part_in_sight(places: F64, run: F64) -> tuple[float, float]:
    """Where a line enters and leaves a square far larger than any image, as shares of it."""
    low, high = 0.0, 1.0
    for axis in range(2):
        if abs(run[axis]) < 1e-9:
            if abs(places[0, axis]) > _MOST_PX:
                return 0.0, 0.0
            continue
        a, b = sorted((side - places[0, axis]) / run[axis] for side in (-_MOST_PX, _MOST_PX))
        low, high = max(low, a), min(high, b)
    return low, high


def _draw_piece(
    image: U8, frame: Frame, piece: F64, nearness: F64, half: F64, stroke: Stroke
) -> None:
    """Colour the pixels of a short piece that nothing stands before.

    Args:
        image: is changed.
        frame: what the camera sees.
        piece: (2, 2) pixels.
        nearness: (2,) 1/m along the optical axis.
        half: (2,) half widths, pixels.
        stroke: for its colour.
    """
    rows, columns = frame.depth_m.shape
    wide = float(half.max())
    left, top = np.maximum(np.floor(piece.min(axis=0) - wide), 0.0).astype(int)
    right, bottom = np.minimum(np.ceil(piece.max(axis=0) + wide), (columns, rows)).astype(int)
    if left >= right or top >= bottom:
        return
    x, y = np.meshgrid(np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5)
    run = piece[1] - piece[0]
    along = (x - piece[0, 0]) * run[0] + (y - piece[0, 1]) * run[1]
    share = np.clip(along / max(float(run @ run), 1e-12), 0.0, 1.0)
    aside_x, aside_y = x - piece[0, 0] - share * run[0], y - piece[0, 1] - share * run[1]
    if stroke.is_point:  # Unreal's points are squares
        covered = np.maximum(np.abs(aside_x), np.abs(aside_y)) <= wide
    else:
        covered = np.hypot(aside_x, aside_y) <= half[0] + share * (half[1] - half[0])
    depth = 1.0 / (nearness[0] + share * (nearness[1] - nearness[0]))
    window = (slice(top, bottom), slice(left, right))
    covered &= depth <= _DEPTH_SHARE * frame.depth_m[window]
    image[window][covered] = (*stroke.color[::-1], 255)
