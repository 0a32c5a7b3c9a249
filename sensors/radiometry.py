"""Radiance of each pixel between 8 and 14 micrometres, from class, depth and actors."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sensors.kernel import compiled, patches, unit

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

COLDEST_C, STEP_C, LEVELS = -80.0, 0.25, 1000  # grid of the radiance table
FLAT_TAGS = (1, 2, 10, 23, 24, 25)  # roads, sidewalks, terrain, water, road lines, ground
NAMED_TAGS = 32

# Columns of the actor table: box centre (world), half sizes, offset of the temperature, warmth of
# tyres and engine (0..1), first and last row and column.
(CENTER_X, CENTER_Y, CENTER_Z, EXTENT_X, EXTENT_Y, EXTENT_Z, OFFSET, ROLLING) = range(8)
(ENGINE, ROW_LOW, ROW_HIGH, COLUMN_LOW, COLUMN_HIGH) = range(8, 13)
ACTOR_COLUMNS = 13
MARGIN_M = 0.25  # bodies are not quite inside of their boxes


class View(NamedTuple):
    """The camera."""

    position: F64  # (3,)
    rotation: F64  # (3, 3), columns forward, right, up
    focal_px: float


class Scene(NamedTuple):
    """The world's temperatures for one frame, degrees Celsius."""

    surfaces: F64  # (32, 3) temperature, emissivity, spread by tag
    radiance: F64  # (LEVELS,) table over temperature
    air_c: float
    sky_c: float
    skin_c: float
    engine_heat_c: float
    tyre_heat_c: float
    exhaust_heat_c: float
    glass_emissivity: float
    window_heat_c: float
    window_share: float
    extinction_per_m: float
    salt: int


class Actors(NamedTuple):
    """Vehicles and people that may be in view."""

    table: F64  # (A, ACTOR_COLUMNS)
    rotations: F64  # (A, 3, 3)


def radiance_table() -> F64:
    """Planck's law over 8-14 um by temperature; scaled so that one degree at 17 C is 1.0."""
    kelvin = (COLDEST_C + STEP_C * np.arange(LEVELS))[:, None] + 273.15
    wave = np.linspace(8e-6, 14e-6, 121)[None, :]
    power = 1.0 / (wave**5 * np.expm1(1.438777e-2 / (wave * kelvin)))
    total = power.sum(axis=1)
    at = round((17.0 - COLDEST_C) / STEP_C)
    slope = (total[at + 1] - total[at - 1]) / (2.0 * STEP_C)
    return np.asarray((total - total[at]) / slope + 17.0, dtype=np.float64)


@compiled
def _radiance(temperature_c: float, table: F64) -> float:
    at = min(max((temperature_c - COLDEST_C) / STEP_C, 0.0), LEVELS - 1.001)
    i = int(at)
    return float(table[i] + (at - i) * (table[i + 1] - table[i]))


@compiled
def _sky_c(sine: float, scene: Scene) -> float:
    """Apparent temperature of the sky at an elevation: cold zenith, horizon like the air."""
    return scene.air_c - (scene.air_c - scene.sky_c) * math.sqrt(min(max(sine, 0.0), 1.0))


@compiled
def _window_c(s: float, z: float, scene: Scene) -> float:
    """Extra temperature of a facade: some windows belong to heated rooms, others are cool."""
    column, floor = math.floor(s / 2.6), math.floor(z / 3.1)
    u, v = s / 2.6 - column, z / 3.1 - floor
    if floor < 0 or u < 0.25 or u > 0.75 or v < 0.3 or v > 0.8:
        return 0.0
    if unit(column, floor, scene.salt + 11) < scene.window_share:
        return scene.window_heat_c * (0.5 + unit(column, floor, scene.salt + 12))
    return -0.3 * scene.window_heat_c


@compiled
def _texture(tag: int, x: float, y: float, z: float, scene: Scene) -> float:
    """Deviation from the class's temperature at a place in the world."""
    spread = float(scene.surfaces[tag, 2])
    if tag == 1 or tag == 24:
        # Patches of new asphalt, and finer grain.
        return spread * (
            0.8 * patches(x / 7.0, y / 7.0, scene.salt) + 0.5 * patches(x, y, scene.salt + 1)
        )
    if tag == 2 or tag == 10 or tag == 25:
        return spread * (
            0.7 * patches(x / 3.0, y / 3.0, scene.salt + 2)
            + 0.6 * patches(x / 0.7, y / 0.7, scene.salt + 3)
        )
    if tag == 9:
        return spread * patches((x + z) / 0.6, (y - z) / 0.6, scene.salt + 4)
    s = x + 1.3 * y
    value = spread * patches(s / 6.0, z / 4.0, scene.salt + 5)
    if tag == 3:
        value += _window_c(x + 0.77 * y, z, scene)
    return value


