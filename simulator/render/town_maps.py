"""Maps of a town from above, which follow the sun, the lamps and what moves."""

from __future__ import annotations

import numpy as np

from simulator.render.ground_maps import (
    MOVING_CELL_M,
    MOVING_CELLS,
    GroundMaps,
    light_ground,
    mean_roof,
    measure_heights,
    stamp_moving,
    sweep_shadow,
)
from simulator.render.moving import Placed, shadow_boxes
from simulator.render.raster import View
from simulator.render.weather import Light
from simulator.types import F32, Scenery


class TownMaps:
    """Keeps what changes rarely; what moves is drawn anew for each frame."""

    def __init__(self, scenery: Scenery, lamps: F32) -> None:
        self._lamps = lamps
        self._heights = measure_heights(scenery)
        self._roof = mean_roof(self._heights)
        self._lamp_map: F32 | None = None
        self._shadow_sun: tuple[float, float] | None = None
        self._shadow: F32 = np.full_like(self._heights.top, -1000.0)
        self._moving = np.zeros((MOVING_CELLS, MOVING_CELLS, 2), np.uint8)
        self._moving_z = np.zeros((MOVING_CELLS, MOVING_CELLS), np.float32)

    def rest(self) -> None:
        """Give up what can be made again in a moment."""
        self._lamp_map = None

    def at(self, light: Light, placed: list[Placed], view: View) -> GroundMaps:
        """The maps of a frame; the next call changes them."""
        sun = (light.sun_x, light.sun_y)
        if light.sun_r > 0.0 and self._shadow_sun != sun:
            to_sun = np.array([light.sun_x, light.sun_y, light.sun_z])
            self._shadow = sweep_shadow(self._heights, to_sun)
            self._shadow_sun = sun
        lamps = self._lamp_map  # once: another thread may let the town rest
        if lamps is None and light.lamp > 0.0:
            lamps = self._lamp_map = light_ground(self._heights, self._lamps)
        lamps = np.zeros((2, 2, 4), np.float32) if lamps is None else lamps
        x0, y0 = self._stamp(light, placed, view)
        h = self._heights
        return GroundMaps(
            h.x0, h.y0, h.cell, self._shadow, self._roof, lamps, x0, y0, self._moving,
            self._moving_z,
        )  # fmt: skip

    def _stamp(self, light: Light, placed: list[Placed], view: View) -> tuple[float, float]:
        """Draw the shadows of what moves around the camera; returns the corner of that map."""
        half = 0.5 * MOVING_CELLS * MOVING_CELL_M
        # The map reaches further ahead of the camera than behind it, and keeps to its grid.
        centre = view.eye[:2] + view.ray_z[:2] * np.float32(half * 0.8)
        x0, y0 = (float(np.floor(c / MOVING_CELL_M) * MOVING_CELL_M) - half for c in centre)
        climb = max(light.sun_z, 0.12)
        is_sunny = light.sun_r > 0.02 and light.sun_z > 0.02
        stamp_moving(
            self._moving,
            self._moving_z,
            x0,
            y0,
            shadow_boxes(placed),
            -light.sun_x / climb,
            -light.sun_y / climb,
            1.0 if is_sunny else 0.0,
        )
        return x0, y0
