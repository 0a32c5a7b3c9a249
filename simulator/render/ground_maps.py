"""Maps seen from above: how high things stand, what the sun and the street lamps reach.

A point (x, y, z) is in the sun's shadow where z lies below the shadow height of its cell. That
one number replaces a shadow map; it is swept over the town once for each position of the sun.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulator.render.jit import kernel
from simulator.types import F32, F64, U8, Mesh, Scenery, Tag

CELL_M = 0.5
NOTHING_M = np.float32(-1000.0)
LAMP_REACH_M = 26.0
MOVING_CELLS = 512
MOVING_CELL_M = 0.25
_BLOCK = 128  # rows
_THIN_TAGS = (Tag.POLES, Tag.TRAFFIC_LIGHT, Tag.TRAFFIC_SIGNS, Tag.FENCES, Tag.GUARD_RAIL)
_GROUND_TAGS = (Tag.ROADS, Tag.SIDEWALKS, Tag.TERRAIN, Tag.GROUND, Tag.ROAD_LINES, Tag.BRIDGE)


class GroundMaps(NamedTuple):
    """Grids over the town; index is [y, x], cell (0, 0) has its corner at (x0, y0)."""

    x0: float
    y0: float
    cell: float  # m
    shadow: F32  # (Y, X) height below which the sun does not reach, m
    roof: F32  # (Y, X) mean height of the surroundings, m
    lamps: F32  # (Y, X, 4) light on the ground, light on walls, direction to it (x, y)
    moving_x0: float
    moving_y0: float
    moving: U8  # (M, M, 2) sun shadow and contact shadow of things that move, 255 = full
    moving_z: F32  # (M, M) height of the ground they stand on, m


def no_maps() -> GroundMaps:
    """Maps of nothing, for pictures without colour."""
    flat = np.zeros((2, 2), np.float32)
    moving, lamps = np.zeros((2, 2, 2), np.uint8), np.zeros((2, 2, 4), np.float32)
    return GroundMaps(0.0, 0.0, 1.0, flat, flat, lamps, 0.0, 0.0, moving, flat)


class Heights(NamedTuple):
    """Height of the top and of the ground in each cell of a town."""

    x0: float
    y0: float
    cell: float
    top: F32  # (Y, X) m
    ground: F32  # (Y, X) m


def measure_heights(scenery: Scenery, margin_m: float = 20.0) -> Heights:
    """Look down at the town and note how high it is, thin things left out."""
    meshes = [layer.mesh for layer in scenery.layers if layer.near_m == 0.0]
    filled = [mesh for mesh in meshes if len(mesh.faces)]
    if not filled:
        flat = np.full((4, 4), NOTHING_M, np.float32)
        return Heights(0.0, 0.0, CELL_M, flat, flat.copy())
    low = np.min([m.positions[:, :2].min(0) for m in filled], axis=0) - margin_m
    high = np.max([m.positions[:, :2].max(0) for m in filled], axis=0) + margin_m
    cell = CELL_M * max(1.0, float((high - low).max()) / (2048 * CELL_M))
    nx, ny = (int(n) for n in np.ceil((high - low) / cell))
    top = np.full((ny, nx), NOTHING_M, np.float32)
    ground = np.full((ny, nx), NOTHING_M, np.float32)
    for mesh in filled:
        _raise_to(mesh, ~np.isin(mesh.tags, _THIN_TAGS), top, low, cell)
        _raise_to(mesh, np.isin(mesh.tags, _GROUND_TAGS), ground, low, cell)
    return Heights(float(low[0]), float(low[1]), cell, top, ground)


def _raise_to(mesh: Mesh, chosen: np.ndarray, grid: F32, low: F64, cell: float) -> None:
    corners = mesh.positions[mesh.faces[chosen]]  # (F, 3, 3)
    flat = (corners[:, :, :2] - low.astype(np.float32)) / np.float32(cell)
    raise_grid(np.ascontiguousarray(flat, np.float32), corners[:, :, 2].copy(), grid)


@kernel
def raise_grid(points: F32, heights: F32, grid: F32) -> None:
    """Raise every cell whose centre lies in a face, and those of its corners, to its height."""
    rows, columns = grid.shape
    for f in range(len(points)):
        for c in range(3):
            i = min(max(int(points[f, c, 1]), 0), rows - 1)
            j = min(max(int(points[f, c, 0]), 0), columns - 1)
            grid[i, j] = max(grid[i, j], heights[f, c])
        ax, ay = points[f, 0, 0], points[f, 0, 1]
        bx, by = points[f, 1, 0] - ax, points[f, 1, 1] - ay
        cx, cy = points[f, 2, 0] - ax, points[f, 2, 1] - ay
        area = bx * cy - cx * by
        low_i = max(int(min(ay, ay + by, ay + cy)), 0)
        high_i = min(int(max(ay, ay + by, ay + cy)) + 1, rows)
        low_j = max(int(min(ax, ax + bx, ax + cx)), 0)
        high_j = min(int(max(ax, ax + bx, ax + cx)) + 1, columns)
        if abs(area) < 0.02:
            # A wall seen from above is a line.
            for c in range(3):
                _raise_line(points[f], heights[f], c, (c + 1) % 3, grid)
        if abs(area) < 1e-6:
            continue
        for i in range(low_i, high_i):
            for j in range(low_j, high_j):
                px = j + 0.5 - ax
                py = i + 0.5 - ay
                u = (px * cy - cx * py) / area
                v = (bx * py - px * by) / area
                if u >= -0.01 and v >= -0.01 and u + v <= 1.01:
                    z = heights[f, 0] + u * (heights[f, 1] - heights[f, 0])
                    z += v * (heights[f, 2] - heights[f, 0])
                    grid[i, j] = max(grid[i, j], np.float32(z))


@kernel
def _raise_line(points: F32, heights: F32, a: int, b: int, grid: F32) -> None:
    """Raise the cells below the edge between two corners."""
    rows, columns = grid.shape
    dx = points[b, 0] - points[a, 0]
    dy = points[b, 1] - points[a, 1]
    steps = int(2.0 * max(abs(dx), abs(dy))) + 1
    for k in range(steps + 1):
        t = k / steps
        i = min(max(int(points[a, 1] + t * dy), 0), rows - 1)
        j = min(max(int(points[a, 0] + t * dx), 0), columns - 1)
        z = heights[a] + t * (heights[b] - heights[a])
        grid[i, j] = max(grid[i, j], np.float32(z))


def sweep_shadow(heights: Heights, to_sun: F64) -> F32:
    """Height below which each cell lies in shadow, for a unit vector towards the sun."""
    rise = float(to_sun[2])
    if rise < 0.02:
        return np.full_like(heights.top, NOTHING_M)
    shadow = np.full_like(heights.top, NOTHING_M)
    _sweep(heights.top, shadow, float(to_sun[0]), float(to_sun[1]), rise, heights.cell)
    return shadow


@kernel
def _sweep(top: F32, shadow: F32, sx: float, sy: float, sz: float, cell: float) -> None:
    rows, columns = top.shape
    along_x = abs(sx) > abs(sy)
    major = sx if along_x else sy
    minor = sy if along_x else sx
    outer = columns if along_x else rows
    inner = rows if along_x else columns
    if abs(major) < 1e-4:
        return
    slope = minor / abs(major)
    drop = np.float32(cell * sz / abs(major))
    step = 1 if major > 0 else -1
    for k in range(1, outer):
        here = outer - 1 - k if step > 0 else k
        there = here + step
        for n in range(inner):
            at = n + slope
            a = int(np.floor(at))
            t = np.float32(at - a)
            if a < 0 or a + 1 >= inner:
                continue
            if along_x:
                low = max(top[a, there], shadow[a, there])
                high = max(top[a + 1, there], shadow[a + 1, there])
                shadow[n, here] = low + t * (high - low) - drop
            else:
                low = max(top[there, a], shadow[there, a])
                high = max(top[there, a + 1], shadow[there, a + 1])
                shadow[here, n] = low + t * (high - low) - drop


def mean_roof(heights: Heights, radius_m: float = 4.0) -> F32:
    """Mean height around each cell, holes counted as ground level."""
    row_count, column_count = heights.top.shape
    top = np.empty((row_count, column_count), np.float64)
    radius = max(1, round(radius_m / heights.cell))
    for start in range(0, row_count, _BLOCK):  # blocks, for the work space of a whole town is large
        rows = slice(start, start + _BLOCK)
        floor = np.where(heights.ground[rows] > NOTHING_M, heights.ground[rows], 0.0)
        top[rows] = np.where(heights.top[rows] > NOTHING_M, heights.top[rows], floor)
    roof = np.empty((row_count, column_count), np.float32)
    for start in range(0, column_count, _BLOCK):
        columns = slice(start, start + _BLOCK)
        top[:, columns] = _running_mean(top[:, columns].T, radius).T
    for start in range(0, row_count, _BLOCK):
        rows = slice(start, start + _BLOCK)
        roof[rows] = _running_mean(top[rows], radius)
    return roof


def _running_mean(rows: F64, radius: int) -> F64:
    """Mean of each value and `radius` on either side along the rows; the ends go on outside."""
    width = 2 * radius + 1
    padded = np.pad(rows, ((0, 0), (radius + 1, radius)), mode="edge")
    total = np.cumsum(padded, 1)
    return np.asarray((total[:, width:] - total[:, :-width]) / width)


def light_ground(heights: Heights, lamps: F32) -> F32:
    """Light of the street lamps over the town, (Y, X, 4); see GroundMaps."""
    light = np.zeros((*heights.top.shape, 4), np.float32)
    if len(lamps):
        _add_lamps(light, heights.ground, lamps.astype(np.float64), heights)
    return light


@kernel
def _add_lamps(light: F32, ground: F32, lamps: F64, heights: Heights) -> None:
    rows, columns = ground.shape
    reach = int(LAMP_REACH_M / heights.cell)
    for n in range(len(lamps)):
        cx = (lamps[n, 0] - heights.x0) / heights.cell
        cy = (lamps[n, 1] - heights.y0) / heights.cell
        at_i = min(max(int(cy), 0), rows - 1)
        at_j = min(max(int(cx), 0), columns - 1)
        foot = ground[at_i, at_j]
        high = lamps[n, 2] - foot if foot > NOTHING_M else 6.5
        high = min(max(high, 3.0), 14.0)
        for i in range(max(at_i - reach, 0), min(at_i + reach + 1, rows)):
            for j in range(max(at_j - reach, 0), min(at_j + reach + 1, columns)):
                dx = (cx - j - 0.5) * heights.cell
                dy = (cy - i - 0.5) * heights.cell
                flat2 = dx * dx + dy * dy
                fade = max(1.0 - flat2 / (LAMP_REACH_M * LAMP_REACH_M), 0.0)
                r2 = flat2 + high * high
                cosine = high / np.sqrt(r2)
                light[i, j, 0] += 40.0 * fade * cosine * cosine / r2
                side2 = flat2 + 9.0
                side = 26.0 * fade / (side2 + 12.0)
                light[i, j, 1] += side
                norm = 1.0 / np.sqrt(flat2 + 1.0)
                light[i, j, 2] += side * dx * norm
                light[i, j, 3] += side * dy * norm


@kernel
def stamp_moving(
    moving: U8, moving_z: F32, x0: float, y0: float, boxes: F64, sx: float, sy: float, sun: float
) -> None:
    """Draw the shadows of things that move into the map around the camera.

    Args:
        moving: (M, M, 2), cleared first.
        moving_z: (M, M).
        x0: corner of the map, m.
        y0: corner of the map, m.
        boxes: (N, 8) x, y, z of the ground, cosine and sine of yaw, half length, half width,
            height.
        sx: how far a shadow reaches along x for one metre of height.
        sy: along y.
        sun: 0 draws no sun shadow.
    """
    cells = moving.shape[0]
    for i in range(cells):
        for j in range(cells):
            moving[i, j, 0] = 0
            moving[i, j, 1] = 0
    for n in range(len(boxes)):
        bx, by, bz, c, s, hx, hy, tall = boxes[n]
        ex, ey = sx * tall, sy * tall
        reach = max(hx, hy) * 1.5 + 0.8
        low_i = max(int((by - reach + min(ey, 0.0) - y0) / MOVING_CELL_M), 0)
        high_i = min(int((by + reach + max(ey, 0.0) - y0) / MOVING_CELL_M) + 1, cells)
        low_j = max(int((bx - reach + min(ex, 0.0) - x0) / MOVING_CELL_M), 0)
        high_j = min(int((bx + reach + max(ex, 0.0) - x0) / MOVING_CELL_M) + 1, cells)
        for i in range(low_i, high_i):
            for j in range(low_j, high_j):
                px = x0 + (j + 0.5) * MOVING_CELL_M - bx
                py = y0 + (i + 0.5) * MOVING_CELL_M - by
                contact = _inside(px, py, c, s, hx, hy, 0.45)
                cast = 0.0
                if sun > 0.0:
                    for k in range(5):
                        t = k * 0.25
                        narrow = 1.0 - 0.25 * t * t
                        soft = 0.2 + 0.15 * t
                        cast = max(
                            cast,
                            _inside(px - t * ex, py - t * ey, c, s, hx * narrow, hy * narrow, soft),
                        )
                if contact > 0.0 or cast > 0.0:
                    moving[i, j, 0] = max(moving[i, j, 0], np.uint8(255.0 * cast * sun))
                    moving[i, j, 1] = max(moving[i, j, 1], np.uint8(255.0 * contact))
                    moving_z[i, j] = bz


@kernel
def _inside(px: float, py: float, c: float, s: float, hx: float, hy: float, soft: float) -> float:
    """1 within an oriented rectangle, falling to 0 over `soft` metres across its border."""
    along = abs(c * px + s * py) - hx
    across = abs(c * py - s * px) - hy
    if along >= soft or across >= soft:
        return 0.0
    outside = np.sqrt(max(along, 0.0) ** 2 + max(across, 0.0) ** 2)
    distance = outside + min(max(along, across), 0.0)
    t = min(max(0.5 - distance / (2.0 * soft), 0.0), 1.0)
    return float(t * t * (3.0 - 2.0 * t))
