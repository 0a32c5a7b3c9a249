"""What a camera sees of a town: its rays, its projection, and how far it reaches."""

from __future__ import annotations

import numpy as np

from simulator.render.raster import View
from simulator.render.weather import Light
from simulator.types import Camera

# Fog hides what lies behind it from the eye, but tags and depth still serve a thermal camera,
# which sees some way further.
FOG_REACH_M = 150.0


def view_of(camera: Camera) -> View:
    """The view of a camera, as the kernels take it.

    Raises:
        ValueError: an image without pixels, or a field of view that cannot be drawn.
    """
    if camera.width < 1 or camera.height < 1:
        raise ValueError(
            f"expected an image of at least 1x1 pixels, got {camera.width}x{camera.height}"
        )
    if not 1.0 <= camera.fov_deg <= 170.0:
        raise ValueError(f"expected a field of view of 1 to 170 degrees, got {camera.fov_deg}")
    rotation = camera.pose.rotation_matrix()
    tan_x = float(np.tan(np.radians(camera.fov_deg) / 2.0))
    tan_y = tan_x * camera.height / camera.width
    forward, right, up = rotation.T
    return View(
        eye=np.array(camera.pose[:3], np.float32),
        to_clip=np.array([right / tan_x, up / tan_y, forward], np.float32),
        ray_x=(right * tan_x).astype(np.float32),
        ray_y=(up * tan_y).astype(np.float32),
        ray_z=forward.astype(np.float32),
        width=camera.width,
        height=camera.height,
    )


def reach_of(light: Light) -> float:
    """How far to draw, m: all that the layers allow, or some way past what fog lets through."""
    density = light.fog_per_m + light.haze_per_m
    return max(FOG_REACH_M, 5.5 / density + light.fog_start_m)
