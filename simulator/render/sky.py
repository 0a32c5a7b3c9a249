"""Sky, clouds and fog along a viewing ray."""

from __future__ import annotations

import numpy as np

from simulator.render.jit import inlined, small
from simulator.render.textures import CLOUD, sample
from simulator.render.weather import Light
from simulator.types import U8

_FADE_STEPS = 1024
_FADE_END = 16.0
# exp(-x) as a table: the system's own exp may differ in the last bit between machines.
_FADE = np.exp(-np.linspace(0.0, _FADE_END, _FADE_STEPS + 2)).astype(np.float32)


@small
def fade(x: float) -> float:
    """exp(-x) for x >= 0, zero beyond 16."""
    if x >= _FADE_END:
        return 0.0
    at = x * (_FADE_STEPS / _FADE_END)
    n = int(at)
    t = at - n
    return float(_FADE[n] * (1.0 - t) + _FADE[n + 1] * t)


@inlined
def gradient(light: Light, dz: float) -> tuple[float, float, float]:
    """Cloudless sky in a direction with vertical component `dz`."""
    up = min(max(dz, 0.0), 1.0)
    t = np.sqrt(up) * (1.6 - 0.6 * up)
    t = min(t, 1.0)
    return (
        light.horizon_r + (light.zenith_r - light.horizon_r) * t,
        light.horizon_g + (light.zenith_g - light.horizon_g) * t,
        light.horizon_b + (light.zenith_b - light.horizon_b) * t,
    )


@inlined
def sky(
    light: Light, textures: U8, dx: float, dy: float, dz: float, pixel: float
) -> tuple[float, float, float]:
    """Sky with clouds and the glow around the sun.

    Args:
        light: the weather's light.
        textures: for the clouds.
        dx: unit direction.
        dy: unit direction.
        dz: unit direction.
        pixel: angle of a pixel, rad.
    """
    r, g, b = gradient(light, dz)
    if dz > 0.02:
        u = (dx / (dz + 0.12) * 900.0 + light.cloud_drift) / 4200.0
        v = dy / (dz + 0.12) * 900.0 / 4200.0
        wide = pixel * 0.3 / (dz + 0.12)
        density = sample(textures, CLOUD, u, v, wide)
        density += 0.35 * (sample(textures, CLOUD, u * 3.1 + 0.37, v * 3.1, wide * 3.1) - 1.0)
        cover = (density - 1.42 + 0.95 * light.cloud_cover) / 0.55
        cover = min(max(cover, 0.0), 1.0)
        cover = cover * cover * (3.0 - 2.0 * cover) * min(dz * 6.0, 1.0) * 0.85
        base = (r + g + b) * 0.26
        thin = 1.0 - 0.35 * cover * density * light.cloud_cover
        r += (base * thin + 0.24 * light.sun_r - r * 0.55) * cover
        g += (base * thin + 0.24 * light.sun_g - g * 0.60) * cover
        b += (base * 1.04 * thin + 0.24 * light.sun_b - b * 0.72) * cover
    toward = dx * light.sun_x + dy * light.sun_y + dz * light.sun_z
    if toward > 0.0:
        p = toward * toward
        p = p * p
        p = p * p
        wide_glow = p * 0.10
        p = p * p
        p = p * p
        p = p * p
        glow = wide_glow + 0.35 * p
        p = p * p
        p = p * p
        p = p * p
        p = p * p
        glow += 14.0 * p * p * p
        r += light.sun_r * glow
        g += light.sun_g * glow
        b += light.sun_b * glow
    return r, g, b


@small
def fog_at(light: Light, z: float) -> float:
    """Extinction of the fog at height `z`, 1/m."""
    if light.fog_per_m < 1e-5:
        return 0.0
    return light.fog_per_m * fade(light.fog_falloff_per_m * max(z, 0.0))


@small
def transmittance(
    fog: float, falloff: float, start_m: float, haze: float, dz: float, distance: float
) -> float:
    """Share of light that arrives over `distance` along a ray.

    Fog thins exponentially with height and begins at the fog distance; haze does neither.

    Args:
        fog: extinction where the ray starts, from `fog_at`.
        falloff: of the fog with height, 1/m.
        start_m: fog distance.
        haze: extinction of the haze, 1/m.
        dz: vertical component of the ray's unit direction.
        distance: length of the ray, m.
    """
    depth = haze * distance
    path = distance - start_m
    if fog > 0.0 and path > 0.0:
        climb = falloff * dz * path
        if abs(climb) < 0.3:
            mean = 1.0 - climb * (0.5 - climb * (1.0 / 6.0))
        elif climb > 0.0:
            mean = (1.0 - fade(climb)) / climb
        else:
            # Looking down from on high; the ground ends the ray before the fog gets any denser.
            drop = min(-climb, 4.0)
            mean = (1.0 / fade(drop) - 1.0) / drop
        depth += fog * mean * path
    return fade(depth)
