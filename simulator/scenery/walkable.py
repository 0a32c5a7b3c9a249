"""Raster of what walkers may step on: pavement, crossings and carriageway."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import cv2
import numpy as np
import scipy
from numpy.typing import NDArray

from simulator.scenery.drivable import CELL_M, RoadField
from simulator.types import F64, U8, Obstacle

_KERB_GAP_M = 0.45  # from the kerb; CARLA's walkers are 0.3 m in radius
_EDGE_CELLS = 1  # kept free along the back of a pavement
_BODY_M = 0.35  # kept free around poles, trunks and walls
_HEADROOM_M = 1.8
_STEP_M = 0.75  # from the end of a crossing to where the pavement begins
_CARVED_M = 25.0  # boxes beyond this distance from the carriageway do not matter
_LONELY_M2 = 60.0  # pavements this small that no crossing reaches are left out


class Area(IntEnum):
    """`carla::nav::NavAreas`, LibCarla 0.9.16."""

    BLOCK = 0
    SIDEWALK = 1
    CROSSWALK = 2
    ROAD = 3


def walkable_areas(field: RoadField, crossings: Sequence[F64], obstacles: Sequence[Obstacle]) -> U8:
    """An `Area` for each cell of the field's grid, (R, C).

    Args:
        field: rasters of the town.
        crossings: corners of the zebra crossings, (4, 2) m each.
        obstacles: boxes to walk around.
    """
    pavement = field.sidewalk & (field.road > _KERB_GAP_M)
    back = scipy.ndimage.binary_erosion(
        field.sidewalk | (field.road <= 0.0), iterations=_EDGE_CELLS
    )
    pavement &= back
    crossing = _crossing_cells(field, crossings) & ~pavement
    areas = np.zeros(field.road.shape, np.uint8)
    areas[field.road <= _KERB_GAP_M] = Area.ROAD
    areas[crossing] = Area.CROSSWALK
    areas[pavement] = Area.SIDEWALK
    areas[_blocked_cells(field, obstacles)] = Area.BLOCK
    _drop_lonely(areas)
    return areas


def _crossing_cells(field: RoadField, crossings: Sequence[F64]) -> NDArray[np.bool_]:
    """Cells of crossings, carried on over the kerb to the pavement."""
    painted = np.zeros(field.road.shape, np.uint8)
    for corners in crossings:
        _fill(painted, field, corners)
    size = 2 * int(np.ceil(_STEP_M / CELL_M)) + 1
    wide = cv2.dilate(painted, np.ones((size, size), np.uint8))
    beside_kerb = np.abs(field.road) < _STEP_M
    found = (painted > 0) | ((wide > 0) & beside_kerb)
    return np.asarray(found & (field.road <= _STEP_M))


def _fill(grid: U8, field: RoadField, corners: F64) -> None:
    cells = (corners - (field.x0, field.y0)) / CELL_M
    hull = cv2.convexHull(np.round(cells).astype(np.int32))
    cv2.fillConvexPoly(grid, hull, 1)


def _blocked_cells(field: RoadField, obstacles: Sequence[Obstacle]) -> NDArray[np.bool_]:
    """Cells that a walker cannot stand in because of a box."""
    grid = np.zeros(field.road.shape, np.uint8)
    for box in obstacles:
        place = np.array([[box.x, box.y, box.z - box.half_z]])
        if field.value(field.road, box.x, box.y) - np.hypot(box.half_x, box.half_y) > _CARVED_M:
            continue
        if box.z - box.half_z > float(field.heights(place)[0]) + _HEADROOM_M:
            continue
        _stamp(grid, field, box)
    return grid > 0


def _stamp(grid: U8, field: RoadField, box: Obstacle) -> None:
    """Mark the cells whose middle lies in a box or closer to it than a body."""
    reach = float(np.hypot(box.half_x, box.half_y)) + _BODY_M
    low = np.array([box.y - reach - field.y0, box.x - reach - field.x0]) / CELL_M
    high = np.array([box.y + reach - field.y0, box.x + reach - field.x0]) / CELL_M
    r0, c0 = np.clip(np.floor(low).astype(int), 0, np.array(grid.shape) - 1)
    r1, c1 = np.clip(np.ceil(high).astype(int) + 1, 1, np.array(grid.shape))
    y = field.y0 + np.arange(r0, r1)[:, None] * CELL_M - box.y
    x = field.x0 + np.arange(c0, c1)[None] * CELL_M - box.x
    cos, sin = np.cos(np.radians(box.yaw)), np.sin(np.radians(box.yaw))
    along = np.abs(x * cos + y * sin) - box.half_x
    across = np.abs(y * cos - x * sin) - box.half_y
    near = np.hypot(np.maximum(along, 0.0), np.maximum(across, 0.0)) < _BODY_M
    grid[r0:r1, c0:c1] |= near


def _drop_lonely(areas: U8) -> None:
    """Leave out scraps of pavement, on which a walker could only turn around."""
    on_foot = (areas == Area.SIDEWALK) | (areas == Area.CROSSWALK)
    labels, count = scipy.ndimage.label(on_foot)
    numbers = np.arange(1, count + 1)
    sizes = scipy.ndimage.sum_labels(on_foot, labels, numbers) * CELL_M**2
    crossed = scipy.ndimage.maximum(areas == Area.CROSSWALK, labels, numbers) > 0
    is_lonely = np.append(False, (sizes < _LONELY_M2) & ~np.asarray(crossed))
    areas[is_lonely[labels]] = Area.BLOCK
