"""Grassland under and around a town, and hills on the horizon."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from simulator.scenery.drivable import CELL_M, RoadField
from simulator.scenery.ground import LAND_DROP_M
from simulator.scenery.meshes import Look, MeshBuilder
from simulator.types import F64, Material, Tag

GRASS = Look(Material.GRASS, Tag.TERRAIN, (98, 116, 62))
_STRIDE = 8  # cells of the field between vertices near the town
_UNDER_ROAD_M = 0.25
_FAR_STEP_M = 24.0
_FAR_REACH_M = 216.0
_HILL_START_M = 12.0
_HILL_RUN_M = 130.0
_HILL_M = 30.0


def near_land(field: RoadField, rng: np.random.Generator) -> MeshBuilder:
    """Grass on the field of the town, a little below roads and sidewalks."""
    rows = np.arange(0, field.road.shape[0], _STRIDE)
    columns = np.arange(0, field.road.shape[1], _STRIDE)
    road = field.road[np.ix_(rows, columns)]
    walk = ndimage.maximum_filter(field.sidewalk, 5)[np.ix_(rows, columns)] | (road < 0.5)
    z = field.ground[np.ix_(rows, columns)] - LAND_DROP_M - np.where(walk, _UNDER_ROAD_M, 0.0)
    x, y = np.meshgrid(field.x0 + columns * CELL_M, field.y0 + rows * CELL_M)
    builder = MeshBuilder()
    hidden = road < -_STRIDE * CELL_M
    _sheet(builder, np.stack([x, y, z], -1), ~hidden, rng)
    return builder


def far_land(field: RoadField, rng: np.random.Generator) -> tuple[MeshBuilder, F64]:
    """Land around the field up to the horizon, and the points of its grid, (N, 3)."""
    height, width = (np.array(field.road.shape) - 1) * CELL_M
    low = np.array([field.x0, field.y0])
    high = low + (width, height)
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
    _sheet(builder, grid, out > -1e-6, rng)
    far: F64 = grid[out > _HILL_START_M]
    return builder, far


def _noise(shape: tuple[int, ...], rng: np.random.Generator, sigma: float) -> F64:
    """Smooth noise from zero to one."""
    field = ndimage.gaussian_filter(rng.normal(size=shape), sigma, mode="wrap")
    spread = np.ptp(field)
    return np.asarray((field - field.min()) / (spread if spread > 0.0 else 1.0))


def _sheet(
    builder: MeshBuilder, grid: F64, wanted: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    rng: np.random.Generator,
) -> None:
    """Quads between the points of a grid (R, C, 3), where any corner is wanted."""
    rows, columns = grid.shape[:2]
    cells = wanted[:-1, :-1] | wanted[1:, :-1] | wanted[:-1, 1:] | wanted[1:, 1:]
    r, c = np.nonzero(cells)
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b = index[r, c], index[r, c + 1]
    d, e = index[r + 1, c], index[r + 1, c + 1]
    faces = np.concatenate([np.stack([a, b, e], 1), np.stack([a, e, d], 1)])
    tone = _noise((rows, columns), rng, 2.0)[r, c][:, None]
    lush, dry = np.array(GRASS.color), np.array([126, 122, 74])
    paint = np.tile(lush + (dry - lush) * tone * 0.7, (2, 1))
    builder.add(grid.reshape(-1, 3), faces, GRASS, colors=paint)
