"""Metrics of grey levels: entropy, mutual information, SD, SCD, PSNR."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fusionproxy.quality import kernels
from fusionproxy.quality.planes import F64, Trio, levels

Levels = NDArray[np.intp]


def entropy_rounded(images: Trio) -> float:
    """EN in bits, of the rounded 8-bit histogram (CDDFuse, Linfeng-Tang)."""
    return _entropy(levels(images.fused)) / math.log(2.0)


def entropy_floored(images: Trio) -> float:
    """EN in bits, of the 8-bit histogram rounded down (VIFB)."""
    return _entropy(np.floor(images.fused).astype(np.intp)) / math.log(2.0)


def _entropy(symbols: Levels) -> float:
    """Shannon entropy in nats of non-negative integers."""
    return _entropy_of(np.bincount(symbols.ravel()))


def _entropy_of(counts: Levels) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _information(a: Levels, b: Levels) -> float:
    joint = kernels.joint_histogram(a, b)
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    return sum(map(_entropy_of, (rows, columns))) - _entropy_of(joint)


def mutual_information_nats(images: Trio) -> float:
    """MI in nats, 256 levels, sum over the sources (CDDFuse)."""
    fused = levels(images.fused)
    sources = (levels(images.infrared), levels(images.visible))
    return sum(_information(fused, source) for source in sources)


def mutual_information_bits(images: Trio) -> float:
    """MI in bits, 256 levels, sum over the sources (Linfeng-Tang)."""
    return mutual_information_nats(images) / math.log(2.0)


def mutual_information_stretched(images: Trio) -> float:
    """MI in nats after stretching each image to its full 256 levels (VIFB)."""
    fused = _stretched(images.fused)
    sources = (_stretched(images.infrared), _stretched(images.visible))
    return sum(_information(fused, source) for source in sources)


def _stretched(image: F64) -> Levels:
    low, high = image.min(), image.max()
    if low == high:
        return np.zeros(image.shape, np.intp)
    # MATLAB's int16() rounds half up for positive numbers
    return np.asarray(np.floor((image - low) / (high - low) * 255 + 0.5).astype(np.intp))


def deviation(images: Trio) -> float:
    """SD: population standard deviation of the fused image."""
    return float(images.fused.std())


def correlations_of_differences(images: Trio) -> float:
    """SCD: corr(I, F - V) + corr(V, F - I); NaN where one of them is constant."""
    fused, infrared, visible = images
    return _correlation(infrared, fused - visible) + _correlation(visible, fused - infrared)


def _correlation(a: F64, b: F64) -> float:
    a, b = a - a.mean(), b - b.mean()
    power = float((a * a).sum()) * float((b * b).sum())
    return float((a * b).sum()) / power**0.5 if power > 0 else float("nan")


def _mean_square_error(images: Trio) -> float:
    """Mean of the two mean squared differences to the sources."""
    fused, infrared, visible = images
    return float(((infrared - fused) ** 2).mean() + ((visible - fused) ** 2).mean()) / 2


def _decibel(ratio_top: float, ratio_bottom: float) -> float:
    return float("inf") if ratio_bottom == 0 else float(10 * np.log10(ratio_top / ratio_bottom))


def psnr_peak_255(images: Trio) -> float:
    """PSNR in dB with peak 255, of the mean squared error to both sources."""
    return _decibel(255.0**2, _mean_square_error(images))


def psnr_peak_fused(images: Trio) -> float:
    """PSNR in dB whose peak is the maximum of the fused image (CDDFuse)."""
    peak = float(images.fused.max())
    return _decibel(peak**2, _mean_square_error(images)) if peak > 0 else float("nan")


def psnr_unit_error(images: Trio) -> float:
    """PSNR in dB with peak 255 but the error of images in 0..1 (Linfeng-Tang): 48.13 dB more."""
    return _decibel(255.0**2, _mean_square_error(images) / 255.0**2)


def psnr_root_error(images: Trio) -> float:
    """PSNR in dB of VIFB, whose error is the root of the summed squares over the pixel count."""
    fused, infrared, visible = images
    roots = [float(((source - fused) ** 2).sum()) ** 0.5 for source in (infrared, visible)]
    return _decibel(255.0**2, sum(roots) / fused.size / 2)
