"""Which land is still free: keeps things off roads, sidewalks, sightlines and one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import scipy

from simulator.scenery.drivable import CELL_M, RoadField
from simulator.scenery.kerbs import Kerb
from simulator.types import F64, U8

SIDEWALK_CLEARANCE_M = 1.5
ROAD_CLEARANCE_M = 0.85
_BUCKET_M = 8.0  # no distance asked for is longer
_FREE, _SIDEWALK, _NEAR_SIDEWALK, _TAKEN = 0, 1, 2, 3


class Rect(NamedTuple):
    """An oriented rectangle on the ground."""

    x: float
    y: float
    yaw: float  # degrees
    half_x: float
    half_y: float

    def corners(self) -> F64:
        """Corners in order, (4, 2)."""
        c, s = np.cos(np.radians(self.yaw)), np.sin(np.radians(self.yaw))
        local = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (self.half_x, self.half_y)
        turned: F64 = local @ np.array([[c, s], [-s, c]]) + (self.x, self.y)
        return turned

    def grown(self, margin_m: float) -> Rect:
        """The same rectangle, wider on all sides."""
        return self._replace(half_x=self.half_x + margin_m, half_y=self.half_y + margin_m)


class Plots:
    """Grows as things are placed; one raster over the town's field."""

    def __init__(self, field: RoadField, kerbs: Sequence[Kerb]) -> None:
        self.field = field
        walks = np.zeros(field.road.shape, np.uint8)
        for kerb in kerbs:
            inner, outer = kerb.offset(0.0)[:, :2], kerb.offset(kerb.width)[:, :2]
            for piece in np.stack([inner[:-1], outer[:-1], outer[1:], inner[1:]], 1):
                cv2.fillConvexPoly(walks, self._pixels(piece), 1)
        walked = walks.astype(bool) & (field.road > 0.0)
        paved = walked | (field.road <= 0.0)
        near = scipy.ndimage.distance_transform_edt(~paved) * CELL_M < SIDEWALK_CLEARANCE_M
        self.sidewalk = walked
        self._grid: U8 = np.where(walked, _SIDEWALK, np.where(near, _NEAR_SIDEWALK, _FREE))
        self._grid = self._grid.astype(np.uint8)
        self._grid[field.road <= 0.0] = _TAKEN
        self._items: dict[tuple[int, int], list[tuple[float, float, float]]] = {}

    def _pixels(self, points: F64) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
        return np.round((points - (self.field.x0, self.field.y0)) / CELL_M).astype(np.int32)

    def fits(self, rect: Rect) -> bool:
        """Whether nothing else lies in a rectangle, and it keeps off the sidewalks."""
        pixels = self._pixels(rect.corners())
        low, high = pixels.min(0), pixels.max(0)
        if (low < 0).any() or (high[::-1] >= self._grid.shape).any():
            return False
        window = self._grid[low[1] : high[1] + 1, low[0] : high[0] + 1]
        mask = np.zeros(window.shape, np.uint8)
        cv2.fillConvexPoly(mask, pixels - low, 1)
        return not bool((window[mask > 0] != _FREE).any())

    def is_free(self, x: float, y: float) -> bool:
        """Whether one point is free to build upon."""
        row, column = round((y - self.field.y0) / CELL_M), round((x - self.field.x0) / CELL_M)
        rows, columns = self._grid.shape
        inside = 0 <= row < rows and 0 <= column < columns
        return inside and bool(self._grid[row, column] == _FREE)

    def take(self, rect: Rect) -> None:
        """Mark a rectangle as built upon."""
        cv2.fillConvexPoly(self._grid, self._pixels(rect.corners()), _TAKEN)

    def stands(self, x: float, y: float, *, apart_m: float, on_sidewalk: bool = True) -> bool:
        """Whether something thin may stand here, `apart_m` from the others that do.

        It keeps off the driving lanes, and off the built-up land.
        """
        row, column = round((y - self.field.y0) / CELL_M), round((x - self.field.x0) / CELL_M)
        rows, columns = self._grid.shape
        if not (0 <= row < rows and 0 <= column < columns):
            return False
        if self._grid[row, column] == _TAKEN:
            return False
        if not on_sidewalk and self._grid[row, column] != _FREE:
            return False
        if self.field.value(self.field.driving, x, y) < ROAD_CLEARANCE_M:
            return False
        for near_x, near_y, reach in self._neighbours(x, y):
            if np.hypot(near_x - x, near_y - y) < max(reach, apart_m):
                return False
        return True

    def _neighbours(self, x: float, y: float) -> Iterator[tuple[float, float, float]]:
        column, row = int(x // _BUCKET_M), int(y // _BUCKET_M)
        for c in (column - 1, column, column + 1):
            for r in (row - 1, row, row + 1):
                yield from self._items.get((c, r), ())

    def put(self, x: float, y: float, *, apart_m: float = 0.0) -> None:
        """Remember something thin, so that others keep `apart_m` from it."""
        bucket = (int(x // _BUCKET_M), int(y // _BUCKET_M))
        self._items.setdefault(bucket, []).append((x, y, apart_m))

    def open_land(self, rng: np.random.Generator, count: int, road_m: float) -> F64:
        """Random free points (N <= count, 2) at least `road_m` from the road."""
        rows, columns = np.nonzero((self._grid == _FREE) & (self.field.road > road_m))
        if not len(rows):
            return np.zeros((0, 2))
        chosen = rng.choice(len(rows), min(count, len(rows)), replace=False)
        jitter = rng.uniform(-0.5, 0.5, (len(chosen), 2))
        grid = np.column_stack([columns[chosen], rows[chosen]]) + jitter
        return np.asarray(grid * CELL_M + (self.field.x0, self.field.y0))
