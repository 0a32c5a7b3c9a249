"""The visibility pass: triangles to screen, binned by bands of rows, then nearest face per sample.

A face is projected, clipped at the near plane and written as a record of its three screen points
sorted by row plus the plane of inverse depth. Edges shared by two faces give the same columns to
the bit, so that neither cracks nor overlaps appear and the result does not depend on threads.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.render.jit import inlined, kernel
from simulator.render.occlusion import REFRESHED, find_farthest, is_hidden
from simulator.types import F32, U8

I32 = NDArray[np.int32]

NEAR_M = np.float32(0.08)
RECORD_FLOATS = 9
# Where each of the four samples of a pixel lies, from the pixel's centre. The first one is the
# centre: tags, depth and instances come from it alone, so they do not change with the others.
SAMPLE_X = np.array([0.0, -0.36, 0.24, 0.12], np.float32)
SAMPLE_Y = np.array([0.0, 0.12, 0.36, -0.36], np.float32)


class Triangles(NamedTuple):
    """Faces in world coordinates, first those that stand still, then those that move."""

    corners: F32  # (F, 9) m
    normals: F32  # (F, 3) unit
    uvs: F32  # (F, 6)
    colors: U8  # (F, 4) sRGB albedo and glow
    materials: U8  # (F,)
    tags: U8  # (F,)
    instances: NDArray[np.uint16]  # (F,)


class View(NamedTuple):
    """A pinhole camera as the kernels take it."""

    eye: F32  # (3,) m
    to_clip: F32  # (3, 3) rows: right and up, scaled to reach one at the border, and forward
    ray_x: F32  # (3,) step of the viewing ray from centre to right border
    ray_y: F32  # (3,) from centre to upper border
    ray_z: F32  # (3,) forward
    width: int
    height: int


@kernel
def _emit(
    records: F32,
    owners: I32,
    n: int,
    face: int,
    half_w: np.float32,
    half_h: np.float32,
    xa: float,
    ya: float,
    wa: float,
    xb: float,
    yb: float,
    wb: float,
    xc: float,
    yc: float,
    wc: float,
) -> int:
    """Write the record of the triangle a, b, c (clip space) unless no sample can lie in it."""
    one = np.float32(1.0)
    i0 = one / wa
    i1 = one / wb
    i2 = one / wc
    y0 = (one - ya * i0) * half_h
    y1 = (one - yb * i1) * half_h
    y2 = (one - yc * i2) * half_h
    # Samples lie within 0.36 of a pixel's centre.
    high = max(y0, y1, y2)
    low = min(y0, y1, y2)
    if np.floor(high - np.float32(0.14)) < np.ceil(low - np.float32(0.86)):
        return n
    x0 = (xa * i0 + one) * half_w
    x1 = (xb * i1 + one) * half_w
    x2 = (xc * i2 + one) * half_w
    right = max(x0, x1, x2)
    left = min(x0, x1, x2)
    if np.floor(right - np.float32(0.14)) < np.ceil(left - np.float32(0.86)):
        return n
    if high - low < one and right - left < one:
        # Most faces far away are smaller than a pixel and lie between its samples.
        hit = False
        for s in range(4):
            oy = np.float32(0.5) + SAMPLE_Y[s]
            if np.floor(high - oy) >= np.ceil(low - oy):
                ox = np.float32(0.5) + SAMPLE_X[s]
                if np.floor(right - ox) >= np.ceil(left - ox):
                    hit = True
        if not hit:
            return n
    if y1 < y0:
        x0, y0, i0, x1, y1, i1 = x1, y1, i1, x0, y0, i0
    if y2 < y0:
        x0, y0, i0, x2, y2, i2 = x2, y2, i2, x0, y0, i0
    if y2 < y1:
        x1, y1, i1, x2, y2, i2 = x2, y2, i2, x1, y1, i1
    ax = np.float64(x1) - np.float64(x0)
    ay = np.float64(y1) - np.float64(y0)
    bx = np.float64(x2) - np.float64(x0)
    by = np.float64(y2) - np.float64(y0)
    area = ax * by - bx * ay
    if abs(area) < 1e-9:
        return n
    area = 1.0 / area
    da = np.float64(i1) - np.float64(i0)
    db = np.float64(i2) - np.float64(i0)
    records[n, 0] = x0
    records[n, 1] = y0
    records[n, 2] = x1
    records[n, 3] = y1
    records[n, 4] = x2
    records[n, 5] = y2
    records[n, 6] = np.float32((da * by - db * ay) * area)
    records[n, 7] = np.float32((ax * db - bx * da) * area)
    records[n, 8] = i0
    owners[n] = face
    return n + 1


@kernel
def set_up(
    corners: F32,
    starts: I32,
    stops: I32,
    first: int,
    last: int,
    view: View,
    records: F32,
    owners: I32,
    polygon: F32,
) -> int:
    """Project faces number `first` to `last` of the listed ranges; returns how many records.

    Args:
        corners: (F, 9) of all faces.
        starts: (R,) where ranges of faces to draw start.
        stops: (R,) where they stop.
        first: of the faces in all ranges, counted through.
        last: one past the last.
        view: the camera.
        records: (N, 9) to write into, twice as many as faces.
        owners: (N,) face of each record.
        polygon: (4, 3) scratch.
    """
    n = 0
    seen = 0
    half_w = np.float32(view.width) * np.float32(0.5)
    half_h = np.float32(view.height) * np.float32(0.5)
    to_clip = view.to_clip
    m00, m01, m02 = to_clip[0, 0], to_clip[0, 1], to_clip[0, 2]
    m10, m11, m12 = to_clip[1, 0], to_clip[1, 1], to_clip[1, 2]
    m20, m21, m22 = to_clip[2, 0], to_clip[2, 1], to_clip[2, 2]
    ex, ey, ez = view.eye[0], view.eye[1], view.eye[2]
    for q in range(len(starts)):
        size = stops[q] - starts[q]
        low = max(first - seen, 0)
        high = min(last - seen, size)
        seen += size
        for face in range(starts[q] + low, starts[q] + high):
            x, y, z = corners[face, 0] - ex, corners[face, 1] - ey, corners[face, 2] - ez
            wa = m20 * x + m21 * y + m22 * z
            xa = m00 * x + m01 * y + m02 * z
            ya = m10 * x + m11 * y + m12 * z
            x, y, z = corners[face, 3] - ex, corners[face, 4] - ey, corners[face, 5] - ez
            wb = m20 * x + m21 * y + m22 * z
            xb = m00 * x + m01 * y + m02 * z
            yb = m10 * x + m11 * y + m12 * z
            x, y, z = corners[face, 6] - ex, corners[face, 7] - ey, corners[face, 8] - ez
            wc = m20 * x + m21 * y + m22 * z
            xc = m00 * x + m01 * y + m02 * z
            yc = m10 * x + m11 * y + m12 * z
            if (
                (wa < NEAR_M and wb < NEAR_M and wc < NEAR_M)
                or (xa > wa and xb > wb and xc > wc)
                or (xa < -wa and xb < -wb and xc < -wc)
                or (ya > wa and yb > wb and yc > wc)
                or (ya < -wa and yb < -wb and yc < -wc)
            ):
                continue
            if wa >= NEAR_M and wb >= NEAR_M and wc >= NEAR_M:
                n = _emit(
                    records, owners, n, face, half_w, half_h, xa, ya, wa, xb, yb, wb, xc, yc, wc
                )
                continue
            count = _clip_edge(polygon, 0, xa, ya, wa, xb, yb, wb)
            count = _clip_edge(polygon, count, xb, yb, wb, xc, yc, wc)
            count = _clip_edge(polygon, count, xc, yc, wc, xa, ya, wa)
            xa, ya, wa = polygon[0, 0], polygon[0, 1], polygon[0, 2]
            for v in range(1, count - 1):
                xb, yb, wb = polygon[v, 0], polygon[v, 1], polygon[v, 2]
                xc, yc, wc = polygon[v + 1, 0], polygon[v + 1, 1], polygon[v + 1, 2]
                n = _emit(
                    records, owners, n, face, half_w, half_h, xa, ya, wa, xb, yb, wb, xc, yc, wc
                )
    return n


@kernel
def _clip_edge(
    polygon: F32, count: int, xa: float, ya: float, wa: float, xb: float, yb: float, wb: float
) -> int:
    """Append point a if it lies before the near plane, and where edge a-b crosses the plane."""
    a_inside = wa >= NEAR_M
    if a_inside:
        polygon[count, 0] = xa
        polygon[count, 1] = ya
        polygon[count, 2] = wa
        count += 1
    if a_inside != (wb >= NEAR_M):
        # Always from the outer to the inner end, so that both faces of an edge agree.
        if a_inside:
            xa, ya, wa, xb, yb, wb = xb, yb, wb, xa, ya, wa
        t = (NEAR_M - wa) / (wb - wa)
        polygon[count, 0] = xa + t * (xb - xa)
        polygon[count, 1] = ya + t * (yb - ya)
        polygon[count, 2] = NEAR_M
        count += 1
    return count


@kernel
def bin_records(
    records: F32, count: int, band_rows: int, height: int, begin: I32, place: I32, items: I32
) -> int:
    """Sort records by the bands they touch.

    Args:
        records: (N, 9), the first `count` are set.
        count: number of records.
        band_rows: rows in each band.
        height: rows of the image.
        begin: (B + 1,) is set to where each band's items begin.
        place: (B + 1,) scratch.
        items: set to indices of records, nearest chunk first within a band.

    Returns:
        How many items there are; `items` is left alone if it is too short for them.
    """
    for band in range(len(begin)):
        begin[band] = 0
    for n in range(count):
        a, b = _bands_of(records[n, 1], records[n, 5], band_rows, height)
        for band in range(a, b + 1):
            begin[band + 1] += 1
    for band in range(len(begin) - 1):
        begin[band + 1] += begin[band]
    total = begin[len(begin) - 1]
    if total > len(items):
        return int(total)
    for band in range(len(begin)):
        place[band] = begin[band]
    for n in range(count):
        a, b = _bands_of(records[n, 1], records[n, 5], band_rows, height)
        for band in range(a, b + 1):
            items[place[band]] = n
            place[band] += 1
    return int(total)


@kernel
def _bands_of(top: float, bottom: float, band_rows: int, height: int) -> tuple[int, int]:
    """First and last band a record between two rows touches."""
    last = np.float32(height - 1)
    low = min(max(top - np.float32(0.9), np.float32(0.0)), last)
    high = min(max(bottom + np.float32(0.9), np.float32(0.0)), last)
    return int(low) // band_rows, int(high) // band_rows


@kernel
def draw_band(
    records: F32,
    owners: I32,
    slices: I32,
    begin: I32,
    items: I32,
    band: int,
    row_first: int,
    row_last: int,
    inverse_depth: F32,
    faces: I32,
    lowest: F32,
    tiles: F32,
) -> None:
    """Draw the records of one band of rows, keeping the nearest face of every sample.

    Args:
        records: (N, 9) of all slices.
        owners: (N,) face of each record.
        slices: (S,) first record of each slice.
        begin: (S, B + 1) where each band's items begin.
        items: (S, I) records by band, counted from the slice's first.
        band: which band.
        row_first: its first image row.
        row_last: one past its last image row.
        inverse_depth: (samples, R, W) set to the nearest, 1/m, 0 for nothing.
        faces: (samples, R, W) set to the face seen, -1 for nothing.
        lowest: (W,) scratch of `find_farthest`.
        tiles: (ceil(W / TILE),) scratch of it.
    """
    samples, rows, width = inverse_depth.shape
    for n in range(len(tiles)):
        tiles[n] = np.float32(0.0)
    for s in range(samples):
        for r in range(rows):
            for c in range(width):
                inverse_depth[s, r, c] = np.float32(0.0)
                faces[s, r, c] = -1
    for k in range(len(slices)):
        if k in REFRESHED:
            find_farthest(inverse_depth, row_last - row_first, lowest, tiles)
        for n in range(begin[k, band], begin[k, band + 1]):
            t = slices[k] + items[k, n]
            if not is_hidden(records, t, width, tiles):
                _draw_record(records, t, owners[t], row_first, row_last, inverse_depth, faces)


@inlined
def _draw_record(
    records: F32,
    t: int,
    face: int,
    row_first: int,
    row_last: int,
    inverse_depth: F32,
    faces: I32,
) -> None:
    width = inverse_depth.shape[2]
    wide = np.float32(width)
    half = np.float32(0.5)
    zero = np.float32(0.0)
    x0, y0 = records[t, 0], records[t, 1]
    x1, y1 = records[t, 2], records[t, 3]
    x2, y2 = records[t, 4], records[t, 5]
    zx, zy, z0 = records[t, 6], records[t, 7], records[t, 8]
    long = (x2 - x0) / (y2 - y0)
    upper = (x1 - x0) / (y1 - y0) if y1 > y0 else zero
    lower = (x2 - x1) / (y2 - y1) if y2 > y1 else zero
    for s in range(inverse_depth.shape[0]):
        ox = half + SAMPLE_X[s]
        oy = half + SAMPLE_Y[s]
        top = max(int(np.ceil(max(y0 - oy, np.float32(-1.0)))), row_first)
        bottom = min(int(np.ceil(min(y2 - oy, np.float32(row_last)))), row_last)
        for row in range(top, bottom):
            y = np.float32(row) + oy
            xa = x0 + (y - y0) * long
            xb = x0 + (y - y0) * upper if y < y1 else x1 + (y - y1) * lower
            if xa > xb:
                xa, xb = xb, xa
            left = int(np.ceil(min(max(xa - ox, zero), wide)))
            right = int(np.ceil(min(max(xb - ox, zero), wide)))
            z = z0 + zy * (y - y0) + zx * (np.float32(left) + ox - x0)
            depths = inverse_depth[s, row - row_first]
            seen = faces[s, row - row_first]
            # Unsigned indices and stores without a branch let the compiler use wide registers.
            for c in range(np.uint32(left), np.uint32(right)):
                here = z + zx * np.float32(np.int32(c) - left)
                is_nearer = here > depths[c]
                depths[c] = here if is_nearer else depths[c]
                seen[c] = face if is_nearer else seen[c]
