"""What a face is made of at a point: albedo, gloss, own light, from material and texture."""

from __future__ import annotations

import numpy as np

from simulator.render import textures as tx
from simulator.render.facade import BRICK, RIBBON, SHOP, scramble, window
from simulator.render.jit import inlined, small
from simulator.render.raster import Triangles
from simulator.render.sky import gradient
from simulator.render.weather import Light
from simulator.types import U8, Material

_steps = np.arange(256) / 255.0
# IEC 61966-2-1
TO_LINEAR = np.where(_steps <= 0.04045, _steps / 12.92, ((_steps + 0.055) / 1.055) ** 2.4).astype(
    np.float32
)
GLOW_SCALE = 30.0  # radiance of a glow of 255

ASPHALT = int(Material.ASPHALT)
PAVING = int(Material.PAVING)
KERB = int(Material.KERB)
PAINT = int(Material.PAINT)
GRASS = int(Material.GRASS)
FACADE_FIRST = int(Material.FACADE_PUNCHED)
FACADE_LAST = int(Material.FACADE_SHOP)
ROOF = int(Material.ROOF)
BARK = int(Material.BARK)
LEAF = int(Material.LEAF)
METAL = int(Material.METAL)
GLASS = int(Material.GLASS)
LAMP = int(Material.LAMP)
CAR_PAINT = int(Material.CAR_PAINT)
WATER = int(Material.WATER)


@inlined
def texture_point(
    tri: Triangles, face: int, px: float, py: float, pz: float
) -> tuple[float, float, float, float]:
    """Texture coordinates of a point in a face's plane, and their change per metre."""
    c = tri.corners[face]
    ax, ay, az = c[3] - c[0], c[4] - c[1], c[5] - c[2]
    bx, by, bz = c[6] - c[0], c[7] - c[1], c[8] - c[2]
    qx, qy, qz = px - c[0], py - c[1], pz - c[2]
    aa = ax * ax + ay * ay + az * az
    ab = ax * bx + ay * by + az * bz
    bb = bx * bx + by * by + bz * bz
    aq = ax * qx + ay * qy + az * qz
    bq = bx * qx + by * qy + bz * qz
    scale = 1.0 / max(float(aa) * bb - float(ab) * ab, 1e-12)
    s = (bb * aq - ab * bq) * scale
    t = (aa * bq - ab * aq) * scale
    uv = tri.uvs[face]
    ua, ub = uv[2] - uv[0], uv[4] - uv[0]
    va, vb = uv[3] - uv[1], uv[5] - uv[1]
    # |gradient|^2 of a linear function over the triangle
    du = np.sqrt(max((bb * ua * ua - 2.0 * ab * ua * ub + aa * ub * ub) * scale, 0.0))
    dv = np.sqrt(max((bb * va * va - 2.0 * ab * va * vb + aa * vb * vb) * scale, 0.0))
    return uv[0] + s * ua + t * ub, uv[1] + s * va + t * vb, du, dv


@small
def texture_of(material: int) -> int:
    """Which texture a material wears, -1 for none."""
    if material in (ASPHALT, PAINT):
        return tx.ASPHALT
    if material in (PAVING, KERB):
        return tx.PAVING if material == PAVING else tx.PLASTER
    if material == GRASS:
        return tx.GRASS
    if material == LEAF:
        return tx.LEAF
    if material == BARK:
        return tx.BARK
    if material == ROOF:
        return tx.ROOF
    if material == BRICK:
        return tx.BRICK
    if FACADE_FIRST <= material <= FACADE_LAST:
        return tx.PLASTER
    return -1


