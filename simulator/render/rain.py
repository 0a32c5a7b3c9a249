"""Falling rain: drops around the camera, drawn as the streaks that an exposure makes of them."""

from __future__ import annotations

import numpy as np

from simulator.render.facade import scramble
from simulator.render.jit import kernel
from simulator.render.raster import View
from simulator.render.shade import Targets
from simulator.render.weather import Light
from simulator.types import F64

DROPS = 9000  # around the camera in the heaviest rain
_BOX_M = 18.0  # side of the cube that they fill; it goes with the camera, they stay in the world
_FALL_MPS = 8.5  # terminal velocity of large drops (Gunn and Kinzer 1949: 8 to 9 m/s)
_DRIFT_MPS = 1.2
_EXPOSURE_S = 1.0 / 40.0
_WIDTH_M = 0.006  # wider than a drop is: what is nearer than the focus is blurred
_NEAREST_M = 0.8
_OPAQUE = 0.45  # at most: a drop is clear
_PERIOD_S = 3600.0  # after which the rain repeats, so that single precision stays exact enough


def add_rain(out: Targets, view: View, light: Light, focal: float, time_s: float) -> None:
    """Draw the rain of a weather into the radiance, before what it hides.

    Args:
        out: the image; `radiance` is changed, labels and depth are not.
        view: the camera.
        light: the weather's light; `rain` tells how many drops fall.
        focal: pixels.
        time_s: simulated time.
    """
    drops = round(DROPS * light.rain)
    _streaks(out, view, light, focal, time_s % _PERIOD_S, drops, np.empty((2, 3)))


@kernel
def _streaks(
    out: Targets, view: View, light: Light, focal: float, time_s: float, count: int, ends: F64
) -> None:
    height, width = out.depth.shape
    for n in range(count):
        place = scramble(n, 11, 5)
        across = (place & 0xFFFF) / 65536.0 * _BOX_M + _DRIFT_MPS * time_s
        along = (place >> 16 & 0xFFFF) / 65536.0 * _BOX_M
        up = (scramble(n, 23, 5) & 0xFFFFFF) / 16777216.0 * _BOX_M - _FALL_MPS * time_s
        half = 0.5 * _BOX_M
        x = (across - view.eye[0]) % _BOX_M - half
        y = (along - view.eye[1]) % _BOX_M - half
        z = (up - view.eye[2]) % _BOX_M - half
        in_front = True
        for end in range(2):
            ex = x - end * _DRIFT_MPS * _EXPOSURE_S
            ez = z + end * _FALL_MPS * _EXPOSURE_S
            axial = ex * view.ray_z[0] + y * view.ray_z[1] + ez * view.ray_z[2]
            if axial < _NEAREST_M:
                in_front = False
                break
            for row in range(2):
                clip = view.to_clip[row]
                ends[end, row] = (ex * clip[0] + y * clip[1] + ez * clip[2]) / axial
            ends[end, 0] = (ends[end, 0] + 1.0) * 0.5 * width - 0.5
            ends[end, 1] = (1.0 - ends[end, 1]) * 0.5 * height - 0.5
            ends[end, 2] = axial
        if in_front:
            strength = min(_WIDTH_M * focal / ends[0, 2], 1.0) * _OPAQUE
            _line(out, ends, strength, light)


@kernel
def _line(out: Targets, ends: F64, strength: float, light: Light) -> None:
    """Blend a line one pixel wide towards the sky's light where nothing is nearer.

    Args:
        out: the image.
        ends: (2, 3) column, row and distance along the axis of both ends.
        strength: share of the sky's light.
        light: the weather's light.
    """
    height, width = out.depth.shape
    dx = ends[1, 0] - ends[0, 0]
    dy = ends[1, 1] - ends[0, 1]
    steps = int(max(abs(dx), abs(dy))) + 1
    if steps > 4 * (width + height):
        return
    is_steep = abs(dy) >= abs(dx)
    for k in range(steps):
        t = (k + 0.5) / steps
        u = ends[0, 0] + dx * t
        v = ends[0, 1] + dy * t
        cross = u if is_steep else v
        base = np.floor(cross)
        # Streaks fade in and out, and cover the two pixels beside the line by its place.
        share = strength * min(4.0 * t, 4.0 * (1.0 - t), 1.0) * min(max(abs(dx), abs(dy)), 1.0)
        for side in range(2):
            j = int(base) + side if is_steep else int(np.floor(u + 0.5))
            i = int(np.floor(v + 0.5)) if is_steep else int(base) + side
            if not (0 <= i < height and 0 <= j < width) or out.depth[i, j] < ends[0, 2]:
                continue
            part = share * (1.0 - abs(cross - (base + side)))
            for c in range(3):
                air = light.air_r if c == 0 else light.air_g if c == 1 else light.air_b
                out.radiance[i, j, c] += np.float32(part * (1.15 * air - out.radiance[i, j, c]))
