"""House fronts: where in the grid of bays and floors a point lies, filtered over the pixel."""

from __future__ import annotations

import numpy as np

from simulator.render.jit import small
from simulator.types import Material

RIBBON = int(Material.FACADE_RIBBON)
BRICK = int(Material.FACADE_BRICK)
SHOP = int(Material.FACADE_SHOP)


@small
def scramble(a: int, b: int, c: int) -> int:
    """A 32-bit hash of three integers (constants of Murmur3)."""
    h = np.uint32(a) * np.uint32(0xCC9E2D51) ^ np.uint32(b) * np.uint32(0x1B873593)
    h ^= np.uint32(c) * np.uint32(0x85EBCA6B)
    h = np.uint32(h)
    h ^= h >> np.uint32(16)
    h = np.uint32(h * np.uint32(0x85EBCA6B))
    h ^= h >> np.uint32(13)
    h = np.uint32(h * np.uint32(0xC2B2AE35))
    h ^= h >> np.uint32(16)
    return int(h)


@small
def cover(t: float, low: float, high: float, width: float) -> float:
    """Share of a pixel of `width` at `t` that lies in [low, high] of a pattern with period one."""
    if width >= 1.0:
        return high - low
    a = t - 0.5 * width
    b = t + 0.5 * width
    inside = max(min(b, high) - max(a, low), 0.0)
    inside += max(min(b, high + 1.0) - max(a, low + 1.0), 0.0)
    inside += max(min(b, high - 1.0) - max(a, low - 1.0), 0.0)
    return min(inside / max(width, 1e-4), 1.0)


@small
def window(
    kind: int, u: float, v: float, wide_u: float, wide_v: float, seed: int
) -> tuple[float, float, float, int]:
    """What of a facade a pixel sees.

    Args:
        kind: material of the facade.
        u: bays.
        v: floors.
        wide_u: width of the pixel in bays.
        wide_v: in floors.
        seed: of the building's front.

    Returns:
        Shares of glass and of frame, darkness below sills and lintels, hash of the window.
    """
    iu = np.floor(u)
    iv = np.floor(v)
    tu = u - iu
    tv = v - iv
    low_u, high_u, low_v, high_v, rim = 0.27, 0.73, 0.26, 0.80, 0.035
    if kind == RIBBON:
        low_u, high_u, low_v, high_v, rim = 0.015, 0.985, 0.34, 0.86, 0.022
    elif kind == BRICK:
        low_u, high_u, low_v, high_v, rim = 0.30, 0.70, 0.22, 0.78, 0.04
    elif kind == SHOP:
        low_u, high_u, low_v, high_v, rim = 0.06, 0.94, 0.10, 0.74, 0.025
    elif seed & 3 == 1:
        low_u, high_u, low_v, high_v = 0.34, 0.66, 0.14, 0.82
    elif seed & 3 == 2:
        low_u, high_u, low_v, high_v = 0.18, 0.82, 0.30, 0.80
    hole = cover(tu, low_u, high_u, wide_u) * cover(tv, low_v, high_v, wide_v)
    glass = cover(tu, low_u + rim, high_u - rim, wide_u)
    glass *= cover(tv, low_v + rim, high_v - rim, wide_v)
    if kind != SHOP:
        middle = 0.5 * (low_u + high_u)
        glass *= 1.0 - cover(tu, middle - 0.4 * rim, middle + 0.4 * rim, wide_u)
    shade = cover(tu, low_u - 0.02, high_u + 0.02, wide_u)
    shade *= cover(tv, low_v - 0.07, low_v - 0.035, wide_v) * 0.45
    if kind == RIBBON:
        shade = 0.25 * cover(tv, low_v - 0.03, low_v, wide_v)
    elif kind == SHOP:
        shade = 0.0
    return glass, max(hole - glass, 0.0), shade, scramble(int(iu), int(iv), seed)
