"""Metrics of local statistics: SSIM, MS-SSIM and VIF."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from fusionproxy.errors import FusionError
from fusionproxy.quality import kernels
from fusionproxy.quality.planes import F64, Trio

K1, K2 = 0.01, 0.03  # Wang et al. 2004
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang, Simoncelli and Bovik 2003
VIF_SCALES = 4
VIF_SMALLEST = 41  # pixels a side that leave one window at the fourth scale
MS_SSIM_SMALLEST = 161  # pixels a side that leave one 11 x 11 window at the fifth scale

Blur = Callable[[F64], F64]


def gaussian(size: int, sigma: float) -> F64:
    """Make a normalised 1-D Gaussian, (size,)."""
    x = np.arange(size) - (size - 1) / 2
    window = np.exp(-(x**2) / (2 * sigma**2))
    return np.asarray(window / window.sum())


def blur_gaussian(size: int, sigma: float) -> Blur:
    """Make a separable Gaussian blur over the valid area."""
    window, rim = gaussian(size, sigma), size // 2

    def blur(image: F64) -> F64:
        return _inner(cv2.sepFilter2D(image, cv2.CV_64F, window, window), rim)

    return blur


def blur_uniform(size: int) -> Blur:
    """Make a box mean over the valid area."""
    rim = size // 2
    return lambda image: _inner(cv2.boxFilter(image, cv2.CV_64F, (size, size)), rim)


def _inner(image: F64, rim: int) -> F64:
    return image[rim : image.shape[0] - rim, rim : image.shape[1] - rim]


class Moments(NamedTuple):
    """Local means of a source, the fused image, their squares and their product.

    Each is a plane of the valid area; `a` is the source and `b` the fused image.
    """

    mean_a: F64
    mean_b: F64
    square_a: F64
    square_b: F64
    product: F64


def moments(sources: tuple[F64, F64], fused: F64, blur: Blur) -> list[Moments]:
    """Moments of the fused image with each source; those of the fused image are shared."""
    mean_b, square_b = blur(fused), blur(fused * fused)
    return [
        Moments(blur(source), mean_b, blur(source * source), square_b, blur(source * fused))
        for source in sources
    ]


def _ssim_pair(local: Moments, data_range: float, sample: float) -> tuple[float, float]:
    """Mean of the SSIM map and mean of its contrast part."""
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    total, contrast = kernels.ssim_means(*local, c1, c2, sample)
    return float(total), float(contrast)


def _ssim_sum(images: Trio, blur: Blur, size: int, data_range: float, sample: float) -> float:
    _check_size(images, size, f"SSIM with a {size} x {size} window")
    pairs = moments((images.infrared, images.visible), images.fused, blur)
    return sum(_ssim_pair(local, data_range, sample)[0] for local in pairs)


def _check_size(images: Trio, side: int, what: str) -> None:
    height, width = images.fused.shape
    if min(height, width) < side:
        raise FusionError(
            f"{what} needs images of {side} x {side} or more, found {height} x {width}; "
            "choose other metrics, or measure at a larger size"
        )


def ssim_uniform_sum(images: Trio) -> float:
    """SSIM, uniform 7 x 7, sample covariance, range 255, sum over the sources (scikit-image)."""
    return _ssim_sum(images, blur_uniform(7), 7, 255.0, 49 / 48)


def ssim_uniform_mean(images: Trio) -> float:
    """SSIM as `uniform7-sum`, but the mean over the sources."""
    return ssim_uniform_sum(images) / 2


def ssim_uniform_range_2(images: Trio) -> float:
    """SSIM as `uniform7-sum` with range 2, as older scikit-image took float images in 0..255."""
    return _ssim_sum(images, blur_uniform(7), 7, 2.0, 49 / 48)


def ssim_gaussian_sum(images: Trio) -> float:
    """SSIM, Gaussian 11 x 11, sigma 1.5, range 255, valid area, sum over the sources (VIFB)."""
    return _ssim_sum(images, blur_gaussian(11, 1.5), 11, 255.0, 1.0)


def ssim_gaussian_mean(images: Trio) -> float:
    """SSIM as `gaussian11-sum`, but the mean over the sources (Linfeng-Tang)."""
    return ssim_gaussian_sum(images) / 2


def ms_ssim_sum(images: Trio) -> float:
    """MS-SSIM over five scales, Gaussian 11 x 11, range 255, sum over the sources.

    Between scales: 2 x 2 means, an odd last row or column repeated, as in the authors' MATLAB. A
    negative scale mean counts as zero, since its fractional power is not real.
    """
    _check_size(images, MS_SSIM_SMALLEST, "MS-SSIM")
    blur = blur_gaussian(11, 1.5)
    fused, sources = images.fused, (images.infrared, images.visible)
    products = [1.0, 1.0]
    for scale, weight in enumerate(SCALE_WEIGHTS):
        is_last = scale == len(SCALE_WEIGHTS) - 1
        for i, local in enumerate(moments(sources, fused, blur)):
            similarity, contrast = _ssim_pair(local, 255.0, 1.0)
            products[i] *= max(similarity if is_last else contrast, 0.0) ** weight
        if not is_last:
            fused, sources = halve(fused), (halve(sources[0]), halve(sources[1]))
    return sum(products)


def ms_ssim_mean(images: Trio) -> float:
    """MS-SSIM as `gaussian11-sum`, but the mean over the sources."""
    return ms_ssim_sum(images) / 2


def halve(image: F64) -> F64:
    """Halve an image by 2 x 2 means; an odd last row or column is repeated."""
    height, width = image.shape
    even = np.pad(image, ((0, height % 2), (0, width % 2)), mode="edge")
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4


def vif_sum(images: Trio) -> float:
    """VIF in the pixel domain, four scales, sum over the sources (CDDFuse, Linfeng-Tang)."""
    _check_size(images, VIF_SMALLEST, "VIF")
    kept, whole = np.zeros(2), np.zeros(2)
    fused, sources = images.fused, (images.infrared, images.visible)
    for scale in range(VIF_SCALES):
        size = 2 ** (VIF_SCALES - scale) + 1
        blur = blur_gaussian(size, size / 5)
        if scale:
            fused = blur(fused)[::2, ::2]
            sources = (blur(sources[0])[::2, ::2], blur(sources[1])[::2, ::2])
        for i, local in enumerate(moments(sources, fused, blur)):
            information = kernels.vif_information(*local)
            kept[i] += information[0]
            whole[i] += information[1]
    # A source without any structure counts as fully kept, as in the CDDFuse evaluator.
    return float(np.divide(kept, whole, out=np.ones(2), where=whole > 0).sum())


def vif_mean(images: Trio) -> float:
    """VIF as `vifp-sum`, but the mean over the sources."""
    return vif_sum(images) / 2