@inlined
def surface(
    tri: Triangles,
    textures: U8,
    light: Light,
    face: int,
    px: float,
    py: float,
    pz: float,
    nx: float,
    ny: float,
    nz: float,
    pixel: float,
    slant: float,
    mirror_z: float,
    facing: float,
) -> tuple[float, float, float, float, float, float, float]:
    """Albedo, gloss (mirror share at normal incidence) and own light of a face at a point.

    Args:
        tri: all faces.
        textures: from `grow_textures`.
        light: the weather's light.
        face: which one.
        px: world position, m; likewise `py` and `pz`.
        py: see `px`.
        pz: see `px`.
        nx: unit normal; likewise `ny` and `nz`.
        ny: see `nx`.
        nz: see `nx`.
        pixel: width of the pixel at this distance, m.
        slant: how much longer the pixel is on the tilted face, 1 or more.
        mirror_z: vertical component of the mirrored viewing ray.
        facing: cosine between face and viewing ray, 0..1.
    """
    material = int(tri.materials[face])
    r = float(TO_LINEAR[tri.colors[face, 0]])
    g = float(TO_LINEAR[tri.colors[face, 1]])
    b = float(TO_LINEAR[tri.colors[face, 2]])
    layer = texture_of(material)
    if layer >= 0:
        u, v, du, dv = px, py, 1.0, 1.0
        is_facade = FACADE_FIRST <= material <= FACADE_LAST
        if is_facade:
            u, v, du, dv = texture_point(tri, face, px, py, pz)
            along = px * ny - py * nx
            tone = tx.sample(
                textures,
                layer,
                along / tx.REPEAT_M[layer],
                pz / tx.REPEAT_M[layer],
                pixel * slant / tx.REPEAT_M[layer],
            )
        elif material in (LEAF, BARK):
            along = px * ny - py * nx + 0.37 * px
            tone = tx.sample(
                textures,
                layer,
                along / tx.REPEAT_M[layer],
                (pz + 0.3 * py) / tx.REPEAT_M[layer],
                pixel / tx.REPEAT_M[layer],
            )
        else:
            if material == PAVING:
                u, v, du, dv = texture_point(tri, face, px, py, pz)
            repeat = tx.REPEATS_PER_M[layer]
            wide = pixel * np.sqrt(slant) * repeat
            tone = tx.sample(textures, layer, u * repeat, v * repeat, wide)
            if material in (ASPHALT, GRASS):
                broad = tx.sample(textures, tx.CLOUD, px / 31.0, py / 31.0, wide * 0.15)
                tone *= 0.72 + 0.28 * broad
                if material == GRASS:
                    r *= 0.70 + 0.30 * broad
            elif material == PAINT:
                tone = 0.45 + 0.55 * min(tone, 1.06)
        r *= tone
        g *= tone
        b *= tone
        if is_facade:
            return _front(tri, light, face, material, r, g, b, u, v, du * pixel, dv * pixel, slant,
                          px, py, pz, nx, ny, nz, mirror_z, facing)  # fmt: skip
    gloss = 0.0
    if material == GLASS:
        gloss = 0.10
    elif material == CAR_PAINT:
        gloss = 0.05
    elif material == METAL:
        gloss = 0.06
    elif material == WATER:
        gloss = 0.02
    elif light.wet > 0.0 and nz > 0.7:
        dark = 1.0 - 0.45 * light.wet
        r *= dark
        g *= dark
        b *= dark
        gloss = 0.03 * light.wet
    glow = tri.colors[face, 3] * (1.0 / 255.0)
    own = glow * glow * GLOW_SCALE
    if material == LAMP:
        own = max(own, light.lamp * 3.0)
    return r, g, b, gloss, own * r, own * g, own * b


@inlined
def _front(
    tri: Triangles,
    light: Light,
    face: int,
    material: int,
    r: float,
    g: float,
    b: float,
    u: float,
    v: float,
    wide_u: float,
    wide_v: float,
    slant: float,
    px: float,
    py: float,
    pz: float,
    nx: float,
    ny: float,
    nz: float,
    mirror_z: float,
    facing: float,
) -> tuple[float, float, float, float, float, float, float]:
    """Put windows into a wall of colour r, g, b."""
    if abs(nz) > 0.5:
        return r, g, b, 0.0, 0.0, 0.0, 0.0
    plane = int(np.floor((px * nx + py * ny) * 2.0 + 0.5))
    color = int(tri.colors[face, 0]) * 65536 + int(tri.colors[face, 1]) * 256
    seed = scramble(plane, color + int(tri.colors[face, 2]), int(nx * 3.0 + 4.0) * 8 + material)
    glass, frame, shade, code = window(material, u, v, wide_u * slant, wide_v, seed)
    wall = 1.0 - glass - frame
    paint = 0.55 if seed & 16 else 0.10
    if material == RIBBON:
        paint = 0.16
    # Curtains, blinds and rooms of different depth.
    room = 0.012 + 0.05 * ((code >> 8) & 255) / 255.0
    if code & 7 == 0 and material != SHOP:
        room = 0.32
    mirror = 0.07 + 0.75 * (1.0 - facing) ** 4
    sky_r, sky_g, sky_b = gradient(light, mirror_z)
    if mirror_z < 0.12:
        # The houses across the street.
        t = max(mirror_z + 0.25, 0.0) / 0.37
        sky_r *= 0.25 + 0.75 * t * t
        sky_g *= 0.25 + 0.75 * t * t
        sky_b *= 0.25 + 0.75 * t * t
    dim = 1.0 - shade
    own_r, own_g, own_b = mirror * sky_r, mirror * sky_g, mirror * sky_b
    if light.night > 0.0:
        lit = (code >> 3) & 15
        share = 4 if material != SHOP else 11
        if lit < share:
            warm = 0.05 + 0.10 * ((code >> 16) & 255) / 255.0
            cold = 0.75 if (code >> 24) & 3 else 1.3
            own_r += light.night * warm
            own_g += light.night * warm * (0.62 + 0.2 * cold)
            own_b += light.night * warm * 0.45 * cold
    return (
        r * wall * dim + frame * paint + glass * room,
        g * wall * dim + frame * paint + glass * room,
        b * wall * dim + frame * paint + glass * room * 1.05,
        0.0,
        glass * own_r,
        glass * own_g,
        glass * own_b,
    )
