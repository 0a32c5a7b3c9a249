"""From a raster of areas to convex polygons that share whole edges, as Detour wants them."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import cv2
import numpy as np
import scipy
from numpy.typing import NDArray

from simulator.types import F64, U8

MAX_CORNERS = 6  # DT_VERTS_PER_POLYGON
_TOLERANCE_CELLS = 0.75  # how far a straight line may leave the raster's steps
_SHORTEST_CELLS = 1.2  # borders are not cut into pieces shorter than this
_ROUNDS = 10
_CONVEX_EPS = 1e-9

I64 = NDArray[np.int64]
Point = tuple[int, int]


class PolygonSet(NamedTuple):
    """Convex polygons of one area each; neighbours share two corners."""

    corners: F64  # (V, 2) columns and rows of the raster
    rings: tuple[tuple[int, ...], ...]  # indices of corners, clockwise with x right and y up
    areas: tuple[int, ...]


def polygons_of(areas: U8) -> PolygonSet:
    """Cut a raster into polygons; cells of area 0 are left out.

    Args:
        areas: (R, C); a cell is the square around its grid point.
    """
    points, mesh = _conforming(_borders(np.pad(areas, 1)))
    if mesh is None:
        return PolygonSet(np.zeros((0, 2)), (), ())
    triangles = mesh.simplices.astype(np.int64)
    a, b, c = (points[triangles[:, k]] for k in range(3))
    middle = np.round((a + b + c) / 3.0).astype(np.int64)
    rows = np.clip(middle[:, 1], 0, areas.shape[0] - 1)
    columns = np.clip(middle[:, 0], 0, areas.shape[1] - 1)
    kinds = areas[rows, columns]
    turn = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    flip = turn > 0.0
    triangles[flip] = triangles[flip][:, ::-1]
    keep = (kinds > 0) & (np.abs(turn) > 1e-6)
    rings, found = _merge(points, triangles[keep], kinds[keep])
    return PolygonSet(points, rings, found)


def _borders(padded: U8) -> list[F64]:
    """Simplified lines between areas, open ones from branch to branch, in grid coordinates."""
    steps: dict[Point, list[Point]] = defaultdict(list)
    for row, column in np.argwhere(padded[:, 1:] != padded[:, :-1]).tolist():
        _join(steps, (column + 1, row), (column + 1, row + 1))
    for row, column in np.argwhere(padded[1:] != padded[:-1]).tolist():
        _join(steps, (column, row + 1), (column + 1, row + 1))
    lines = []
    branches = [point for point, others in steps.items() if len(others) != 2]
    for start in branches:
        while steps[start]:
            lines.append(_simple(_walk(steps, start), closed=False))
    for start in list(steps):
        if steps[start]:
            lines.append(_simple(_walk(steps, start), closed=True))
    # a corner of the padded raster lies half a cell before its cell, the padding is one cell
    return [line - 1.5 for line in lines if len(line) > 1]


def _join(steps: dict[Point, list[Point]], a: Point, b: Point) -> None:
    steps[a].append(b)
    steps[b].append(a)


def _walk(steps: dict[Point, list[Point]], start: Point) -> list[Point]:
    """Follow a border from a point to the next branch or back, and take it away."""
    line, here = [start], start
    while True:
        there = steps[here].pop()
        steps[there].remove(here)
        line.append(there)
        if there == start or len(steps[there]) != 1:
            return line
        here = there


def _simple(line: list[Point], *, closed: bool) -> F64:
    """The line with fewer points; a closed one comes with its first point again."""
    points = np.array(line[:-1] if closed else line, np.float32)
    if closed or line[0] != line[-1]:
        kept = cv2.approxPolyDP(points, _TOLERANCE_CELLS, closed)[:, 0].astype(np.float64)
    else:  # a loop from a branch to itself: both halves keep their ends
        middle = len(line) // 2
        halves = (points[: middle + 1], points[middle:])
        first, second = (cv2.approxPolyDP(h, _TOLERANCE_CELLS, False)[:, 0] for h in halves)
        kept = np.concatenate([first, second[1:]]).astype(np.float64)
    if closed:
        kept = np.concatenate([kept, kept[:1]])
    return np.asarray(kept)


def _conforming(lines: list[F64]) -> tuple[F64, scipy.spatial.Delaunay | None]:
    """A Delaunay triangulation in which every border is made of edges."""
    if not lines:
        return np.zeros((0, 2)), None
    points, numbers = np.unique(np.concatenate(lines), axis=0, return_inverse=True)
    ids = np.split(numbers.ravel(), np.cumsum([len(line) for line in lines])[:-1])
    segments = np.concatenate([np.column_stack([run[:-1], run[1:]]) for run in ids])
    mesh = scipy.spatial.Delaunay(points)
    for _ in range(_ROUNDS):
        spans = np.linalg.norm(points[segments[:, 0]] - points[segments[:, 1]], axis=1)
        known = np.isin(_keys(segments), _edge_keys(mesh.simplices))
        cut = ~known & (spans > 2.0 * _SHORTEST_CELLS)
        if not cut.any():
            break
        halved = segments[cut]
        new = len(points) + np.arange(len(halved))
        points = np.concatenate([points, points[halved].mean(1)])
        pieces = [np.column_stack([halved[:, 0], new]), np.column_stack([new, halved[:, 1]])]
        segments = np.concatenate([segments[~cut], *pieces])
        mesh = scipy.spatial.Delaunay(points)
    return points, mesh


def _keys(pairs: I64) -> I64:
    """One number for each pair of indices, whatever its order."""
    ordered = np.sort(pairs.astype(np.int64), axis=1)
    return np.asarray(ordered[:, 0] << 32 | ordered[:, 1])


def _edge_keys(triangles: NDArray[np.int32]) -> I64:
    return _keys(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]))


def _merge(
    points: F64, triangles: I64, kinds: U8
) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """Join neighbours of one area over their longest edges while they stay convex."""
    rings: list[list[int]] = triangles.tolist()
    owner = list(range(len(rings)))
    sides: dict[tuple[int, int], int] = {}
    shared: list[tuple[float, int, int, int, int]] = []
    xy = points.tolist()
    for number, ring in enumerate(rings):
        for a, b in zip(ring, ring[1:] + ring[:1], strict=True):
            other = sides.get((b, a))
            if other is not None and kinds[other] == kinds[number]:
                span = (xy[a][0] - xy[b][0]) ** 2 + (xy[a][1] - xy[b][1]) ** 2
                shared.append((-span, a, b, number, other))
            sides[a, b] = number
    for _, a, b, first, second in sorted(shared):
        one, two = _root(owner, first), _root(owner, second)
        joined = _joined(xy, rings[one], rings[two], a, b) if one != two else None
        if joined is not None:
            rings[one], owner[two] = joined, one
    kept = [n for n in range(len(rings)) if owner[n] == n]
    return tuple(tuple(rings[n]) for n in kept), tuple(int(kinds[n]) for n in kept)


def _root(owner: list[int], number: int) -> int:
    while owner[number] != number:
        number = owner[number]
    return number


def _joined(
    xy: list[list[float]], one: list[int], two: list[int], a: int, b: int
) -> list[int] | None:
    """The union of two rings that share the edge from a to b (seen from the first)."""
    if len(one) + len(two) - 2 > MAX_CORNERS:
        return None
    i, j = one.index(a), two.index(b)
    # after the shared edge: the first ring from b around to a, then the second from behind a to b
    ring = [one[(i + 1 + k) % len(one)] for k in range(len(one))]
    ring += [two[(j + 2 + k) % len(two)] for k in range(len(two) - 2)]
    count = len(ring)
    if len(set(ring)) != count:
        return None
    for k in range(count):
        (ax, ay), (bx, by), (cx, cy) = (xy[ring[(k + n) % count]] for n in range(3))
        if (bx - ax) * (cy - by) - (by - ay) * (cx - bx) > -_CONVEX_EPS:
            return None
    return ring
