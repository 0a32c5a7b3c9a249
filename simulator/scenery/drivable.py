"""Rasters of a road network: distance to the carriageway, to driving lanes, and heights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import carla
import numba
import numpy as np
import scipy
from numpy.typing import NDArray

from simulator.scenery.lanes import LaneStrip, carriageways, sample_lanes
from simulator.types import F32, F64

CELL_M = 0.5
MARGIN_M = 40.0
SIDEWALK_M = 2.5  # where the map has none
KERB_HEIGHT_M = 0.15
_REACH_M = 4.0  # distances are exact up to here
_CLOSING_M = 2.5
_OVERLAP_M = 0.06  # lanes grow by this, so that neighbours leave no seam
_LEVEL_GAP_M = 2.5
_FAR_M = 1000.0
_HOLE_M2 = 30.0

Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class RoadField:
    """Grids over a town, indexed [row of y, column of x]; distances are negative inside."""

    x0: float
    y0: float
    strips: tuple[LaneStrip, ...]
    bare: F32  # signed distance to the lanes and gutters of the carriageway, m
    road: F32  # the same with the gaps inside junctions filled, m
    driving: F32  # signed distance to the driving lanes, m
    junction: F32  # distance to the lanes inside junctions, m
    sidewalk: Bool
    ground: F32  # height of the road, or of the land where there is none, m
    upper: F32  # height of a second road above the first; NaN where there is none
    stacked: bool  # whether there is any second road

    def at(self, grid: NDArray[Any], points: F64) -> F64:
        """Bilinear values at points (N, 2); the border goes on outside."""
        rows = np.clip((points[:, 1] - self.y0) / CELL_M, 0.0, grid.shape[0] - 1.001)
        columns = np.clip((points[:, 0] - self.x0) / CELL_M, 0.0, grid.shape[1] - 1.001)
        r, c = rows.astype(np.int64), columns.astype(np.int64)
        v, u = rows - r, columns - c
        low = grid[r, c] * (1.0 - u) + grid[r, c + 1] * u
        high = grid[r + 1, c] * (1.0 - u) + grid[r + 1, c + 1] * u
        return np.asarray(low * (1.0 - v) + high * v)

    def value(self, grid: NDArray[Any], x: float, y: float) -> float:
        """Bilinear value at one point."""
        row = min(max((y - self.y0) / CELL_M, 0.0), grid.shape[0] - 1.001)
        column = min(max((x - self.x0) / CELL_M, 0.0), grid.shape[1] - 1.001)
        r, c = int(row), int(column)
        v, u = row - r, column - c
        low = grid[r, c] * (1.0 - u) + grid[r, c + 1] * u
        high = grid[r + 1, c] * (1.0 - u) + grid[r + 1, c + 1] * u
        return float(low * (1.0 - v) + high * v)

    def heights(self, points: F64) -> F64:
        """Heights of the road surface at (N, 3) points, on the level nearest to their z."""
        low = self.at(self.ground, points[:, :2])
        if not self.stacked:
            return low
        high = self.at(self.upper, points[:, :2])
        above = np.nan_to_num(np.abs(points[:, 2] - high), nan=np.inf)
        return np.where(above < np.abs(points[:, 2] - low), high, low)

    def drape(self, points: F64, lift_m: float = 0.0) -> F64:
        """Points (N, 3) moved up or down onto the road surface, plus `lift_m`."""
        return np.column_stack([points[:, :2], self.heights(points) + lift_m])

    def gradient(self, points: F64) -> F64:
        """Unit vectors (N, 2) that lead away from the carriageway."""
        step = np.array([[0.6, 0.0], [0.0, 0.6]])
        slope = np.stack(
            [self.at(self.road, points + d) - self.at(self.road, points - d) for d in step], 1
        )
        return np.asarray(slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-9))


def survey(carla_map: carla.Map) -> RoadField:
    """Lay the rasters of a road network."""
    strips = sample_lanes(carla_map)
    corners = np.concatenate([strip.left[:, :2] for strip in strips])
    x0, y0 = np.floor(corners.min(0) - MARGIN_M)
    columns, rows = np.ceil((corners.max(0) + MARGIN_M - (x0, y0)) / CELL_M).astype(int) + 1
    frame = _Frame(float(x0), float(y0), (int(rows), int(columns)))

    ways = [(left, right) for left, right, _ in carriageways(strips)]
    ways += [(s.left, s.right) for s in strips if s.is_gutter]
    lanes = [s for s in strips if s.is_driving]
    driving = frame.distance([(s.left, s.right) for s in lanes], near=True)
    junction = frame.distance([(s.left, s.right) for s in lanes if s.junction])
    medians = [(s.left, s.right) for s in strips if s.kind == "median"]
    bare = frame.distance(ways, near=True)
    road = _close(bare, junction, frame.distance(medians, near=True) < 0.0)
    ground, upper = _heights(frame, ways, road)
    walks = [(s.left, s.right) for s in strips if s.kind == "sidewalk"]
    sidewalk = _sidewalk(frame.distance(walks, near=True), road)
    stacked = not bool(np.isnan(upper).all())
    return RoadField(
        frame.x0, frame.y0, strips, bare, road, driving, junction, sidewalk, ground, upper, stacked
    )


@dataclass(frozen=True)
class _Frame:
    x0: float
    y0: float
    shape: tuple[int, int]

    def distance(self, bands: list[tuple[F64, F64]], *, near: bool = False) -> F32:
        """Signed distance to the union of bands, each given by its two edges.

        Args:
            bands: left and right edges, (N, 3) each.
            near: leave out what lies beyond the reach; it is 1 km there.
        """
        grid = np.full(self.shape, _FAR_M, np.float32)
        _stamp_distance(grid, self.x0, self.y0, _quads(bands))
        outside = grid > _REACH_M - CELL_M
        if not near and not outside.all():
            grid[outside] = _metres_to(_nearest(grid > 0.0))[outside]
        return grid


def _quads(bands: list[tuple[F64, F64]]) -> F64:
    """Corners in order around each piece, (Q, 4, 3)."""
    pieces = [np.stack([a[:-1], b[:-1], b[1:], a[1:]], 1) for a, b in bands]
    return np.concatenate([np.zeros((0, 4, 3)), *pieces])


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _stamp_distance(grid: F32, x0: float, y0: float, quads: F64) -> None:
    """Lower every cell near a quad to its signed distance."""
    for q in range(len(quads)):
        c = quads[q]
        area = 0.0
        for k in range(4):
            n = (k + 1) % 4
            area += c[k, 0] * c[n, 1] - c[n, 0] * c[k, 1]
        way = 1.0 if area > 0.0 else -1.0
        lo_x = max(0, int((c[:, 0].min() - _REACH_M - x0) / CELL_M))
        hi_x = min(grid.shape[1] - 1, int((c[:, 0].max() + _REACH_M - x0) / CELL_M) + 1)
        lo_y = max(0, int((c[:, 1].min() - _REACH_M - y0) / CELL_M))
        hi_y = min(grid.shape[0] - 1, int((c[:, 1].max() + _REACH_M - y0) / CELL_M) + 1)
        for row in range(lo_y, hi_y + 1):
            y = y0 + row * CELL_M
            for column in range(lo_x, hi_x + 1):
                x = x0 + column * CELL_M
                nearest = 1e18
                aside = 1e18
                inside = True
                for k in range(4):
                    n = (k + 1) % 4
                    ex, ey = c[n, 0] - c[k, 0], c[n, 1] - c[k, 1]
                    px, py = x - c[k, 0], y - c[k, 1]
                    length = ex * ex + ey * ey
                    t = 0.0
                    if length > 1e-12:
                        t = min(1.0, max(0.0, (px * ex + py * ey) / length))
                        inside = inside and way * (ex * py - ey * px) >= 0.0
                    dx, dy = px - t * ex, py - t * ey
                    nearest = min(nearest, dx * dx + dy * dy)
                    if k % 2 == 1:
                        aside = min(aside, dx * dx + dy * dy)
                # the ends of a piece lie inside its band, so they are no border from within
                value = (-np.sqrt(aside) if inside else np.sqrt(nearest)) - _OVERLAP_M
                if value < grid[row, column]:
                    grid[row, column] = value


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _stamp_height(
    lowest: F32, total: F64, count: F64, x0: float, y0: float, quads: F64, turn: int
) -> None:
    """Collect heights of quads in three turns.

    Turn 0 finds the lowest quad over each cell, turn 1 adds up those on its level, turn 2 those
    above.
    """
    grow = CELL_M
    for q in range(len(quads)):
        c = quads[q]
        ax, ay = 0.5 * (c[0, 0] + c[1, 0]), 0.5 * (c[0, 1] + c[1, 1])
        ex = 0.5 * (c[2, 0] + c[3, 0]) - ax
        ey = 0.5 * (c[2, 1] + c[3, 1]) - ay
        length = ex * ex + ey * ey
        if length < 1e-9:
            continue
        near = 0.5 * (c[0, 2] + c[1, 2])
        far = 0.5 * (c[2, 2] + c[3, 2])
        lo_x = max(0, int((c[:, 0].min() - grow - x0) / CELL_M))
        hi_x = min(lowest.shape[1] - 1, int((c[:, 0].max() + grow - x0) / CELL_M) + 1)
        lo_y = max(0, int((c[:, 1].min() - grow - y0) / CELL_M))
        hi_y = min(lowest.shape[0] - 1, int((c[:, 1].max() + grow - y0) / CELL_M) + 1)
        half = 0.5 * max(
            np.hypot(c[0, 0] - c[1, 0], c[0, 1] - c[1, 1]),
            np.hypot(c[2, 0] - c[3, 0], c[2, 1] - c[3, 1]),
        )
        run = np.sqrt(length)
        for row in range(lo_y, hi_y + 1):
            for column in range(lo_x, hi_x + 1):
                px, py = x0 + column * CELL_M - ax, y0 + row * CELL_M - ay
                t = (px * ex + py * ey) / length
                aside = abs(px * ey - py * ex) / run
                if t * run < -grow or (t - 1.0) * run > grow or aside > half + grow:
                    continue
                z = near + (far - near) * t
                if turn == 0:
                    lowest[row, column] = min(lowest[row, column], z)
                elif (z < lowest[row, column] + _LEVEL_GAP_M) == (turn == 1):
                    total[row, column] += z
                    count[row, column] += 1.0


def _heights(frame: _Frame, bands: list[tuple[F64, F64]], road: F32) -> tuple[F32, F32]:
    quads = _quads(bands)
    lowest = np.full(frame.shape, np.inf, np.float32)
    nowhere = np.zeros((1, 1))
    _stamp_height(lowest, nowhere, nowhere, frame.x0, frame.y0, quads, 0)

    def level(turn: int) -> F64:
        total, count = np.zeros(frame.shape), np.zeros(frame.shape)
        _stamp_height(lowest, total, count, frame.x0, frame.y0, quads, turn)
        known = count > 0
        np.maximum(count, 1, out=count)
        total /= count
        total[~known] = np.nan
        return total

    upper = level(2).astype(np.float32)
    return _land(level(1), road), upper


def _land(level: F64, road: F32) -> F32:
    """Road heights carried on over the land, smoother the farther from the road."""
    known: F64 = level[tuple(_nearest(np.isnan(level)))]
    del level
    if np.ptp(known) < 1e-6:
        return known.astype(np.float32)
    coarse = known[::4, ::4]
    far = scipy.ndimage.gaussian_filter(coarse, 5.0, mode="nearest")
    stretch = np.array(known.shape) / coarse.shape
    near = scipy.ndimage.gaussian_filter(known, 1.2, mode="nearest")
    del known, coarse
    far = scipy.ndimage.zoom(far, stretch, order=1, grid_mode=True, mode="nearest")
    far -= near
    far *= np.clip((road - 5.0) / 12.0, 0.0, 1.0)
    near += far
    return np.asarray(near, np.float32)


def _nearest(outside: Bool) -> NDArray[np.int32]:
    """Row and column of the nearest cell that is not `outside`, (2, R, C)."""
    found = scipy.ndimage.distance_transform_edt(
        outside, return_distances=False, return_indices=True
    )
    return np.asarray(found, np.int32)


def _metres_to(index: NDArray[np.int32]) -> F64:
    """Distance from each cell to the one that `index` (2, R, C) names, m."""
    distance = np.empty(index.shape[1:], np.float64)
    columns = np.arange(index.shape[2], dtype=np.int32)
    for row in range(index.shape[1]):
        down, right = index[0, row] - row, index[1, row] - columns
        distance[row] = np.sqrt(down * down + right * right) * CELL_M
    return distance


def _close(road: F32, junction: F32, medians: Bool) -> F32:
    """Fill the gaps between the lanes of a junction and round its corners."""
    index = _nearest(road <= _CLOSING_M)
    raw = _metres_to(index)
    raw -= road[tuple(index)] - _CLOSING_M
    del index  # grids of a large town take 15 MB each
    filled = scipy.ndimage.gaussian_filter(np.subtract(_CLOSING_M, raw, out=raw), 0.7)
    del raw
    closed = np.where((junction < 10.0) & ~medians, np.minimum(road, filled), road)
    del filled
    labels, count = scipy.ndimage.label(closed > 0.0)
    sizes = scipy.ndimage.sum_labels(~medians, labels, np.arange(1, count + 1)) * CELL_M**2
    is_small = np.append(False, sizes < _HOLE_M2)
    closed[is_small[labels] & ~medians] = -0.3
    closed = closed.astype(np.float32)
    outside = closed > _REACH_M - CELL_M
    closed[outside] = _metres_to(_nearest(closed > 0.0))[outside]
    return closed


def _sidewalk(mapped: F32, road: F32) -> Bool:
    """The map's sidewalks, and a strip along the kerb where it has none."""
    return np.asarray(((mapped < 0.3) | (road < SIDEWALK_M)) & (road > 0.0))
