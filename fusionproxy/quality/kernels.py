"""Loops over pixels, compiled once and kept on disk; numpy would need a dozen passes each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionproxy.numba_cache import kept

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from fusionproxy.quality.planes import F64

VIF_NOISE = 2.0  # variance of the visual noise, Sheikh and Bovik 2006
VIF_EPSILON = 1e-10
FACTORS = 16  # of the form 1 + x with x < 1e5 in one logarithm: their product stays below 1e80


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function that releases the interpreter lock and keeps the order of sums."""
    made: Callable[..., Any] = kept(function, nogil=True)
    return made


@compiled
def vif_information(
    mean_a: F64, mean_b: F64, square_a: F64, square_b: F64, product: F64
) -> tuple[float, float]:
    """Information of a that b keeps, and a's own, in nats, from blurred planes (H, W)."""
    kept = whole = 0.0
    for y in range(mean_a.shape[0]):
        kept_factors = whole_factors = 1.0
        for x in range(mean_a.shape[1]):
            mu_a, mu_b = mean_a[y, x], mean_b[y, x]
            variance_a = max(square_a[y, x] - mu_a * mu_a, 0.0)
            variance_b = max(square_b[y, x] - mu_b * mu_b, 0.0)
            covariance = product[y, x] - mu_a * mu_b
            gain = covariance / (variance_a + VIF_EPSILON)
            noise = variance_b - gain * covariance
            if variance_a < VIF_EPSILON:
                gain, noise, variance_a = 0.0, variance_b, 0.0
            if variance_b < VIF_EPSILON:
                gain, noise = 0.0, 0.0
            if gain < 0.0:
                gain, noise = 0.0, variance_b
            noise = max(noise, VIF_EPSILON)
            kept_factors *= 1.0 + gain * gain * variance_a / (noise + VIF_NOISE)
            whole_factors *= 1.0 + variance_a / VIF_NOISE
            if x % FACTORS == FACTORS - 1:
                kept += math.log(kept_factors)
                whole += math.log(whole_factors)
                kept_factors = whole_factors = 1.0
        kept += math.log(kept_factors)
        whole += math.log(whole_factors)
    return kept, whole


@compiled
def ssim_means(
    mean_a: F64,
    mean_b: F64,
    square_a: F64,
    square_b: F64,
    product: F64,
    c1: float,
    c2: float,
    sample: float,
) -> tuple[float, float]:
    """Means of the SSIM map and of its contrast part, from blurred planes (H, W).

    `sample` scales the (co)variances: 1, or n / (n - 1) for unbiased ones.
    """
    total = contrast_total = 0.0
    for y in range(mean_a.shape[0]):
        for x in range(mean_a.shape[1]):
            mu_a, mu_b = mean_a[y, x], mean_b[y, x]
            cross, squares = mu_a * mu_b, mu_a * mu_a + mu_b * mu_b
            variances = sample * (square_a[y, x] + square_b[y, x] - squares)
            covariance = sample * (product[y, x] - cross)
            contrast = (2 * covariance + c2) / (variances + c2)
            contrast_total += contrast
            total += contrast * (2 * cross + c1) / (squares + c1)
    return total / mean_a.size, contrast_total / mean_a.size


@compiled
def edges(image: F64) -> tuple[F64, F64]:
    """Sobel strength and angle, each (H, W), with zeros beyond the edge.

    The angle is pi/2 where the horizontal gradient is zero.
    """
    height, width = image.shape
    padded = np.zeros((height + 2, width + 2))
    padded[1:-1, 1:-1] = image
    strength, angle = np.empty((height, width)), np.empty((height, width))
    for y in range(height):
        for x in range(width):
            up, at, down = padded[y], padded[y + 1], padded[y + 2]
            # convolution, not correlation: the kernels are flipped
            gx = (up[x] - up[x + 2]) + 2 * (at[x] - at[x + 2]) + (down[x] - down[x + 2])
            gy = (down[x] + 2 * down[x + 1] + down[x + 2]) - (up[x] + 2 * up[x + 1] + up[x + 2])
            strength[y, x] = math.sqrt(gx * gx + gy * gy)
            angle[y, x] = math.atan(gy / gx) if gx != 0.0 else math.pi / 2
    return strength, angle


@compiled
def kept_edges(
    strength: F64,
    angle: F64,
    fused_strength: F64,
    fused_angle: F64,
    sigmoids: tuple[float, float, float, float, float, float],
    ties_are_one: bool,
) -> float:
    """Sum over pixels of the source's edge strength times the share that the fused image keeps."""
    gain_g, slope_g, centre_g, gain_a, slope_a, centre_a = sigmoids
    total = 0.0
    for y in range(strength.shape[0]):
        for x in range(strength.shape[1]):
            source, fused = strength[y, x], fused_strength[y, x]
            if source == 0.0:
                continue
            if source == fused:
                ratio = 1.0 if ties_are_one else fused
            else:
                ratio = min(source, fused) / max(source, fused)
            alignment = 1.0 - abs(angle[y, x] - fused_angle[y, x]) / (math.pi / 2)
            kept = gain_g / (1.0 + math.exp(slope_g * (ratio - centre_g)))
            kept *= gain_a / (1.0 + math.exp(slope_a * (alignment - centre_a)))
            total += kept * source
    return total


@compiled
def gradients(image: F64) -> tuple[float, float, float]:
    """Sums over an image (H, W) that SF and AG are made of.

    They are the squared row differences, the squared column differences, and
    sqrt((gx^2 + gy^2) / 2) of the central differences.
    """
    height, width = image.shape
    rows = columns = total = 0.0
    for y in range(height):
        above, below = max(y - 1, 0), min(y + 1, height - 1)
        for x in range(width):
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            gy = (image[below, x] - image[above, x]) / (below - above)
            gx = (image[y, right] - image[y, left]) / (right - left)
            total += math.sqrt((gx * gx + gy * gy) / 2)
            rows += (image[below, x] - image[y, x]) ** 2
            columns += (image[y, right] - image[y, x]) ** 2
    return rows, columns, total


@compiled
def joint_histogram(a: NDArray[np.intp], b: NDArray[np.intp]) -> NDArray[np.intp]:
    """Counts (256, 256) of the pairs of levels 0..255 in two images (H, W)."""
    counts = np.zeros((256, 256), np.intp)
    for y in range(a.shape[0]):
        for x in range(a.shape[1]):
            counts[a[y, x], b[y, x]] += 1
    return counts
