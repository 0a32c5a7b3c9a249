"""Height and slope of the ground anywhere in a town."""

from __future__ import annotations

import numba
import numpy as np

from simulator.scenery.drivable import CELL_M, KERB_HEIGHT_M, RoadField
from simulator.types import F32, F64

_WHEEL_BASE_M = 2.6
_TRACK_M = 1.5
_KERB_RAMP_M = 0.3
LAND_DROP_M = 0.05  # grass lies lower than the road


class Ground:
    """Heights from a grid of half-metre cells; roads above one another are kept apart."""

    def __init__(self, low: F32, high: F32, x0: float, y0: float) -> None:
        """Take the grids, whose first cells lie at (x0, y0); see `over` for where they come from.

        Args:
            low: heights, m.
            high: those of a second road above; NaN where there is none, (1, 1) if there is none.
            x0: m.
            y0: m.
        """
        self.low = low
        self.high = high
        self.x0 = x0
        self.y0 = y0

    @classmethod
    def over(cls, field: RoadField) -> Ground:
        """The ground of a surveyed town: roads, raised sidewalks, lower grass."""
        ramp = np.clip(field.road / _KERB_RAMP_M, 0.0, 1.0)
        step = np.where(field.sidewalk, KERB_HEIGHT_M, -LAND_DROP_M)
        raised = field.ground + np.where(field.road > 0.0, ramp * step, 0.0)
        low = np.ascontiguousarray(raised, np.float32)
        high = field.upper if field.stacked else np.full((1, 1), np.nan, np.float32)
        return cls(low, high, field.x0, field.y0)

    def height(self, x: float, y: float, z_hint: float = 0.0) -> float:
        """Height in metres at a point, on the level nearest to `z_hint`."""
        return float(_height(self.low, self.high, self.x0, self.y0, x, y, z_hint))

    def heights(self, points: F64) -> F64:
        """Heights (N,) at points (N, 3), each on the level nearest to its z; m."""
        found: F64 = _heights(self.low, self.high, self.x0, self.y0, points)
        return found

    def pitch_roll(self, x: float, y: float, z_hint: float, yaw_deg: float) -> tuple[float, float]:
        """Pitch and roll in degrees, as CARLA signs them, of a car that stands there."""
        yaw = np.radians(yaw_deg)
        pitch, roll = _slope(self.low, self.high, self.x0, self.y0, x, y, z_hint, yaw)
        return float(pitch), float(roll)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _bilinear(grid: F32, x0: float, y0: float, x: float, y: float) -> float:
    column = min(max((x - x0) / CELL_M, 0.0), grid.shape[1] - 1.001)
    row = min(max((y - y0) / CELL_M, 0.0), grid.shape[0] - 1.001)
    c, r = int(column), int(row)
    u, v = column - c, row - r
    top = grid[r, c] * (1.0 - u) + grid[r, c + 1] * u
    bottom = grid[r + 1, c] * (1.0 - u) + grid[r + 1, c + 1] * u
    return float(top * (1.0 - v) + bottom * v)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _height(low: F32, high: F32, x0: float, y0: float, x: float, y: float, z: float) -> float:
    ground = _bilinear(low, x0, y0, x, y)
    if high.shape[0] > 1:
        bridge = _bilinear(high, x0, y0, x, y)
        if not np.isnan(bridge) and abs(z - bridge) < abs(z - ground):
            return float(bridge)
    return float(ground)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _heights(low: F32, high: F32, x0: float, y0: float, points: F64) -> F64:
    found = np.empty(len(points))
    for n in range(len(points)):
        found[n] = _height(low, high, x0, y0, points[n, 0], points[n, 1], points[n, 2])
    return found


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _slope(
    low: F32, high: F32, x0: float, y0: float, x: float, y: float, z: float, yaw: float
) -> tuple[float, float]:
    fx, fy = np.cos(yaw), np.sin(yaw)
    a, b = 0.5 * _WHEEL_BASE_M, 0.5 * _TRACK_M
    front = _height(low, high, x0, y0, x + a * fx, y + a * fy, z)
    rear = _height(low, high, x0, y0, x - a * fx, y - a * fy, z)
    right = _height(low, high, x0, y0, x - b * fy, y + b * fx, z)
    left = _height(low, high, x0, y0, x + b * fy, y - b * fx, z)
    pitch = np.degrees(np.arctan2(front - rear, _WHEEL_BASE_M))
    # CARLA's roll leans to the right when positive: the right side is lower.
    return pitch, np.degrees(np.arctan2(left - right, _TRACK_M))
