"""Traces the rim of the carriageway: where the kerbs run and how wide the sidewalk beside is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import scipy
from numpy.typing import NDArray

from simulator.scenery.drivable import CELL_M, RoadField
from simulator.types import F32, F64

_TOLERANCE_M = 0.06
_STEP_M = 5.0
_SHORTEST_M = 4.0
_WIDEST_M = 6.0
_PROBE_M = 0.25
_SMOOTHING_M = 14.0


@dataclass(frozen=True)
class Kerb:
    """A closed line around the carriageway or an island in it, without its first point again."""

    points: F64  # (N, 3) m, on the road surface
    normals: F64  # (N, 2) away from the carriageway, longer at corners so that bands keep width
    width: F64  # (N,) m of sidewalk
    along: F64  # (N,) m from the first point
    length: float  # m around
    area: float  # m^2 of the island it encloses; infinity when it encloses carriageway

    def offset(self, distance: F64 | float, lift_m: float = 0.0) -> F64:
        """The line moved away from the carriageway and up, closed: (N + 1, 3)."""
        reach = np.broadcast_to(distance, len(self.points))[:, None]
        moved = self.points + np.column_stack([self.normals * reach, np.full(len(reach), lift_m)])
        return np.concatenate([moved, moved[:1]])

    def sample(self, stations: F64) -> tuple[F64, F64, F64]:
        """Points (M, 3), unit normals (M, 2) and sidewalk widths (M,) at metres along."""
        at = np.asarray(stations) % self.length
        low = np.searchsorted(self.along, at, side="right") - 1
        high = (low + 1) % len(self.along)
        ends = np.append(self.along, self.length)
        t = ((at - ends[low]) / (ends[low + 1] - ends[low]))[:, None]
        normals = self.normals[low] * (1.0 - t) + self.normals[high] * t
        normals /= np.hypot(normals[:, 0], normals[:, 1])[:, None]
        points = self.points[low] * (1.0 - t) + self.points[high] * t
        width = self.width[low] * (1.0 - t[:, 0]) + self.width[high] * t[:, 0]
        return points, normals, width


def trace_kerbs(field: RoadField) -> tuple[Kerb, ...]:
    """All kerbs of a town, the longest first."""
    kerbs = []
    for line in contour(field.road):
        points = line * CELL_M + (field.x0, field.y0)
        if len(points) >= 4 and cv2.arcLength(points.astype(np.float32), True) > _SHORTEST_M:
            kerbs.append(_kerb(field, _even(points)))
    return tuple(sorted(kerbs, key=lambda kerb: -kerb.length))


def contour(grid: F32) -> list[F64]:
    """Closed lines of value zero as (N, 2) columns and rows; the grid's border is positive."""
    inside = grid < 0.0
    flip_x = np.argwhere(inside[:, 1:] != inside[:, :-1])
    flip_y = np.argwhere(inside[1:] != inside[:-1])
    points, index_x, index_y = _crossings(grid, flip_x, flip_y)
    links = _links(inside, index_x, index_y)
    return [points[loop] for loop in _loops(links)]


def _crossings(
    grid: F32, flip_x: NDArray[np.int64], flip_y: NDArray[np.int64]
) -> tuple[F64, NDArray[np.int64], NDArray[np.int64]]:
    """Where the edges of the cells cross zero, and each edge's number or -1."""
    (r, c), (p, q) = flip_x.T, flip_y.T
    a, b = grid[r, c].astype(np.float64), grid[r, c + 1].astype(np.float64)
    d, e = grid[p, q].astype(np.float64), grid[p + 1, q].astype(np.float64)
    points = np.concatenate(
        [np.column_stack([c + a / (a - b), r]), np.column_stack([q, p + d / (d - e)])]
    )
    index_x = np.full(grid.shape, -1, np.int64)
    index_y = np.full(grid.shape, -1, np.int64)
    index_x[r, c] = np.arange(len(r))
    index_y[p, q] = len(r) + np.arange(len(p))
    return points, index_x, index_y


def _links(
    inside: NDArray[np.bool_], index_x: NDArray[np.int64], index_y: NDArray[np.int64]
) -> dict[int, int]:
    """Which crossing follows which, with the inside on one and the same hand."""
    code = inside[:-1, :-1] * 1 + inside[:-1, 1:] * 2 + inside[1:, 1:] * 4 + inside[1:, :-1] * 8
    links: dict[int, int] = {}
    for r, c in np.argwhere((code > 0) & (code < 15)):
        edges = (index_x[r, c], index_y[r, c + 1], index_x[r + 1, c], index_y[r, c])
        for start, end in _CASES[int(code[r, c])]:
            links[int(edges[start])] = int(edges[end])
    return links


