"""Radiance of each pixel between 8 and 14 micrometres, from class, depth and actors."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sensors.kernel import compiled, inlined, patches, unit

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

COLDEST_C, STEP_C, LEVELS = -80.0, 0.25, 1000  # grid of the radiance table
SKY_LEVELS = 512
FLAT_TAGS = (1, 2, 10, 23, 24, 25)  # roads, sidewalks, terrain, water, road lines, ground
PEOPLE_TAGS = (12, 13)
SKY_TAG = 11
NAMED_TAGS = 32

# Columns of the actor table: box centre (world), half sizes, offset of the temperature, warmth of
# tyres and engine (0..1), first and last row and column.
(CENTER_X, CENTER_Y, CENTER_Z, EXTENT_X, EXTENT_Y, EXTENT_Z, OFFSET, ROLLING) = range(8)
(ENGINE, ROW_LOW, ROW_HIGH, COLUMN_LOW, COLUMN_HIGH) = range(8, 13)
ACTOR_COLUMNS = 13
NO_ACTOR = 1e9
TEXTURE_RANGE_M, FINE_RANGE_M = 150.0, 40.0
MARGIN_M = 0.25  # bodies are not quite inside of their boxes
OUTLINE = 0.2  # relative step of the depth from pixel to pixel at which a plane ends


class View(NamedTuple):
    """Pose and focal length of the camera."""

    position: F64  # (3,)
    rotation: F64  # (3, 3), columns forward, right, up
    focal_px: float


class Heat(NamedTuple):
    """Settings of warm things: temperatures in degrees Celsius, shares in [0, 1].

    It holds plain numbers, because compiled functions read those fastest.
    """

    skin_c: float
    engine_c: float
    tyre_c: float
    exhaust_c: float
    glass_emissivity: float
    window_c: float
    window_share: float
    salt: int


class Scene(NamedTuple):
    """Temperatures, emissivities and air of the world for one frame."""

    # (32, 4) by tag: temperature in degrees Celsius, emissivity, spread, smoothness
    surfaces: F64
    radiance: F64  # (LEVELS,) table over temperature
    sky: F64  # (SKY_LEVELS + 1,) radiance of the sky over the sine of the elevation
    noise: F32  # knots of the patches on surfaces
    air_c: float
    extinction_per_m: float
    heat: Heat


class Actors(NamedTuple):
    """Vehicles and people that may be in view."""

    table: F64  # (A, ACTOR_COLUMNS)
    rotations: F64  # (A, 3, 3)


def radiance_table() -> F64:
    """Radiance of a black body by temperature, (LEVELS,), by Planck's law over 8 to 14 um.

    The unit is a degree at 17 C: at 17 C the radiance is 17.0 and rises by 1.0 for each degree.
    All radiances of this package are in this unit.
    """
    kelvin = (COLDEST_C + STEP_C * np.arange(LEVELS))[:, None] + 273.15
    wave = np.linspace(8e-6, 14e-6, 121)[None, :]
    power = 1.0 / (wave**5 * np.expm1(1.438777e-2 / (wave * kelvin)))
    total = power.sum(axis=1)
    at = round((17.0 - COLDEST_C) / STEP_C)
    slope = (total[at + 1] - total[at - 1]) / (2.0 * STEP_C)
    return np.asarray((total - total[at]) / slope + 17.0, dtype=np.float64)


def sky_table(air_c: float, zenith_c: float, radiance: F64, fog_depth: float = 0.0) -> F64:
    """Radiance of the sky by the sine of the elevation, (SKY_LEVELS + 1,).

    The zenith has its own apparent temperature, the horizon that of the air. A layer of fog as
    warm as the air hides the sky the more, the flatter one looks through it.

    Args:
        air_c: degrees Celsius.
        zenith_c: apparent temperature of the zenith above the fog, degrees Celsius.
        radiance: from `radiance_table`.
        fog_depth: optical depth of the fog straight up, in the infrared.
    """
    sine = np.linspace(0.0, 1.0, SKY_LEVELS + 1)
    grid = COLDEST_C + STEP_C * np.arange(LEVELS)
    clear = np.interp(air_c - (air_c - zenith_c) * np.sqrt(sine), grid, radiance)
    through = np.exp(-fog_depth / np.maximum(sine, 0.5 / SKY_LEVELS))
    return np.asarray(through * clear + (1.0 - through) * np.interp(air_c, grid, radiance))


@inlined
def _radiance(temperature_c: float, table: F64) -> float:
    at = min(max((temperature_c - COLDEST_C) / STEP_C, 0.0), LEVELS - 1.001)
    i = int(at)
    below, above = table[np.uintp(i)], table[np.uintp(i + 1)]
    return float(below + (at - i) * (above - below))


@inlined
def _sky(sine: float, table: F64) -> float:
    at = min(max(sine, 0.0), 0.9999) * SKY_LEVELS
    i = int(at)
    below, above = table[np.uintp(i)], table[np.uintp(i + 1)]
    return float(below + (at - i) * (above - below))


@inlined
def _window_c(s: float, z: float, heat: Heat) -> float:
    """Temperature above the facade's, in degrees: some windows are heated, others are cool."""
    column, floor = math.floor(s / 2.6), math.floor(z / 3.1)
    u, v = s / 2.6 - column, z / 3.1 - floor
    if floor < 0 or u < 0.25 or u > 0.75 or v < 0.3 or v > 0.8:
        return 0.0
    if unit(column, floor, heat.salt + 11) < heat.window_share:
        return heat.window_c * (0.5 + unit(column, floor, heat.salt + 12))
    return -0.3 * heat.window_c


