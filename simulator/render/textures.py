"""Tileable grey textures with mip levels, grown from noise; 128 leaves a colour as it is."""

from __future__ import annotations

import numpy as np

from simulator.render.jit import small
from simulator.types import F64, U8

SIZE = 256
LEVELS = 9
ASPHALT, PAVING, GRASS, LEAF, BARK, BRICK, ROOF, CLOUD, PLASTER = range(9)
# Metres that one repeat of each texture covers, in the order of the names above.
REPEAT_M = np.array([4.0, 3.0, 3.0, 2.2, 1.0, 2.0, 4.0, 1.0, 6.0])
REPEATS_PER_M = 1.0 / REPEAT_M
LEVEL_START = np.array([sum((SIZE >> k) ** 2 for k in range(n)) for n in range(LEVELS)], np.int64)


def grow_textures(seed: int = 7) -> U8:
    """All textures with their mip levels one after the other, (9, texels)."""
    rng = np.random.default_rng(seed)
    layers = [
        _asphalt(rng),
        _paving(rng),
        1.0 + 0.22 * _noise(rng, 0.6) + 0.16 * _noise(rng, 1.6),
        1.0 + 0.55 * _noise(rng, 0.7),
        1.0 + 0.30 * np.repeat(_noise(rng, 0.7)[:1], SIZE, 0) + 0.12 * _noise(rng, 0.4),
        _brick(rng),
        1.0 + 0.10 * _noise(rng, 0.3) + 0.12 * _noise(rng, 1.5),
        1.0 + 0.33 * _noise(rng, 1.75),
        1.0 + 0.05 * _noise(rng, 0.5) + 0.06 * _noise(rng, 1.6),
    ]
    return np.stack([_mip_levels(layer) for layer in layers])


def _noise(rng: np.random.Generator, falloff: float) -> F64:
    """Periodic noise of unit deviation whose amplitude falls with frequency to `falloff`."""
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(SIZE), np.fft.fftfreq(SIZE)))
    f[0, 0] = np.inf
    spectrum = np.fft.fft2(rng.normal(size=(SIZE, SIZE))) / f**falloff
    field = np.real(np.fft.ifft2(spectrum))
    normed: F64 = (field - field.mean()) / field.std()
    return normed


def _asphalt(rng: np.random.Generator) -> F64:
    texture = 1.0 + 0.10 * _noise(rng, 0.1) + 0.07 * _noise(rng, 1.3)
    crack = np.abs(_noise(rng, 1.7))
    return np.asarray(texture - 0.22 * np.clip(1.0 - crack / 0.02, 0.0, 1.0))


def _paving(rng: np.random.Generator) -> F64:
    """Slabs of half a metre by a quarter, every other row moved by half a slab."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    cell_h = SIZE // 8
    cell_w = SIZE // 4
    row = y // cell_h
    moved = (x + (row % 2) * (cell_w // 2)) % SIZE
    tone = rng.normal(0.0, 0.055, (8, 4))[row, moved // cell_w]
    joint = (y % cell_h < 2) | (moved % cell_w < 2)
    return np.asarray(np.where(joint, 0.68, 1.0 + tone) + 0.04 * _noise(rng, 0.3))


def _brick(rng: np.random.Generator) -> F64:
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    row = y // 8
    moved = (x + (row % 2) * 16) % SIZE
    tone = rng.normal(0.0, 0.11, (SIZE // 8, SIZE // 32))[row, moved // 32]
    joint = (y % 8 < 1) | (moved % 32 < 1)
    return np.asarray(np.where(joint, 1.22, 0.97 + tone) + 0.04 * _noise(rng, 0.2))


def _mip_levels(layer: F64) -> U8:
    levels = []
    current = layer * 128.0
    for _ in range(LEVELS):
        levels.append(np.clip(current + 0.5, 0.0, 255.0).astype(np.uint8).ravel())
        if current.shape[0] > 1:
            current = current.reshape(current.shape[0] // 2, 2, -1, 2).mean((1, 3))
    return np.concatenate(levels)


@small
def sample(textures: U8, layer: int, u: float, v: float, footprint: float) -> float:
    """Filtered value around one.

    Args:
        textures: from `grow_textures`.
        layer: which texture.
        u: across, in repeats.
        v: along, in repeats.
        footprint: width of the pixel in repeats.
    """
    texels = footprint * SIZE
    level = 0
    while texels > 1.5 and level < LEVELS - 1:
        texels *= 0.5
        level += 1
    size = SIZE >> level
    x = u * size - 0.5
    y = v * size - 0.5
    x_floor = np.floor(x)
    y_floor = np.floor(y)
    fx = x - x_floor
    fy = y - y_floor
    x0 = int(x_floor) & (size - 1)
    y0 = int(y_floor) & (size - 1)
    x1 = (x0 + 1) & (size - 1)
    y1 = (y0 + 1) & (size - 1)
    start = LEVEL_START[level]
    upper = textures[layer, start + y0 * size + x0] * (1.0 - fx)
    upper += textures[layer, start + y0 * size + x1] * fx
    lower = textures[layer, start + y1 * size + x0] * (1.0 - fx)
    lower += textures[layer, start + y1 * size + x1] * fx
    return float((upper * (1.0 - fy) + lower * fy) * (1.0 / 128.0))
