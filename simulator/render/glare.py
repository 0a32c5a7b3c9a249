"""Stray light: points of light, bloom, veiling glare; then exposure, noise and tone curve.

The veil follows the CIE disability glare formula (CIE 146:2002) in shape: stray light of a source
falls with the square of the angle to it, so an oncoming headlight lifts the dark all around it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from simulator.render.facade import scramble
from simulator.render.jit import kernel
from simulator.render.moving import Placed, lamp_points
from simulator.render.raster import I32, View
from simulator.render.shade import Targets
from simulator.render.sky import fade, fog_at, transmittance
from simulator.render.weather import Light
from simulator.types import F32, F64, U8

CELL = 4  # pixels of a cell of the bloom grid
TONE_STEPS = 4096
TONE_END = 16.0
_MAX_SOURCES = 40
LAMP_SEEN_M = 160.0
STREET_LAMP_POWER = 2.6


def tone_curve() -> U8:
    """Values of sRGB by sqrt(radiance / TONE_END) in steps; soft shoulder above the middle."""
    x = np.linspace(0.0, 1.0, TONE_STEPS) ** 2 * TONE_END
    # Linear up to 0.45, then a shoulder that reaches white slowly.
    knee = 0.45
    over = np.maximum(x - knee, 0.0)
    y = np.minimum(x, knee) + (1.0 - knee) * (1.0 - np.exp(-over / 0.85))
    srgb = np.where(y <= 0.0031308, 12.92 * y, 1.055 * np.maximum(y, 1e-9) ** (1 / 2.4) - 0.055)
    return np.clip(srgb * 255.0 + 0.5, 0.0, 255.0).astype(np.uint8)


def light_sources(
    placed: Sequence[Placed], lamps: F32, light: Light, view: View, reach_m: float
) -> F64:
    """Points of light before the camera.

    Returns:
        (N, 8) sorted by strength: position in the world, light that reaches the camera in three
        colours, distance along the optical axis, share that fog scatters out of the way.
    """
    points = lamp_points([p for p in placed if p.distance_m < reach_m])
    found = np.empty((len(lamps) + len(points), 8))
    shown = lamps if light.lamp > 0.0 else lamps[:0]
    count = receive(points, shown, light, view, min(reach_m, LAMP_SEEN_M), found)
    found = found[:count]
    order = np.lexsort((found[:, 1], found[:, 0], -found[:, 3]))
    return np.ascontiguousarray(found[order[:_MAX_SOURCES]])


@kernel
def receive(
    points: F64, lamps: F32, light: Light, view: View, lamp_reach_m: float, found: F64
) -> int:
    """Fill `found` with the light that points and street lamps send to the camera."""
    count = 0
    fog = fog_at(light, view.eye[2])
    for n in range(len(points) + len(lamps)):
        is_lamp = n >= len(points)
        k = n - len(points)
        for c in range(3):
            found[count, c] = lamps[k, c] if is_lamp else points[n, c]
        x = found[count, 0] - view.eye[0]
        y = found[count, 1] - view.eye[1]
        z = found[count, 2] - view.eye[2]
        axial = x * view.ray_z[0] + y * view.ray_z[1] + z * view.ray_z[2]
        distance = max(np.sqrt(x * x + y * y + z * z), 0.5)
        if axial < 0.3 or (is_lamp and distance > lamp_reach_m):
            continue
        through = transmittance(
            fog,
            light.fog_falloff_per_m,
            light.fog_start_m,
            light.haze_per_m,
            z / distance,
            distance,
        )
        share = through / (distance * distance + 4.0)
        if is_lamp:
            share *= STREET_LAMP_POWER * light.lamp
        else:
            facing = -(x * points[n, 3] + y * points[n, 4] + z * points[n, 5]) / distance
            if facing < 0.05:
                continue
            if points[n, 9] > 0.0:
                # A low beam sends least above its cut-off, yet dazzles on uneven roads.
                narrow = facing * facing * facing
                wide = narrow
                for _ in range(3):
                    narrow *= narrow
                facing = 0.45 * narrow + 0.08 * wide
            share *= facing
        found[count, 3] = share * (1.0 if is_lamp else points[n, 6])
        found[count, 4] = share * (0.72 if is_lamp else points[n, 7])
        found[count, 5] = share * (0.40 if is_lamp else points[n, 8])
        found[count, 6] = axial
        found[count, 7] = 1.0 - through
        if found[count, 3] > 2e-6:
            count += 1
    return count


def project(sources: F64, view: View) -> F64:
    """Screen position of sources in pixels, (N, 2)."""
    clip = (sources[:, :3] - view.eye) @ view.to_clip.astype(np.float64).T
    x = (clip[:, 0] / clip[:, 2] + 1.0) * 0.5 * view.width
    y = (1.0 - clip[:, 1] / clip[:, 2]) * 0.5 * view.height
    return np.stack([x, y], 1)


@kernel
def add_sources(out: Targets, sources: F64, screen: F64, focal: float) -> None:
    """Weigh sources by how much of them is seen, and draw their discs into the radiance."""
    height, width = out.depth.shape
    for n in range(len(sources)):
        cx, cy = screen[n, 0], screen[n, 1]
        if not (-2.0 < cx < width + 2.0 and -2.0 < cy < height + 2.0):
            sources[n, 3] = sources[n, 4] = sources[n, 5] = 0.0
            continue
        seen = 0
        tried = 0
        for di in range(-1, 2):
            for dj in range(-1, 2):
                i = int(np.floor(cy)) + di
                j = int(np.floor(cx)) + dj
                if 0 <= i < height and 0 <= j < width:
                    tried += 1
                    if out.depth[i, j] > sources[n, 6] - 0.7:
                        seen += 1
        share = seen / max(tried, 1)
        for c in range(3, 6):
            sources[n, c] *= share
        if share == 0.0:
            continue
        # A lamp of 0.1 m radius, but never smaller than the pixel.
        radius = max(0.10 * focal / sources[n, 6], 0.75)
        reach = int(radius * 2.5) + 1
        core = focal * focal / (3.1416 * radius * radius)
        for i in range(max(int(cy) - reach, 0), min(int(cy) + reach + 1, height)):
            for j in range(max(int(cx) - reach, 0), min(int(cx) + reach + 1, width)):
                dx = j + 0.5 - cx
                dy = i + 0.5 - cy
                disc = fade((dx * dx + dy * dy) / (radius * radius)) * core
                for c in range(3):
                    out.radiance[i, j, c] += min(disc * sources[n, 3 + c], 40.0)


@kernel
def gather_bright(
    radiance: F32, exposure: float, grid: F32, row: int, excess: F64, totals: F64
) -> float:
    """Mean of what exceeds white in the cells of a row of the bloom grid; returns the greatest.

    Args:
        radiance: (H, W, 3).
        exposure: of the image.
        grid: (I, J, 3) to write into.
        row: of the grid.
        excess: (3, CELL * J) scratch, zero beyond the width of the image.
        totals: (3, J) scratch.
    """
    height, width = radiance.shape[:2]
    columns = grid.shape[1]
    for c in range(3):
        for j in range(columns):
            totals[c, j] = 0.0
    for y in range(row * CELL, min(row * CELL + CELL, height)):
        for x in range(width):
            for c in range(3):
                excess[c, x] = min(max(radiance[y, x, c] * exposure - 1.0, 0.0), 60.0)
        for c in range(3):
            for j in range(columns):
                for k in range(CELL):
                    totals[c, j] += excess[c, CELL * j + k]
    most = 0.0
    for c in range(3):
        for j in range(columns):
            mean = totals[c, j] / (CELL * CELL)
            grid[row, j, c] = mean
            most = max(most, mean)
    return most


@kernel
def blur(source: F32, target: F32, spare: F32, totals: F32, radius: int) -> None:
    """Box blur of the bloom grid, first along rows, then along columns.

    Args:
        source: (I, J, 3).
        target: (I, J, 3), may be the source.
        spare: (I, J, 3) scratch.
        totals: (J, 3) scratch.
        radius: cells on either side.
    """
    rows, columns = source.shape[:2]
    scale = np.float32(1.0 / (2 * radius + 1))
    zero = np.float32(0.0)
    for i in range(rows):
        r = g = b = zero
        for j in range(-radius, columns):
            if j + radius < columns:
                r += source[i, j + radius, 0]
                g += source[i, j + radius, 1]
                b += source[i, j + radius, 2]
            if j - radius - 1 >= 0:
                r -= source[i, j - radius - 1, 0]
                g -= source[i, j - radius - 1, 1]
                b -= source[i, j - radius - 1, 2]
            if j >= 0:
                spare[i, j, 0] = max(r, zero) * scale
                spare[i, j, 1] = max(g, zero) * scale
                spare[i, j, 2] = max(b, zero) * scale
    for j in range(columns):
        for c in range(3):
            totals[j, c] = zero
    # Whole rows at a time: neighbouring columns are summed side by side.
    for i in range(-radius, rows):
        if i + radius < rows:
            for j in range(columns):
                for c in range(3):
                    totals[j, c] += spare[i + radius, j, c]
        if i - radius - 1 >= 0:
            for j in range(columns):
                for c in range(3):
                    totals[j, c] -= spare[i - radius - 1, j, c]
        if i >= 0:
            for j in range(columns):
                for c in range(3):
                    target[i, j, c] = max(totals[j, c], zero) * scale


@kernel
def spread(bright: F32, bloom: F32, spare: F32, work: F32, totals: F32, unit: int) -> None:
    """Turn the bright cells into bloom: a narrow, a middle and a wide halo."""
    for i in range(bloom.shape[0]):
        for j in range(bloom.shape[1]):
            for c in range(3):
                bloom[i, j, c] = np.float32(0.0)
    for k in range(3):
        radius = unit if k == 0 else unit * 3 if k == 1 else unit * 8
        weight = np.float32(0.16) if k == 0 else np.float32(0.10) if k == 1 else np.float32(0.06)
        blur(bright, work, spare, totals, radius)
        blur(work, work, spare, totals, radius)
        for i in range(bloom.shape[0]):
            for j in range(bloom.shape[1]):
                for c in range(3):
                    bloom[i, j, c] += work[i, j, c] * weight


@kernel
def add_veil(
    bloom: F32, sources: F64, screen: F64, focal: float, exposure: float, fog: float
) -> None:
    """Add the veil of every source over the whole image, wider where fog scatters it."""
    for i in range(bloom.shape[0]):
        for j in range(bloom.shape[1]):
            x = (j + 0.5) * CELL
            y = (i + 0.5) * CELL
            for n in range(len(sources)):
                if sources[n, 3] <= 0.0:
                    continue
                dx = (x - screen[n, 0]) / focal
                dy = (y - screen[n, 1]) / focal
                angle2 = dx * dx + dy * dy
                veil = 0.020 / (angle2 + 0.0012)
                if fog > 0.0:
                    veil += fog * sources[n, 7] * 0.05 / (angle2 + 0.012)
                for c in range(3):
                    bloom[i, j, c] += np.float32(veil * sources[n, 3 + c] * exposure)


@kernel
def compose_rows(
    radiance: F32,
    bloom: F32,
    has_bloom: bool,
    light: Light,
    curve: U8,
    seed: int,
    row_first: int,
    row_last: int,
    rows: F64,
    steps: I32,
    bgra: U8,
) -> None:
    """Bloom, exposure, sensor noise and tone curve into the image.

    One loop for each kind of work, so that the compiler computes many pixels at a time.

    Args:
        radiance: (H, W, 3).
        bloom: (I, J, 3).
        has_bloom: whether there is any.
        light: the weather's light.
        curve: from `tone_curve`.
        seed: of the noise.
        row_first: first row.
        row_last: one past the last row.
        rows: (4, W) scratch.
        steps: (3, W) scratch.
        bgra: (H, W, 4) to write into.
    """
    width = radiance.shape[1]
    scale = (TONE_STEPS - 1) / np.sqrt(TONE_END)
    for y in range(row_first, row_last):
        for x in range(width):
            for c in range(3):
                rows[c, x] = radiance[y, x, c] * light.exposure
        for x in range(width):
            # Photon noise grows with the root of the signal; the rest is read noise.
            signal = min(max(rows[1, x], 0.0), 4.0)
            rows[3, x] = light.noise * np.sqrt(signal * 0.35 + 0.0035)
        if has_bloom:
            _add_halo(bloom, y, rows)
        for x in range(width):
            grain = scramble(y * width + x, seed, 77)
            # Sum of four bytes: near enough to a normal deviate.
            shot = (grain & 255) + (grain >> 8 & 255) + (grain >> 16 & 255) + (grain >> 24)
            common = (shot - 510.0) / 147.8
            for c in range(3):
                own = ((grain >> (5 * c + 3) & 255) - 127.5) / 73.9
                value = rows[c, x] + rows[3, x] * (0.8 * common + 0.6 * own)
                step = min(np.sqrt(max(value, 0.0)) * scale, TONE_STEPS - 1.0)
                steps[c, x] = np.int32(step)
        for x in range(width):
            bgra[y, x, 0] = curve[steps[2, x]]
            bgra[y, x, 1] = curve[steps[1, x]]
            bgra[y, x, 2] = curve[steps[0, x]]
            bgra[y, x, 3] = 255


@kernel
def _add_halo(bloom: F32, y: int, rows: F64) -> None:
    """Interpolate the bloom of image row `y` and add it to the first three of (4, W)."""
    width = rows.shape[1]
    columns = bloom.shape[1]
    v = min(max((y + 0.5) / CELL - 0.5, 0.0), bloom.shape[0] - 1.001)
    i = int(v)
    fv = v - i
    # Between the centres of two cells lie CELL pixels, always at the same places.
    whole = min(columns - 1, max(width - CELL // 2, 0) // CELL)
    for c in range(3):
        for j in range(whole):
            upper, lower = bloom[i, j, c], bloom[i + 1, j, c]
            more, less = bloom[i, j + 1, c] - upper, bloom[i + 1, j + 1, c] - lower
            for k in range(CELL):
                fu = (k + 0.5) / CELL
                high = upper + more * fu
                rows[c, CELL * j + CELL // 2 + k] += high + (lower + less * fu - high) * fv
    for x in range(width):
        if CELL // 2 <= x < CELL * whole + CELL // 2:
            continue
        u = min(max((x + 0.5) / CELL - 0.5, 0.0), columns - 1.001)
        j = int(u)
        fu = u - j
        for c in range(3):
            high = bloom[i, j, c] + (bloom[i, j + 1, c] - bloom[i, j, c]) * fu
            low = bloom[i + 1, j, c] + (bloom[i + 1, j + 1, c] - bloom[i + 1, j, c]) * fu
            rows[c, x] += high + (low - high) * fv


def bloom_shape(width: int, height: int) -> tuple[int, int, int]:
    """Shape of the bloom grid; two cells at least, so that it can be interpolated."""
    return max(math.ceil(height / CELL), 2), max(math.ceil(width / CELL), 2), 3