@inlined
def _texture(tag: int, x: float, y: float, z: float, far: float, noise: F32) -> float:
    """Deviation from the class's mean temperature at a place, in standard deviations."""
    fine = 1.0 - far / FINE_RANGE_M  # what is finer than a pixel would flicker
    if tag == 1 or tag == 24:  # patches of new asphalt, and finer grain
        value = 0.8 * patches(x / 7.0, y / 7.0, noise)
        return value + 0.5 * fine * patches(x + 31.0, y, noise) if fine > 0.0 else value
    if tag == 2 or tag == 10 or tag == 25:
        value = 0.7 * patches(x / 3.0, y / 3.0 + 17.0, noise)
        return value + 0.6 * fine * patches(x / 0.7, y / 0.7, noise) if fine > 0.0 else value
    if tag == 9:
        return patches((x + z) / 0.6, (y - z) / 0.6, noise)
    return patches((x + 1.3 * y) / 6.0, z / 4.0 + 40.0, noise)


@compiled
def _person_c(base: float, height: float, heat: Heat) -> float:
    """Temperature of a person in degrees Celsius: bare face, warm trunk, cooler legs.

    `height` is the height in the box from -1 (feet) to 1.
    """
    if height > 0.72:
        return heat.skin_c
    if height < -0.15:
        return base - 0.15 * (heat.skin_c - base)
    return base


@compiled
def _vehicle_c(base: float, u: float, v: float, w: float, actor: F64, heat: Heat) -> float:
    """Temperature of a vehicle in degrees Celsius: warm bonnet, tyres and exhaust.

    The place in the box is `u` forward, `v` right, `w` up, each from -1 to 1.
    """
    height_m = (w + 1.0) * actor[EXTENT_Z]
    warm = heat.engine_c * actor[ENGINE]
    if u > 0.3:
        ahead, across = (u - 0.75) / 0.3, v
        base += warm * math.exp(-ahead * ahead - across * across)
    if height_m < 0.7 and abs(v) > 0.6 and abs(abs(u) - 0.62) * actor[EXTENT_X] < 0.35:
        base += heat.tyre_c * (0.35 + 0.65 * actor[ROLLING])
    if u < -0.8 and height_m < 0.55:
        across = (v - 0.5) * actor[EXTENT_Y] / 0.25
        base += heat.exhaust_c * actor[ENGINE] * math.exp(-across * across)
    if u < -0.8 or height_m < 0.35:
        base += 0.15 * warm  # boot and underside
    return float(base)


@compiled
def _heat_actor(
    tags: U8, depth_m: F32, view: View, actor: F64, turn: F64, scene: Scene, out: F32
) -> None:
    """Write the pixels of one actor's box into the channels of `heat_actors`."""
    rows, columns = tags.shape
    local_place = turn.T @ (view.position - actor[:3])
    axes = turn.T @ view.rotation  # from the camera's frame to the box's
    ex, ey, ez = actor[EXTENT_X], actor[EXTENT_Y], actor[EXTENT_Z]
    heat = scene.heat
    for i in range(max(int(actor[ROW_LOW]), 0), min(int(actor[ROW_HIGH]) + 1, rows)):
        up = -(i + 0.5 - 0.5 * rows) / view.focal_px
        for j in range(max(int(actor[COLUMN_LOW]), 0), min(int(actor[COLUMN_HIGH]) + 1, columns)):
            tag, far = int(tags[i, j]), depth_m[i, j]
            if tag < 12 or tag > 19:
                continue
            right = (j + 0.5 - 0.5 * columns) / view.focal_px
            u = local_place[0] + far * (axes[0, 0] + axes[0, 1] * right + axes[0, 2] * up)
            v = local_place[1] + far * (axes[1, 0] + axes[1, 1] * right + axes[1, 2] * up)
            w = local_place[2] + far * (axes[2, 0] + axes[2, 1] * right + axes[2, 2] * up)
            miss = max(abs(u) - ex, abs(v) - ey, abs(w) - ez)
            if miss > MARGIN_M or miss >= out[0, i, j]:
                continue
            u, v, w = u / ex, v / ey, w / ez
            base = scene.surfaces[tag, 0] + actor[OFFSET]
            out[0, i, j], out[2, i, j] = miss, scene.surfaces[tag, 1]
            if tag == 12 or tag == 13:
                out[1, i, j] = _person_c(base, w, heat)
                continue
            out[1, i, j] = _vehicle_c(base, u, v, w, actor, heat)
            if tag <= 17 and 0.25 < w < 0.85 and abs(u) < 0.62:
                out[2, i, j] = heat.glass_emissivity


