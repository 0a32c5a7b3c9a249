"""Dual masked views of one natural image: what Mask-DiFuser restores (numpy and OpenCV only)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class CorruptionConfig:
    """How views are corrupted; numbers of the paper as reconstructed in our notes."""

    patch: int = 8  # pixels a side
    grey_share: float = 0.9  # of the patches of a half; the rest is from the degraded copy
    other_share: float = 0.1  # of the other view's patches that are degraded as well


class Views(NamedTuple):
    """Two corrupted views (H, W, 3) in [0, 1] that together hold the image."""

    first: F32
    second: F32


def blur(image: F32, rng: np.random.Generator) -> F32:
    """Gaussian, kernel 3, 5 or 7."""
    size = int(rng.choice([3, 5, 7]))
    return np.asarray(cv2.GaussianBlur(image, (size, size), 0), dtype=np.float32)


def noise(image: F32, rng: np.random.Generator) -> F32:
    """Gaussian, 5 to 35 levels of 255."""
    sigma = rng.uniform(5, 35) / 255
    noisy = image + sigma * rng.standard_normal(image.shape, np.float32)
    return np.clip(noisy, 0, 1).astype(np.float32)


def snow(image: F32, rng: np.random.Generator) -> F32:
    """White flakes drawn out by the wind."""
    flakes = (rng.random(image.shape[:2]) > 0.985).astype(np.float32)
    length = int(rng.integers(2, 6))
    streak = np.zeros((length, length), np.float32)
    streak[np.arange(length), np.arange(length)] = 1.0
    layer = cv2.filter2D(flakes, -1, streak if rng.random() < 0.5 else streak[:, ::-1])
    layer = cv2.GaussianBlur(layer, (3, 3), 0)[..., None]
    snowy = image + np.float32(rng.uniform(0.6, 1.2)) * layer
    return np.asarray(np.clip(snowy, 0, 1), dtype=np.float32)


def phase_swap(image: F32, rng: np.random.Generator) -> F32:
    """The image's phase with the amplitudes of its shuffled self: contrast without its order."""
    spectrum = np.fft.fft2(image, axes=(0, 1))
    rows, columns = rng.permutation(image.shape[0]), rng.permutation(image.shape[1])
    other = np.fft.fft2(image[rows][:, columns], axes=(0, 1))
    mixed = np.abs(other) * np.exp(1j * np.angle(spectrum))
    return np.clip(np.fft.ifft2(mixed, axes=(0, 1)).real, 0, 1).astype(np.float32)


def gamma(image: F32, rng: np.random.Generator) -> F32:
    """Exponent 0.3 to 3, evenly on a logarithmic scale."""
    exponent = np.exp(rng.uniform(np.log(0.3), np.log(3.0)))
    return np.asarray(image**exponent, dtype=np.float32)


DEGRADATIONS: Mapping[str, Callable[[F32, np.random.Generator], F32]] = {
    "blur": blur,
    "noise": noise,
    "snow": snow,
    "phase_swap": phase_swap,
    "gamma": gamma,
}


def degrade(image: F32, rng: np.random.Generator) -> F32:
    """One degradation of the whole image, drawn at random."""
    names = list(DEGRADATIONS)
    return DEGRADATIONS[names[int(rng.integers(len(names)))]](image, rng)


def corrupt(image: F32, rng: np.random.Generator, config: CorruptionConfig | None = None) -> Views:
    """Split the patches in halves; the first view loses one half, the second the other.

    Args:
        image: clean RGB (H, W, 3) in [0, 1].
        rng: source of everything random.
        config: shares and patch size.
    """
    config = config or CorruptionConfig()
    rows, columns = (-(-side // config.patch) for side in image.shape[:2])
    order = rng.permutation(rows * columns)
    in_a = np.zeros(rows * columns, np.bool_)
    in_a[order[: rows * columns // 2]] = True
    level = np.float32(rng.random())  # the same grey in both views
    degraded = degrade(image, rng), degrade(image, rng)
    views = []
    for half, copy in zip((in_a, ~in_a), degraded, strict=True):
        chance = rng.random((2, rows * columns))
        grey = half & (chance[0] < config.grey_share)
        poor = (half & ~grey) | (~half & (chance[1] < config.other_share))
        view = image.copy()
        view[_pixels(poor, (rows, columns), config.patch, image)] = copy[
            _pixels(poor, (rows, columns), config.patch, image)
        ]
        view[_pixels(grey, (rows, columns), config.patch, image)] = level
        views.append(view)
    return Views(views[0], views[1])


def _pixels(patches: Mask, grid: tuple[int, int], size: int, image: F32) -> Mask:
    wide = patches.reshape(grid).repeat(size, 0).repeat(size, 1)
    return wide[: image.shape[0], : image.shape[1]]
