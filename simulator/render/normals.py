"""Directions of the surfaces that a camera sees."""

from __future__ import annotations

from simulator.render.jit import kernel
from simulator.render.raster import I32, Triangles, View
from simulator.types import F32


@kernel
def normal_rows(
    tri: Triangles, view: View, row_first: int, row_last: int, faces: I32, normals: F32
) -> None:
    """Write the unit normals of rows, turned towards the camera; zero where there is sky.

    Args:
        tri: all faces.
        view: the camera.
        row_first: first row of the image.
        row_last: one past the last row.
        faces: (samples, R, W) faces seen, of which the first sample lies in the pixel's centre.
        normals: (H, W, 3) in the world.
    """
    for row in range(row_first, row_last):
        cy = 1.0 - (row + 0.5) * 2.0 / view.height
        for x in range(view.width):
            face = faces[0, row - row_first, x]
            cx = (x + 0.5) * 2.0 / view.width - 1.0
            toward = 0.0
            for a in range(3):
                n = tri.normals[face, a] if face >= 0 else 0.0
                normals[row, x, a] = n
                toward += n * (view.ray_z[a] + cx * view.ray_x[a] + cy * view.ray_y[a])
            if toward > 0.0:
                for a in range(3):
                    normals[row, x, a] = -normals[row, x, a]