@compiled
def heat_actors(tags: U8, depth_m: F32, view: View, scene: Scene, actors: Actors) -> F32:
    """Find temperature and emissivity of the pixels that show actors.

    Returns:
        (3, H, W): distance in metres outside of the actor's box (`NO_ACTOR` where there is none),
        temperature in degrees Celsius, emissivity.
    """
    out = np.empty((3, *tags.shape), np.float32)
    out[0] = NO_ACTOR
    for a in range(len(actors.table)):
        turn = actors.rotations[a]
        _heat_actor(tags, depth_m, view, actors.table[a], turn, scene, out)
    return out


@inlined
def _facing(
    tags: U8, depth_m: F32, i: int, j: int, right: float, up: float, focal_px: float
) -> float:
    """Cosine of the angle between the ray of a pixel and the normal of the plane that it meets.

    Over a plane, one over the depth is linear in the image, and its slopes are the normal. At an
    outline, where the neighbours show something else, it is taken for 1.
    """
    far, tag = depth_m[i, j], tags[i, j]
    if i == 0 or j == 0 or tags[i, j - 1] != tag or tags[i - 1, j] != tag:
        return 1.0
    left, above = depth_m[i, j - 1], depth_m[i - 1, j]
    if max(abs(left - far), abs(above - far)) > OUTLINE * far:
        return 1.0
    inverse = 1.0 / far
    across = (inverse - 1.0 / left) * focal_px
    upward = (1.0 / above - inverse) * focal_px
    ahead = inverse - right * across - up * upward
    normal2 = ahead * ahead + across * across + upward * upward
    ray2 = 1.0 + right * right + up * up
    return min(float(inverse / math.sqrt(normal2 * ray2)), 1.0)


@compiled
def radiate(
    tags: U8,
    depth_m: F32,
    view: View,
    scene: Scene,
    warm: F32,
    out: F32,
    first: int,
    beyond: int,
) -> None:
    """Write the radiance that reaches the camera in each pixel, in the unit of `radiance_table`.

    Args:
        tags: class ids of CARLA, (H, W).
        depth_m: depth along the optical axis in metres, (H, W).
        view: the camera.
        scene: temperatures of the world.
        warm: pixels of actors from `heat_actors`, (3, H, W).
        out: receives the radiance, (H, W).
        first: first row to write.
        beyond: row to stop before.
    """
    # Arrays leave their tuples here: inside of the loop numba would count references.
    surfaces, table, sky, noise, heat = (
        scene.surfaces,
        scene.radiance,
        scene.sky,
        scene.noise,
        scene.heat,
    )
    (t00, t01, t02), (t10, t11, t12), (t20, t21, t22) = (
        (view.rotation[0, 0], view.rotation[0, 1], view.rotation[0, 2]),
        (view.rotation[1, 0], view.rotation[1, 1], view.rotation[1, 2]),
        (view.rotation[2, 0], view.rotation[2, 1], view.rotation[2, 2]),
    )
    place_x, place_y, place_z = view.position[0], view.position[1], view.position[2]
    focal_px, extinction_per_m = view.focal_px, scene.extinction_per_m
    rows, columns = tags.shape
    air = _radiance(scene.air_c, table)
    around = 0.5 * (air + _sky(0.5, sky))
    for i in range(first, beyond):
        up = -(i + 0.5 - 0.5 * rows) / focal_px
        for j in range(columns):
            right, far = (j + 0.5 - 0.5 * columns) / focal_px, depth_m[i, j]
            reach = far * math.sqrt(1.0 + up * up + right * right)
            tag = min(int(tags[i, j]), NAMED_TAGS - 1)
            dz = far * (t20 + t21 * right + t22 * up)
            sine = dz / max(reach, 0.01)
            base, emissivity, reflected = surfaces[tag, 0], surfaces[tag, 1], around
            if tag == SKY_TAG:
                out[i, j] = _sky(sine, sky)  # as seen from below: the air is in it
                continue
            if 12 <= tag <= 19:
                if warm[0, i, j] < NO_ACTOR:
                    base, emissivity = warm[1, i, j], warm[2, i, j]
            elif far < TEXTURE_RANGE_M:
                x = place_x + far * (t00 + t01 * right + t02 * up)
                y = place_y + far * (t10 + t11 * right + t12 * up)
                z = place_z + dz
                base += surfaces[tag, 2] * _texture(tag, x, y, z, far, noise)
                if tag == 3:
                    base += _window_c(x + 0.77 * y, z, heat)
            smooth = surfaces[tag, 3]
            if smooth > 0.0:
                # Smooth things mirror what is around the more, the flatter one looks at them.
                if tag in FLAT_TAGS:
                    facing = min(abs(sine), 1.0)
                    reflected = _sky(facing, sky)
                else:
                    facing = _facing(tags, depth_m, i, j, right, up, focal_px)
                graze = 1.0 - facing
                graze2 = graze * graze
                emissivity *= 1.0 - smooth * graze2 * graze2 * graze
            signal = emissivity * _radiance(base, table) + (1.0 - emissivity) * reflected
            clear = math.exp(-extinction_per_m * reach)
            out[i, j] = clear * signal + (1.0 - clear) * air
