"""Which points of a row are shaded: one for each surface in a pixel, and the rays to them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulator.render.jit import inlined, kernel
from simulator.render.raster import I32, SAMPLE_X, SAMPLE_Y, Triangles, View
from simulator.types import F32, F64


class Points(NamedTuple):
    """The points that are shaded in one row, in the order of pixels; room for four in each."""

    pixel: I32  # (P,) column
    face: I32  # (P,) -1 for the sky
    weight: F64  # (P,) share of the pixel
    at_x: F64  # (P,) where the sample lies, pixels
    at_y: F64
    inverse_depth: F64  # (P,) 1/m, 0 for the sky
    dx: F64  # (P,) unit direction of the ray
    dy: F64
    dz: F64
    distance: F64  # (P,) m along the ray


@inlined
def same_surface(tri: Triangles, a: int, b: int) -> bool:
    """Whether two faces look alike, so that one of them can stand for both in a pixel."""
    if a == b:
        return True
    if a < 0 or b < 0 or tri.materials[a] != tri.materials[b]:
        return False
    for c in range(4):
        if tri.colors[a, c] != tri.colors[b, c]:
            return False
    dot = tri.normals[a, 0] * tri.normals[b, 0] + tri.normals[a, 1] * tri.normals[b, 1]
    dot += tri.normals[a, 2] * tri.normals[b, 2]
    return bool(abs(dot) > 0.97)


@kernel
def find_points(
    tri: Triangles, row: int, at: int, inverse_depth: F32, faces: I32, points: Points
) -> int:
    """One point for each surface that the samples of each pixel see; returns how many."""
    samples, _, width = inverse_depth.shape
    share = 1.0 / samples
    whole = 0.0
    for _ in range(samples):
        whole += share
    # Where there is but one sample, it is compared with itself.
    last = samples - 1
    a, b, c, d = faces[0, at], faces[min(1, last), at], faces[min(2, last), at], faces[last, at]
    depths = inverse_depth[0, at]
    at_y = row + 0.5 + SAMPLE_Y[0]
    count = 0
    for x in range(width):
        face = a[x]
        # Most pixels lie within one face.
        if (face == b[x]) & (face == c[x]) & (face == d[x]):
            points.pixel[count] = x
            points.face[count] = face
            points.weight[count] = whole
            points.at_x[count] = x + 0.5 + SAMPLE_X[0]
            points.at_y[count] = at_y
            points.inverse_depth[count] = depths[x] if face >= 0 else 0.0
            count += 1
        else:
            count = _split(tri, row, at, x, inverse_depth, faces, points, count)
    return count


@kernel
def _split(
    tri: Triangles,
    row: int,
    at: int,
    x: int,
    inverse_depth: F32,
    faces: I32,
    points: Points,
    count: int,
) -> int:
    """Append the points of a pixel whose samples see several faces; returns how many there are."""
    samples = inverse_depth.shape[0]
    share = 1.0 / samples
    done = 0
    for s in range(samples):
        if done >> s & 1:
            continue
        face = faces[s, at, x]
        weight = share
        for t in range(s + 1, samples):
            if not done >> t & 1 and same_surface(tri, face, faces[t, at, x]):
                weight += share
                done |= 1 << t
        points.pixel[count] = x
        points.face[count] = face
        points.weight[count] = weight
        points.at_x[count] = x + 0.5 + SAMPLE_X[s]
        points.at_y[count] = row + 0.5 + SAMPLE_Y[s]
        points.inverse_depth[count] = inverse_depth[s, at, x] if face >= 0 else 0.0
        count += 1
    return count


@kernel
def cast_rays(view: View, count: int, points: Points) -> None:
    """Directions and distances of the first `count` points."""
    to_x = 2.0 / view.width
    to_y = 2.0 / view.height
    for n in range(count):
        cx = points.at_x[n] * to_x - 1.0
        cy = 1.0 - points.at_y[n] * to_y
        dx = view.ray_z[0] + cx * view.ray_x[0] + cy * view.ray_y[0]
        dy = view.ray_z[1] + cx * view.ray_x[1] + cy * view.ray_y[1]
        dz = view.ray_z[2] + cx * view.ray_x[2] + cy * view.ray_y[2]
        length = np.sqrt(dx * dx + dy * dy + dz * dz)
        unit = 1.0 / length
        points.dx[n] = dx * unit
        points.dy[n] = dy * unit
        points.dz[n] = dz * unit
        is_sky = points.inverse_depth[n] == 0.0
        points.distance[n] = 2500.0 if is_sky else 1.0 / points.inverse_depth[n] * length
