"""Overlap of oriented boxes by separating axes, and the grid that finds static boxes nearby."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.physics.kernel import compiled
from simulator.types import Obstacle

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

# Columns of a box: centre, cosine and sine of the heading, half sizes, bottom, top, the distance
# from the centre to a corner in the plane, and how much of both sides a cut corner takes (m).
(BOX_CX, BOX_CY, BOX_COS, BOX_SIN, BOX_HX, BOX_HY, BOX_LOW, BOX_HIGH, BOX_RADIUS) = range(9)
BOX_CUT = 9
BOX_COLUMNS = 10
_DIAGONAL = math.sqrt(0.5)
CELL_M = 8.0
MAX_CELLS = 1_000_000


@compiled
def _reach(before: float, ax: float, ay: float, box: F64) -> float:
    """How far a box extends from its centre along a unit axis, added to what was there before."""
    along = abs(box[BOX_COS] * ax + box[BOX_SIN] * ay)
    across = abs(box[BOX_COS] * ay - box[BOX_SIN] * ax)
    corner = before + box[BOX_HX] * along + box[BOX_HY] * across
    return float(corner - box[BOX_CUT] * min(along, across))


@compiled
def _separate(ax: float, ay: float, a: F64, b: F64, hit: F64) -> bool:
    """Whether a unit axis separates two boxes; `hit` keeps the axis of the least overlap."""
    apart = (b[BOX_CX] - a[BOX_CX]) * ax + (b[BOX_CY] - a[BOX_CY]) * ay
    depth = _reach(_reach(0.0, ax, ay, a), ax, ay, b) - abs(apart)
    if depth <= 0.0:
        return True
    if depth < hit[2]:
        side = 1.0 if apart >= 0.0 else -1.0
        hit[0], hit[1], hit[2] = ax * side, ay * side, depth
    return False


@compiled
def _separate_diagonally(box: F64, a: F64, b: F64, hit: F64) -> bool:
    """Whether an axis across a cut corner of one box separates the two."""
    if box[BOX_CUT] == 0.0:
        return False
    cos, sin = box[BOX_COS] * _DIAGONAL, box[BOX_SIN] * _DIAGONAL
    return _separate(cos - sin, sin + cos, a, b, hit) or _separate(cos + sin, sin - cos, a, b, hit)


@compiled
def _inside_corners(a: F64, b: F64, sums: tuple[float, float, float]) -> tuple[float, float, float]:
    """Sums (x, y, count) with the corners of `a` that lie in `b` added."""
    sum_x, sum_y, count = sums
    for i in (-1.0, 1.0):
        for j in (-1.0, 1.0):
            x = a[BOX_CX] + i * a[BOX_HX] * a[BOX_COS] - j * a[BOX_HY] * a[BOX_SIN]
            y = a[BOX_CY] + i * a[BOX_HX] * a[BOX_SIN] + j * a[BOX_HY] * a[BOX_COS]
            dx, dy = x - b[BOX_CX], y - b[BOX_CY]
            along = abs(dx * b[BOX_COS] + dy * b[BOX_SIN])
            across = abs(dy * b[BOX_COS] - dx * b[BOX_SIN])
            if along <= b[BOX_HX] + 1e-9 and across <= b[BOX_HY] + 1e-9:
                sum_x += x
                sum_y += y
                count += 1.0
    return sum_x, sum_y, count


@compiled
def touch(a: F64, b: F64, hit: F64) -> bool:
    """Test two boxes; `hit` gets normal x, y (from a to b), depth, contact point x, y."""
    if a[BOX_LOW] >= b[BOX_HIGH] or b[BOX_LOW] >= a[BOX_HIGH]:
        return False
    dx, dy = b[BOX_CX] - a[BOX_CX], b[BOX_CY] - a[BOX_CY]
    if math.hypot(dx, dy) > a[BOX_RADIUS] + b[BOX_RADIUS]:
        return False
    hit[2] = 1e9
    for axis in range(4):
        box = a if axis < 2 else b
        ax, ay = box[BOX_COS], box[BOX_SIN]
        if axis % 2 == 1:
            ax, ay = -ay, ax
        if _separate(ax, ay, a, b, hit):
            return False
    if _separate_diagonally(a, a, b, hit) or _separate_diagonally(b, a, b, hit):
        return False
    sum_x, sum_y, count = _inside_corners(b, a, _inside_corners(a, b, (0.0, 0.0, 0.0)))
    if count > 0.0:
        hit[3], hit[4] = sum_x / count, sum_y / count
    else:  # a cross: the middle of the smaller box's core
        small = a if a[BOX_RADIUS] < b[BOX_RADIUS] else b
        hit[3], hit[4] = small[BOX_CX], small[BOX_CY]
    return True


class Grid(NamedTuple):
    """Static boxes, and for each square cell the boxes that reach into it (CSR layout)."""

    boxes: F64  # (M, BOX_COLUMNS)
    origin: F64  # (3,) x, y of the corner and the size of a cell, m
    shape: I64  # (2,) cells along x and y
    starts: I64  # (cells + 1,)
    items: I64  # (starts[-1],) box indices, ascending within a cell


def _boxes_of(obstacles: Sequence[Obstacle]) -> F64:
    raw = np.array([tuple(o)[:7] for o in obstacles], dtype=np.float64).reshape(-1, 7)
    yaw = np.radians(raw[:, 3])
    low, high = raw[:, 2] - raw[:, 6], raw[:, 2] + raw[:, 6]
    across = np.hypot(raw[:, 4], raw[:, 5])
    flat = (*raw[:, :2].T, np.cos(yaw), np.sin(yaw), *raw[:, 4:6].T, low, high, across)
    columns = (*flat, np.zeros(len(raw)))
    return np.ascontiguousarray(np.stack(columns, axis=1))


def build_grid(obstacles: Sequence[Obstacle]) -> Grid:
    """Sort obstacles into cells by the rectangle around each."""
    boxes = _boxes_of(obstacles)
    if not len(boxes):
        no_items = np.zeros(0, np.int64)
        return Grid(boxes, np.array([0.0, 0.0, CELL_M]), np.zeros(2, np.int64), no_items, no_items)
    c, s = np.abs(boxes[:, BOX_COS]), np.abs(boxes[:, BOX_SIN])
    reach_x = c * boxes[:, BOX_HX] + s * boxes[:, BOX_HY]
    reach_y = s * boxes[:, BOX_HX] + c * boxes[:, BOX_HY]
    low = np.stack([boxes[:, BOX_CX] - reach_x, boxes[:, BOX_CY] - reach_y], axis=1)
    high = np.stack([boxes[:, BOX_CX] + reach_x, boxes[:, BOX_CY] + reach_y], axis=1)
    corner, size = low.min(axis=0), high.max(axis=0) - low.min(axis=0)
    cell = max(CELL_M, float(np.sqrt(size.prod() / MAX_CELLS)))
    shape = np.floor(size / cell).astype(np.int64) + 1
    first = np.floor((low - corner) / cell).astype(np.int64)
    last = np.floor((high - corner) / cell).astype(np.int64)
    cells: list[list[int]] = [[] for _ in range(int(shape.prod()))]
    for index, (a, b) in enumerate(zip(first, last, strict=True)):
        for i in range(a[0], b[0] + 1):
            for j in range(a[1], b[1] + 1):
                cells[i * int(shape[1]) + j].append(index)
    starts = np.cumsum([0, *(len(c) for c in cells)]).astype(np.int64)
    items = np.array([i for c in cells for i in c], dtype=np.int64)
    return Grid(boxes, np.array([*corner, cell]), shape, starts, items)


@compiled
def _cell_range(low: float, high: float, origin: float, cell: float, count: int) -> tuple[int, int]:
    first = max(math.floor((low - origin) / cell), 0)
    return first, min(math.floor((high - origin) / cell), count - 1)


@compiled
def near_boxes(grid: Grid, x: float, y: float, reach: float, stamps: I64, stamp: int) -> I64:
    """Indices of static boxes whose cells a square of half size `reach` touches.

    Args:
        grid: the static boxes.
        x: centre of the square, m.
        y: centre of the square, m.
        reach: half its size, m.
        stamps: one number per box, to list no box twice.
        stamp: a number that `stamps` does not hold yet.
    """
    cell = grid.origin[2]
    i0, i1 = _cell_range(x - reach, x + reach, grid.origin[0], cell, grid.shape[0])
    j0, j1 = _cell_range(y - reach, y + reach, grid.origin[1], cell, grid.shape[1])
    count = 0
    for i in range(i0, i1 + 1):
        row = i * grid.shape[1]
        count += max(grid.starts[row + j1 + 1] - grid.starts[row + j0], 0) if j1 >= j0 else 0
    found = np.empty(count, np.int64)
    count = 0
    for i in range(i0, i1 + 1):
        for j in range(j0, j1 + 1):
            at = i * grid.shape[1] + j
            for item in grid.items[grid.starts[at] : grid.starts[at + 1]]:
                if stamps[item] != stamp:
                    stamps[item] = stamp
                    box = grid.boxes[item]
                    gap = math.hypot(box[BOX_CX] - x, box[BOX_CY] - y)
                    if gap <= reach * 1.4143 + box[BOX_RADIUS]:
                        found[count] = item
                        count += 1
    return found[:count]
