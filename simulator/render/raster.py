"""The visibility pass: triangles to screen, binned by bands of rows, then nearest face per sample.

A face is projected, clipped at the near plane and written as a record of its three screen points
sorted by row plus the plane of inverse depth. Edges shared by two faces give the same columns to
the bit, so that neither cracks nor overlaps appear and the result does not depend on threads.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.render.jit import kernel
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
    records: F32, owners: I32, n: int, face: int, width: int, height: int, p: F32, i: int, j: int
) -> int:
    """Write the record of points 0, i, j of polygon `p` unless no sample can lie in it."""
    half_w = np.float32(width * 0.5)
    half_h = np.float32(height * 0.5)
    one = np.float32(1.0)
    i0 = one / p[0, 2]
    i1 = one / p[i, 2]
    i2 = one / p[j, 2]
    x0 = (p[0, 0] * i0 + one) * half_w
    y0 = (one - p[0, 1] * i0) * half_h
    x1 = (p[i, 0] * i1 + one) * half_w
    y1 = (one - p[i, 1] * i1) * half_h
    x2 = (p[j, 0] * i2 + one) * half_w
    y2 = (one - p[j, 1] * i2) * half_h
    if y1 < y0:
        x0, y0, i0, x1, y1, i1 = x1, y1, i1, x0, y0, i0
    if y2 < y0:
        x0, y0, i0, x2, y2, i2 = x2, y2, i2, x0, y0, i0
    if y2 < y1:
        x1, y1, i1, x2, y2, i2 = x2, y2, i2, x1, y1, i1
    # Samples lie within 0.36 of a pixel's centre.
    low = min(x0, x1, x2)
    high = max(x0, x1, x2)
    if np.floor(high - np.float32(0.14)) < np.ceil(low - np.float32(0.86)):
        return n
    if np.floor(y2 - np.float32(0.14)) < np.ceil(y0 - np.float32(0.86)):
        return n
    if high < 0 or low > width or y2 < 0 or y0 > height:
        return n
    ax = np.float64(x1) - np.float64(x0)
    ay = np.float64(y1) - np.float64(y0)
    bx = np.float64(x2) - np.float64(x0)
    by = np.float64(y2) - np.float64(y0)
    area = ax * by - bx * ay
    if abs(area) < 1e-9:
        return n
    da = np.float64(i1) - np.float64(i0)
    db = np.float64(i2) - np.float64(i0)
    records[n, 0] = x0
    records[n, 1] = y0
    records[n, 2] = x1
    records[n, 3] = y1
    records[n, 4] = x2
    records[n, 5] = y2
    records[n, 6] = np.float32((da * by - db * ay) / area)
    records[n, 7] = np.float32((ax * db - bx * da) / area)
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
) -> int:
    """Project faces number `first` to `last` of the listed ranges; returns how many records."""
    n = 0
    seen = 0
    polygon = np.empty((4, 3), np.float32)
    p = np.empty((3, 3), np.float32)
    m = view.to_clip
    ex, ey, ez = view.eye[0], view.eye[1], view.eye[2]
    for q in range(len(starts)):
        size = stops[q] - starts[q]
        low = max(first - seen, 0)
        high = min(last - seen, size)
        seen += size
        for k in range(low, high):
            face = starts[q] + k
            for c in range(3):
                x = corners[face, 3 * c] - ex
                y = corners[face, 3 * c + 1] - ey
                z = corners[face, 3 * c + 2] - ez
                p[c, 0] = m[0, 0] * x + m[0, 1] * y + m[0, 2] * z
                p[c, 1] = m[1, 0] * x + m[1, 1] * y + m[1, 2] * z
                p[c, 2] = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z
            wa, wb, wc = p[0, 2], p[1, 2], p[2, 2]
            if wa < NEAR_M and wb < NEAR_M and wc < NEAR_M:
                continue
            if p[0, 0] > wa and p[1, 0] > wb and p[2, 0] > wc:
                continue
            if p[0, 0] < -wa and p[1, 0] < -wb and p[2, 0] < -wc:
                continue
            if p[0, 1] > wa and p[1, 1] > wb and p[2, 1] > wc:
                continue
            if p[0, 1] < -wa and p[1, 1] < -wb and p[2, 1] < -wc:
                continue
            if wa >= NEAR_M and wb >= NEAR_M and wc >= NEAR_M:
                n = _emit(records, owners, n, face, view.width, view.height, p, 1, 2)
                continue
            count = _clip(p, polygon)
            for v in range(1, count - 1):
                n = _emit(records, owners, n, face, view.width, view.height, polygon, v, v + 1)
    return n


@kernel
def _clip(p: F32, polygon: F32) -> int:
    """Cut triangle `p` at the near plane; returns the number of corners left, 3 or 4."""
    count = 0
    for e in range(3):
        a = e
        b = (e + 1) % 3
        inside = p[a, 2] >= NEAR_M
        if inside:
            polygon[count] = p[a]
            count += 1
        if inside != (p[b, 2] >= NEAR_M):
            # Always from the far end to the near end, so that both faces of an edge agree.
            if not inside:
                a, b = b, a
            t = (NEAR_M - p[a, 2]) / (p[b, 2] - p[a, 2])
            polygon[count, 0] = p[a, 0] + t * (p[b, 0] - p[a, 0])
            polygon[count, 1] = p[a, 1] + t * (p[b, 1] - p[a, 1])
            polygon[count, 2] = NEAR_M
            count += 1
    return count


@kernel
def _bands_of(record: F32, band_rows: int, height: int) -> tuple[int, int]:
    """First and last band a record touches."""
    top = min(max(record[1] - np.float32(0.9), np.float32(0.0)), np.float32(height - 1))
    bottom = min(max(record[5] + np.float32(0.9), np.float32(0.0)), np.float32(height - 1))
    return int(top) // band_rows, int(bottom) // band_rows


@kernel
def bin_records(
    records: F32, count: int, band_rows: int, height: int, begin: I32, items: I32
) -> int:
    """Sort records by the bands they touch.

    Args:
        records: (N, 9), the first `count` are set.
        count: number of records.
        band_rows: rows in each band.
        height: rows of the image.
        begin: (B + 1,) is set to where each band's items begin.
        items: set to indices of records, nearest chunk first within a band.

    Returns:
        How many items there are; `items` is left alone if it is too short for them.
    """
    begin[:] = 0
    for n in range(count):
        a, b = _bands_of(records[n], band_rows, height)
        for band in range(a, b + 1):
            begin[band + 1] += 1
    for band in range(len(begin) - 1):
        begin[band + 1] += begin[band]
    total = begin[len(begin) - 1]
    if total > len(items):
        return total
    place = begin.copy()
    for n in range(count):
        a, b = _bands_of(records[n], band_rows, height)
        for band in range(a, b + 1):
            items[place[band]] = n
            place[band] += 1
    return total


@kernel
def draw_records(
    records: F32,
    owners: I32,
    items: I32,
    row_first: int,
    row_last: int,
    inverse_depth: F32,
    faces: I32,
) -> None:
    """Draw the listed records into rows `row_first` to `row_last`, keeping the nearest.

    Args:
        records: (N, 9).
        owners: (N,) face of each record.
        items: (I,) which records to draw.
        row_first: image row of the buffers' first row.
        row_last: one past the last image row.
        inverse_depth: (S, R, W) nearest so far, 1/m, 0 for nothing.
        faces: (S, R, W) face seen, -1 for nothing.
    """
    width = inverse_depth.shape[2]
    wide = np.float32(width)
    half = np.float32(0.5)
    zero = np.float32(0.0)
    for t in items:
        x0, y0, x1, y1, x2, y2 = (
            records[t, 0],
            records[t, 1],
            records[t, 2],
            records[t, 3],
            records[t, 4],
            records[t, 5],
        )
        zx, zy, z0 = records[t, 6], records[t, 7], records[t, 8]
        face = owners[t]
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
                if left >= right:
                    continue
                z = z0 + zy * (y - y0) + zx * (np.float32(left) + ox - x0)
                depths = inverse_depth[s, row - row_first]
                seen = faces[s, row - row_first]
                for c in range(left, right):
                    here = z + zx * np.float32(c - left)
                    if here > depths[c]:
                        depths[c] = here
                        seen[c] = face
