"""Deferred shading: from the faces a pixel's samples see to its colour, tag, depth, instance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulator.render.ground_maps import MOVING_CELL_M, GroundMaps
from simulator.render.jit import inlined, kernel, small
from simulator.render.points import Points, cast_rays, find_points
from simulator.render.raster import I32, Triangles, View
from simulator.render.sky import fade, fog_at, gradient, sky, transmittance
from simulator.render.surface import CAR_PAINT, GLASS, LEAF, surface
from simulator.render.weather import Light
from simulator.types import F32, F64, U8, Tag

SKY_TAG = int(Tag.SKY)
SKY_DEPTH_M = 1000.0
HIDDEN = 0.004  # share of light below which fog has swallowed a thing


class Targets(NamedTuple):
    """The buffers of one image."""

    radiance: F32  # (H, W, 3) linear
    tags: U8  # (H, W)
    depth: F32  # (H, W) m
    instances: np.ndarray  # (H, W) uint16


@small
def lookup(grid: F32, u: float, v: float) -> float:
    """Bilinear value of a map at cell coordinates, its border continued outwards."""
    rows, columns = grid.shape
    u = min(max(u, 0.0), columns - 1.001)
    v = min(max(v, 0.0), rows - 1.001)
    j = int(u)
    i = int(v)
    fu = u - j
    fv = v - i
    upper = grid[i, j] + (grid[i, j + 1] - grid[i, j]) * fu
    lower = grid[i + 1, j] + (grid[i + 1, j + 1] - grid[i + 1, j]) * fu
    return float(upper + (lower - upper) * fv)


@small
def nearest(grid: F32, u: float, v: float) -> float:
    """Value of the cell at cell coordinates; for maps that are smooth."""
    rows, columns = grid.shape
    i = int(min(max(v + 0.5, 0.0), rows - 1.0))
    return float(grid[i, int(min(max(u + 0.5, 0.0), columns - 1.0))])


@inlined
def moving_shadow(maps: GroundMaps, x: float, y: float, z: float) -> tuple[float, float]:
    """Light of the sun and of the sky that things that move leave to a point near the ground."""
    u = (x - maps.moving_x0) * (1.0 / MOVING_CELL_M) - 0.5
    v = (y - maps.moving_y0) * (1.0 / MOVING_CELL_M) - 0.5
    cells = maps.moving_z.shape[0]
    sun = 0.0
    contact = 0.0
    if 0.0 <= u < cells - 1.0 and 0.0 <= v < cells - 1.0:
        j = int(u)
        i = int(v)
        any_here = maps.moving[i, j, 0] | maps.moving[i, j, 1]
        any_here |= maps.moving[i, j + 1, 0] | maps.moving[i, j + 1, 1]
        any_here |= maps.moving[i + 1, j, 0] | maps.moving[i + 1, j, 1]
        any_here |= maps.moving[i + 1, j + 1, 0] | maps.moving[i + 1, j + 1, 1]
        if any_here != 0:
            fu = u - j
            fv = v - i
            for di in range(2):
                for dj in range(2):
                    if abs(z - maps.moving_z[i + di, j + dj]) < 0.35:
                        share = (fv if di else 1.0 - fv) * (fu if dj else 1.0 - fu) / 255.0
                        sun += share * maps.moving[i + di, j + dj, 0]
                        contact += share * maps.moving[i + di, j + dj, 1]
    return 1.0 - sun, 1.0 - 0.8 * contact


@small
def beam_light(
    beams: F64, px: float, py: float, pz: float, nx: float, ny: float, nz: float
) -> float:
    """Light of headlights on a point.

    Args:
        beams: (N, 8) position, unit direction, strength, reach in metres.
        px: world position, m; likewise `py` and `pz`.
        py: see `px`.
        pz: see `px`.
        nx: unit normal; likewise `ny` and `nz`.
        ny: see `nx`.
        nz: see `nx`.
    """
    total = 0.0
    for n in range(beams.shape[0]):
        ax = px - beams[n, 0]
        ay = py - beams[n, 1]
        az = pz - beams[n, 2]
        r2 = ax * ax + ay * ay + az * az
        if r2 > beams[n, 7] * beams[n, 7]:
            continue
        dx, dy, dz = beams[n, 3], beams[n, 4], beams[n, 5]
        ahead = ax * dx + ay * dy + az * dz
        if ahead < 0.3:
            continue
        side = (ay * dx - ax * dy) / ahead
        if side * side > 1.4:
            continue
        up = az / ahead - dz
        # A low beam: wide, brightest just below its cut-off, and very little above.
        shape = fade(side * side * 5.5)
        shape *= fade(up * up * 14.0) if up < 0.0 else fade(up * 42.0) + 0.015
        incidence = -(nx * ax + ny * ay + nz * az) / np.sqrt(r2)
        total += beams[n, 6] * shape * (0.10 + 0.90 * max(incidence, 0.0)) / (r2 + 6.0)
    return total


@inlined
def shade_point(
    tri: Triangles,
    maps: GroundMaps,
    textures: U8,
    light: Light,
    beams: F64,
    face: int,
    px: float,
    py: float,
    pz: float,
    dx: float,
    dy: float,
    dz: float,
    distance: float,
    pixel: float,
) -> tuple[float, float, float]:
    """Radiance of a face towards the camera, before fog."""
    nx = float(tri.normals[face, 0])
    ny = float(tri.normals[face, 1])
    nz = float(tri.normals[face, 2])
    facing = -(nx * dx + ny * dy + nz * dz)
    if facing < 0.0:
        nx, ny, nz, facing = -nx, -ny, -nz, -facing
    mx = dx + 2.0 * facing * nx
    my = dy + 2.0 * facing * ny
    mz = dz + 2.0 * facing * nz
    slant = 1.0 / max(facing, 0.06)
    r, g, b, gloss, own_r, own_g, own_b = surface(
        tri, textures, light, face, px, py, pz, nx, ny, nz, pixel * distance, slant, mz, facing
    )
    material = tri.materials[face]
    if material == LEAF:
        # Leaves look everywhere: turn the normal by the texture, to hide the facets below it.
        turn = (r + g + b) * 7.0
        nx += 0.9 * (turn - np.floor(turn) - 0.5)
        turn = turn * 3.7 + 0.3
        ny += 0.9 * (turn - np.floor(turn) - 0.5)
        nz += 0.35
        unit = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz)
        nx *= unit
        ny *= unit
        nz *= unit
    # Light of the sky, less where roofs or cars stand close.
    per_m = 1.0 / maps.cell
    u = (px - maps.x0) * per_m - 0.5
    v = (py - maps.y0) * per_m - 0.5
    roof = nearest(maps.roof, u + nx * 2.0 * per_m, v + ny * 2.0 * per_m)
    open_sky = 1.0 / (1.0 + 0.09 * max(roof - pz, 0.0))
    sun_left, sky_left = moving_shadow(maps, px, py, pz)
    open_sky *= sky_left
    up = 0.5 + 0.5 * nz
    sky_r = (light.zenith_r * 0.62 + light.horizon_r * 0.38) * up * open_sky
    sky_g = (light.zenith_g * 0.62 + light.horizon_g * 0.38) * up * open_sky
    sky_b = (light.zenith_b * 0.62 + light.horizon_b * 0.38) * up * open_sky
    bounce = (1.0 - up) * 0.16
    sky_r += bounce * (light.sun_r * light.sun_z + light.horizon_r)
    sky_g += bounce * (light.sun_g * light.sun_z + light.horizon_g)
    sky_b += bounce * (light.sun_b * light.sun_z * 0.9 + light.horizon_b)
    sun = nx * light.sun_x + ny * light.sun_y + nz * light.sun_z
    if material == LEAF:
        sun = 0.35 + 0.65 * sun if sun > -0.5 else 0.0
    sun = max(sun, 0.0)
    if sun > 0.0 and light.sun_r > 0.0:
        # Look a little outwards and sunwards, so that walls do not shade themselves.
        edge = lookup(
            maps.shadow,
            u + 0.75 * (nx + 1.2 * light.sun_x),
            v + 0.75 * (ny + 1.2 * light.sun_y),
        )
        edge -= pz + 0.08
        if material == LEAF:
            edge *= 0.45
        sun *= min(max(1.0 - edge / 0.55, 0.0), 1.0) * sun_left
    lit_r = sky_r + sun * light.sun_r
    lit_g = sky_g + sun * light.sun_g
    lit_b = sky_b + sun * light.sun_b
    if light.lamp > 0.0:
        lamp = lamp_light(maps, u, v, pz, nx, ny, nz) * light.lamp * 0.30 * sky_left
        lit_r += lamp
        lit_g += lamp * 0.74
        lit_b += lamp * 0.42
    if beams.shape[0] > 0:
        beam = beam_light(beams, px, py, pz, nx, ny, nz)
        lit_r += beam
        lit_g += beam * 0.96
        lit_b += beam * 0.86
    r = r * lit_r + own_r
    g = g * lit_g + own_g
    b = b * lit_b + own_b
    if gloss > 0.0:
        away = 1.0 - facing
        mirror = gloss + (0.9 - gloss) * away * away * away * away * away
        if material != GLASS and material != CAR_PAINT:
            mirror *= 0.6
        sr, sg, sb = gradient(light, mz)
        dim = mirror * (open_sky if mz > 0.0 else 0.35)
        r += sr * dim
        g += sg * dim
        b += sb * dim
        toward = mx * light.sun_x + my * light.sun_y + mz * light.sun_z
        if toward > 0.9 and sun > 0.0:
            t = (toward - 0.9) * 10.0
            t = t * t * t * t
            glint = t * t * (2.0 * mirror + 0.15) * (1.0 if sun_left > 0.5 else 0.0)
            r += light.sun_r * glint
            g += light.sun_g * glint
            b += light.sun_b * glint
    return r, g, b


@inlined
def lamp_light(
    maps: GroundMaps, u: float, v: float, pz: float, nx: float, ny: float, nz: float
) -> float:
    """Light of the street lamps on a point at cell coordinates, from the baked map."""
    rows, columns = maps.shadow.shape
    u = min(max(u, 0.0), columns - 1.001)
    v = min(max(v, 0.0), rows - 1.001)
    j = int(u)
    i = int(v)
    fu = u - j
    fv = v - i
    w00 = (1.0 - fu) * (1.0 - fv)
    w01 = fu * (1.0 - fv)
    w10 = (1.0 - fu) * fv
    w11 = fu * fv
    a, b, c, d = (
        maps.lamps[i, j],
        maps.lamps[i, j + 1],
        maps.lamps[i + 1, j],
        maps.lamps[i + 1, j + 1],
    )
    side = a[1] * w00 + b[1] * w01 + c[1] * w10 + d[1] * w11
    if side <= 0.0:
        return 0.0
    down = a[0] * w00 + b[0] * w01 + c[0] * w10 + d[0] * w11
    if nz > 0.8:
        return float(down) if pz < 12.0 else 0.0
    to_x = a[2] * w00 + b[2] * w01 + c[2] * w10 + d[2] * w11
    to_y = a[3] * w00 + b[3] * w01 + c[3] * w10 + d[3] * w11
    # Lamps shine down: little light reaches walls above them.
    high = min(max((9.0 - pz) / 5.0, 0.0), 1.0)
    wall = max(nx * to_x + ny * to_y, 0.0) + 0.15 * side
    return float(max(nz, 0.0) * down + (1.0 - abs(nz)) * wall * high)


@kernel
def shade_rows(
    tri: Triangles,
    maps: GroundMaps,
    textures: U8,
    light: Light,
    beams: F64,
    view: View,
    row_first: int,
    row_last: int,
    inverse_depth: F32,
    faces: I32,
    points: Points,
    out: Targets,
) -> None:
    """Shade rows of the image from their visibility samples (see `draw_band`).

    One loop for each kind of work, so that the compiler computes many rays at a time.
    """
    pixel = 2.0 * np.sqrt(
        view.ray_x[0] * view.ray_x[0]
        + view.ray_x[1] * view.ray_x[1]
        + view.ray_x[2] * view.ray_x[2]
    )
    pixel /= view.width
    ex, ey, ez = float(view.eye[0]), float(view.eye[1]), float(view.eye[2])
    fog = fog_at(light, ez)
    for row in range(row_first, row_last):
        count = find_points(tri, row, row - row_first, inverse_depth, faces, points)
        cast_rays(view, count, points)
        red = green = blue = 0.0
        for n in range(count):
            face = points.face[n]
            dx, dy, dz = points.dx[n], points.dy[n], points.dz[n]
            distance = points.distance[n]
            through = transmittance(
                fog, light.fog_falloff_per_m, light.fog_start_m, light.haze_per_m, dz, distance
            )
            r = g = b = 0.0
            if through > HIDDEN:
                if face < 0:
                    r, g, b = sky(light, textures, dx, dy, dz, pixel)
                    # The haze is part of the sky's own colour.
                    through = min(through / fade(light.haze_per_m * distance), 1.0)
                else:
                    px, py, pz = ex + dx * distance, ey + dy * distance, ez + dz * distance
                    r, g, b = shade_point(
                        tri, maps, textures, light, beams, face, px, py, pz, dx, dy, dz,
                        distance, pixel,
                    )  # fmt: skip
            weight = points.weight[n]
            red += weight * (r * through + light.air_r * (1.0 - through))
            green += weight * (g * through + light.air_g * (1.0 - through))
            blue += weight * (b * through + light.air_b * (1.0 - through))
            x = points.pixel[n]
            if n + 1 == count or points.pixel[n + 1] != x:
                out.radiance[row, x, 0] = red
                out.radiance[row, x, 1] = green
                out.radiance[row, x, 2] = blue
                red = green = blue = 0.0


@kernel
def label_rows(
    tri: Triangles,
    row_first: int,
    row_last: int,
    inverse_depth: F32,
    faces: I32,
    out: Targets,
) -> None:
    """Write tags, depth and instances of rows from the sample at each pixel's centre."""
    for row in range(row_first, row_last):
        at = row - row_first
        for x in range(faces.shape[2]):
            face = faces[0, at, x]
            if face < 0:
                out.tags[row, x] = SKY_TAG
                out.depth[row, x] = SKY_DEPTH_M
                out.instances[row, x] = 0
            else:
                out.tags[row, x] = tri.tags[face]
                depth = np.float32(1.0) / inverse_depth[0, at, x]
                out.depth[row, x] = min(depth, np.float32(SKY_DEPTH_M))
                out.instances[row, x] = tri.instances[face]