def _loops(links: dict[int, int]) -> list[list[int]]:
    loops = []
    while links:
        start, step = next(iter(links.items()))
        loop: list[int] = []
        while step in links or not loop:
            loop.append(start)
            step = links.pop(start)
            start = step
        loops.append(loop)
    return loops


def _even(points: F64) -> F64:
    """Keep corners and cut straight runs into equal pieces."""
    # approxPolyDP keeps the first point of the longest diagonal; start from the lowest corner
    first = int(np.lexsort((points[:, 1], points[:, 0]))[0])
    turned = np.roll(points, -first, axis=0)
    origin = turned[0]
    flat = cv2.approxPolyDP((turned - origin).astype(np.float32), _TOLERANCE_M, True)
    kept = flat[:, 0].astype(np.float64) + origin
    pieces = []
    for a, b in zip(kept, np.roll(kept, -1, axis=0), strict=True):
        count = max(1, int(np.ceil(np.linalg.norm(b - a) / _STEP_M)))
        pieces.append(a + (b - a) * (np.arange(count) / count)[:, None])
    return np.concatenate(pieces)


def _kerb(field: RoadField, points: F64) -> Kerb:
    normals = _normals(field, points)
    heights = field.heights(np.column_stack([points, np.zeros(len(points))]))
    steps = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)[:-1]])
    width = _smooth(_widths(field, points, normals), along, float(steps.sum()))
    width = np.minimum(width, _room(field, points, normals))
    surface = np.column_stack([points, heights])
    x, y = points.T
    enclosed = abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2.0
    shrunk = points + 0.2 * normals
    x, y = shrunk.T
    inner = abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2.0
    area = enclosed if inner < enclosed else np.inf
    return Kerb(surface, normals, width, along, float(steps.sum()), area)


def _normals(field: RoadField, points: F64) -> F64:
    ahead = np.roll(points, -1, axis=0) - points
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    across = np.column_stack([ahead[:, 1], -ahead[:, 0]])
    middle = (points + np.roll(points, -1, axis=0)) / 2.0
    sign = field.at(field.road, middle + 0.3 * across) - field.at(field.road, middle - 0.3 * across)
    across *= 1.0 if np.median(sign) > 0.0 else -1.0
    mixed = across + np.roll(across, 1, axis=0)
    mixed /= np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-9)
    mitre = np.clip((mixed * across).sum(1), 0.6, 1.0)
    return np.asarray(mixed / mitre[:, None])


def _widths(field: RoadField, points: F64, normals: F64) -> F64:
    """How far the raster of sidewalks reaches from each point."""
    reach = np.arange(_PROBE_M, _WIDEST_M, _PROBE_M)
    paved = []
    for distance in reach:
        spots = points + normals * distance
        paved.append(field.at(field.sidewalk.astype(np.float32), spots) > 0.5)
    unbroken = np.logical_and.accumulate(np.array(paved[1:]), axis=0).sum(0)
    return np.asarray(unbroken * _PROBE_M + 2 * _PROBE_M)


def _room(field: RoadField, points: F64, normals: F64) -> F64:
    """Width up to the middle between this kerb and the next across."""
    reach = np.arange(_PROBE_M, _WIDEST_M, _PROBE_M)
    free = [
        field.at(field.road, points + normals * distance) > distance - 0.45 for distance in reach
    ]
    unbroken = np.logical_and.accumulate(np.array(free), axis=0).sum(0)
    return np.asarray(unbroken * _PROBE_M + _PROBE_M)


def _smooth(width: F64, along: F64, length: float) -> F64:
    """Bridge short narrow stretches, such as junctions without a mapped sidewalk."""
    count = max(8, int(length))
    even = np.interp(
        np.arange(count) * length / count, np.append(along, length), np.append(width, width[0])
    )
    size = min(2 * int(_SMOOTHING_M) + 1, count)
    bridged = scipy.ndimage.grey_closing(even, size, mode="wrap")
    bridged = scipy.ndimage.uniform_filter1d(bridged, 3, mode="wrap")
    return np.asarray(np.interp(along, np.arange(count) * length / count, bridged, period=length))


# Edges of a cell: 0 low row, 1 high column, 2 high row, 3 low column. Corners: 1, 2, 4, 8 around.
_CASES: tuple[tuple[tuple[int, int], ...], ...] = (
    (), ((3, 0),), ((0, 1),), ((3, 1),), ((1, 2),), ((3, 0), (1, 2)), ((0, 2),), ((3, 2),),
    ((2, 3),), ((2, 0),), ((0, 1), (2, 3)), ((2, 1),), ((1, 3),), ((1, 0),), ((0, 3),), (),
)  # fmt: skip
