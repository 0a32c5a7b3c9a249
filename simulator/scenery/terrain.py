"""Grassland under and around a town, and hills on the horizon."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy
from numpy.typing import NDArray

from simulator.scenery.drivable import CELL_M, RoadField
from simulator.scenery.ground import LAND_DROP_M
from simulator.scenery.meshes import Look, MeshBuilder
from simulator.types import F32, F64, Material, Tag

GRASS = Look(Material.GRASS, Tag.TERRAIN, (98, 116, 62))
_STRIDE = 8  # cells of the field between vertices near the town
_UNDER_ROAD_M = 0.3
_UNDERLAY_M = 1.0
_COARSE = 4  # fine squares along a coarse one
_FINE_M = 4.0  # land closer to the carriageway is fine
_SEAM_M = 0.05
_HIDDEN_M = 0.4  # squares that reach no farther from the road lie all under it
_FAR_STEP_M = 24.0
_FAR_REACH_M = 216.0
_HILL_START_M = 12.0
_HILL_RUN_M = 130.0
_HILL_M = 30.0


def near_land(field: RoadField, rng: np.random.Generator) -> MeshBuilder:
    """Grass on the field of the town, a little below roads and sidewalks."""
    builder = MeshBuilder()
    coarse_stride = _COARSE * _STRIDE
    ends = [-(-(n - 1) // coarse_stride) * coarse_stride + 1 for n in field.road.shape]
    pad = [(0, end - n) for end, n in zip(ends, field.road.shape, strict=True)]
    road = np.pad(field.road, pad, mode="edge")
    sidewalk = np.pad(field.sidewalk, pad)
    ground = np.pad(field.ground, pad, mode="edge") - np.float32(LAND_DROP_M)
    sunk = scipy.ndimage.maximum_filter(sidewalk, 5) | (road < 0.5)
    fine = _points(field, ground - np.where(sunk, _UNDER_ROAD_M, 0.0), _STRIDE)
    close = _blocks(scipy.ndimage.minimum_filter, road, coarse_stride) < _FINE_M
    close |= _bend(ground, coarse_stride) > _SEAM_M
    bare = _blocks(scipy.ndimage.maximum_filter, road, _STRIDE) > _HIDDEN_M
    _sheet(builder, fine, np.kron(close, np.ones((_COARSE, _COARSE), bool)) & bare, rng)
    _sheet(builder, _points(field, ground, coarse_stride), ~close, rng)
    # Seams between the two and slits in the road show this instead of the sky.
    deep = scipy.ndimage.minimum_filter(ground, 2 * coarse_stride + 1) - np.float32(_UNDERLAY_M)
    _sheet(builder, _points(field, deep, coarse_stride), np.ones_like(close), rng)
    return builder


def _points(field: RoadField, heights: F32, stride: int) -> F64:
    """Points of the land at every so many cells, (R, C, 3)."""
    z = heights[::stride, ::stride]
    rows, columns = (np.arange(n) * stride * CELL_M for n in z.shape)
    x, y = np.meshgrid(field.x0 + columns, field.y0 + rows)
    return np.stack([x, y, z], -1)


def _bend(ground: F32, stride: int) -> F32:
    """How far each square of the land is from flat between its corners, m."""
    grid = ground[::stride, ::stride].astype(np.float64)
    quarter = stride // _COARSE
    rows, columns = ((np.arange(0, n, quarter) / stride) for n in ground.shape)
    spread = scipy.ndimage.map_coordinates(
        grid, np.meshgrid(rows, columns, indexing="ij"), order=1, mode="nearest"
    )
    error = np.abs(spread - ground[::quarter, ::quarter]).astype(np.float32)
    return _blocks(scipy.ndimage.maximum_filter, error, _COARSE)


def _blocks(extreme: Callable[..., F32], grid: F32, stride: int) -> F32:
    """Least or greatest value in each square of stride by stride cells."""
    whole = extreme(grid, stride + 1, mode="nearest")
    middles = whole[stride // 2 :: stride, stride // 2 :: stride]
    rows, columns = (-(-n // stride) - 1 for n in grid.shape)
    return middles[:rows, :columns]


def far_land(field: RoadField, rng: np.random.Generator) -> tuple[MeshBuilder, F64]:
    """Land around the field up to the horizon, and the points of its grid, (N, 3)."""
    height, width = (np.array(field.road.shape) - 1) * CELL_M
    low = np.array([field.x0, field.y0])
    high = low + np.array([width, height])
    axes = [
        np.concatenate(
            [
                np.arange(a - _FAR_REACH_M, a - 1.0, _FAR_STEP_M),
                np.linspace(a, b, max(2, int((b - a) / _FAR_STEP_M))),
                np.arange(b + _FAR_STEP_M, b + _FAR_REACH_M + 1.0, _FAR_STEP_M),
            ]
        )
        for a, b in zip(low, high, strict=True)
    ]
    x, y = np.meshgrid(*axes)
    points = np.stack([x, y], -1)
    out = np.maximum(low - points, points - high).max(-1)
    base = field.at(field.ground, points.reshape(-1, 2)).reshape(x.shape)
    rise = np.clip((out - _HILL_START_M) / _HILL_RUN_M, 0.0, 1.0)
    rise = rise * rise * (3.0 - 2.0 * rise)
    z = base - LAND_DROP_M + rise * _HILL_M * (0.25 + 0.75 * _noise(x.shape, rng, 3.0))
    z[out <= 0.0] -= 0.15
    builder = MeshBuilder()
    grid = np.stack([x, y, z], -1)
    edge = out > 1e-6
    cells = edge[:-1, :-1] | edge[1:, :-1] | edge[:-1, 1:] | edge[1:, 1:]
    _sheet(builder, grid, cells, rng)
    far: F64 = grid[out > _HILL_START_M]
    return builder, far


def _noise(shape: tuple[int, ...], rng: np.random.Generator, sigma: float) -> F64:
    """Smooth noise from zero to one."""
    field = scipy.ndimage.gaussian_filter(rng.normal(size=shape), sigma, mode="wrap")
    spread = np.ptp(field)
    return np.asarray((field - field.min()) / (spread if spread > 0.0 else 1.0))


def _sheet(
    builder: MeshBuilder, grid: F64, cells: NDArray[np.bool_], rng: np.random.Generator
) -> None:
    """Quads between the points of a grid (R, C, 3), in the chosen cells (R - 1, C - 1)."""
    rows, columns = grid.shape[:2]
    r, c = np.nonzero(cells)
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b = index[r, c], index[r, c + 1]
    d, e = index[r + 1, c], index[r + 1, c + 1]
    faces = np.concatenate([np.stack([a, b, e], 1), np.stack([a, e, d], 1)])
    tone = _noise((rows, columns), rng, 2.0)[r, c][:, None]
    lush, dry = np.array(GRASS.color), np.array([126, 122, 74])
    paint = np.tile(lush + (dry - lush) * tone * 0.7, (2, 1))
    builder.add(grid.reshape(-1, 3), faces, GRASS, colors=paint)