@compiled
def _find_actor(row: int, column: int, point: F64, actors: Actors, local: F64) -> int:
    """The actor whose box holds a point, -1 if none; `local` gets the place in its box, -1..1."""
    best, best_miss = -1, 1e9
    for a in range(len(actors.table)):
        t = actors.table[a]
        if row < t[ROW_LOW] or row > t[ROW_HIGH]:
            continue
        if column < t[COLUMN_LOW] or column > t[COLUMN_HIGH]:
            continue
        dx, dy, dz = point[0] - t[CENTER_X], point[1] - t[CENTER_Y], point[2] - t[CENTER_Z]
        r = actors.rotations[a]
        u = r[0, 0] * dx + r[1, 0] * dy + r[2, 0] * dz
        v = r[0, 1] * dx + r[1, 1] * dy + r[2, 1] * dz
        w = r[0, 2] * dx + r[1, 2] * dy + r[2, 2] * dz
        miss = max(abs(u) - t[EXTENT_X], abs(v) - t[EXTENT_Y], abs(w) - t[EXTENT_Z])
        if miss <= MARGIN_M and miss < best_miss:
            best, best_miss = a, miss
            local[0], local[1], local[2] = u / t[EXTENT_X], v / t[EXTENT_Y], w / t[EXTENT_Z]
    return best


@compiled
def _person_c(base: float, height: float, scene: Scene) -> float:
    """Temperature by height in the box: a bare face, warm trunk, cooler legs."""
    if height > 0.72:
        return scene.skin_c
    if height < -0.15:
        return base - 0.15 * (scene.skin_c - base)
    return base


@compiled
def _vehicle_c(base: float, local: F64, actor: F64, scene: Scene) -> float:
    """Temperature of a body: warm bonnet, tyres, exhaust."""
    height_m = (local[2] + 1.0) * actor[EXTENT_Z]
    if local[0] > 0.3:
        ahead, across = (local[0] - 0.75) / 0.3, local[1] / 0.7
        heat = math.exp(-ahead * ahead - across * across)
        base += scene.engine_heat_c * actor[ENGINE] * heat
    if height_m < 0.7 and abs(local[1]) > 0.6:
        along = (abs(local[0]) - 0.62) * actor[EXTENT_X] / 0.35
        if abs(along) < 1.0:
            base += scene.tyre_heat_c * (0.35 + 0.65 * actor[ROLLING])
    if local[0] < -0.8 and height_m < 0.55:
        across = (local[1] - 0.5) * actor[EXTENT_Y] / 0.25
        base += scene.exhaust_heat_c * actor[ENGINE] * math.exp(-across * across)
    if local[0] < -0.8 or height_m < 0.35:
        base += 0.15 * scene.engine_heat_c * actor[ENGINE]  # warm underside and boot
    return base


@compiled
def _actor_surface(
    tag: int, row: int, column: int, point: F64, actors: Actors, scene: Scene, local: F64
) -> tuple[float, float]:
    """Temperature and emissivity of a pixel of a vehicle, a rider or a person."""
    base, emissivity = scene.surfaces[tag, 0], scene.surfaces[tag, 1]
    found = _find_actor(row, column, point, actors, local)
    if found < 0:
        return base, emissivity
    actor = actors.table[found]
    base += actor[OFFSET]
    if tag == 12 or tag == 13:
        return _person_c(base, local[2], scene), emissivity
    is_glass = 0.25 < local[2] < 0.85 and abs(local[0]) < 0.62
    if is_glass and 14 <= tag <= 17:
        emissivity = scene.glass_emissivity
    return _vehicle_c(base, local, actor, scene), emissivity


@compiled
def radiate(tags: U8, depth_m: F32, view: View, scene: Scene, actors: Actors, out: F32) -> None:
    """Write the radiance that reaches the camera in each pixel, in degrees at 17 C."""
    rows, columns = tags.shape
    point, local = np.empty(3), np.empty(3)
    turn = view.rotation
    air = _radiance(scene.air_c, scene.radiance)
    around = 0.5 * (air + _radiance(_sky_c(0.5, scene), scene.radiance))
    for i in range(rows):
        up = -(i + 0.5 - 0.5 * rows) / view.focal_px
        for j in range(columns):
            right = (j + 0.5 - 0.5 * columns) / view.focal_px
            far = depth_m[i, j]
            stretch = math.sqrt(1.0 + up * up + right * right)
            for axis in range(3):
                ray = turn[axis, 0] + turn[axis, 1] * right + turn[axis, 2] * up
                point[axis] = view.position[axis] + far * ray
            sine = (point[2] - view.position[2]) / (max(far, 0.01) * stretch)
            tag = min(int(tags[i, j]), NAMED_TAGS - 1)
            if tag == 11:
                signal = _radiance(_sky_c(sine, scene), scene.radiance)
            else:
                emissivity = scene.surfaces[tag, 1]
                reflected = around
                if 12 <= tag <= 19:
                    base, emissivity = _actor_surface(tag, i, j, point, actors, scene, local)
                else:
                    base = scene.surfaces[tag, 0]
                    if far < 150.0:
                        base += _texture(tag, point[0], point[1], point[2], scene)
                    if tag in FLAT_TAGS:
                        # Smooth ground mirrors the sky the more, the flatter one looks at it.
                        graze = (1.0 - min(abs(sine), 1.0)) ** 5
                        emissivity *= 1.0 - 0.6 * graze
                        reflected = _radiance(_sky_c(abs(sine), scene), scene.radiance)
                signal = emissivity * _radiance(base, scene.radiance)
                signal += (1.0 - emissivity) * reflected
            clear = math.exp(-scene.extinction_per_m * far * stretch)
            out[i, j] = clear * signal + (1.0 - clear) * air
