"""Metrics of gradients: spatial frequency (SF), average gradient (AG), edge transfer (Qabf)."""

from __future__ import annotations

from fusionproxy.quality import kernels
from fusionproxy.quality.planes import Trio

# Xydeas and Petrovic 2000, as in the CDDFuse evaluator, Linfeng-Tang's MATLAB and VIFB
STRENGTH = (0.9994, -15.0, 0.5)  # Tg, kg, Dg
ANGLE = (0.9879, -22.0, 0.8)  # Ta, ka, Da


def spatial_frequency(images: Trio) -> float:
    """SF: root of the mean squared row and column differences, over N - 1 differences."""
    rows, columns, _ = kernels.gradients(images.fused)
    height, width = images.fused.shape
    return float((columns / (height * (width - 1)) + rows / ((height - 1) * width)) ** 0.5)


def spatial_frequency_pixels(images: Trio) -> float:
    """SF divided by the number of pixels (VIFB)."""
    rows, columns, _ = kernels.gradients(images.fused)
    return float(((rows + columns) / images.fused.size) ** 0.5)


def average_gradient(images: Trio) -> float:
    """AG: mean of sqrt((gx^2 + gy^2) / 2), central differences (CDDFuse)."""
    return float(kernels.gradients(images.fused)[2] / images.fused.size)


def average_gradient_inner(images: Trio) -> float:
    """AG divided by (rows - 1)(columns - 1) (Linfeng-Tang, VIFB)."""
    height, width = images.fused.shape
    return float(kernels.gradients(images.fused)[2] / ((height - 1) * (width - 1)))


def edge_transfer(images: Trio) -> float:
    """Qabf: the share of the sources' edges that is kept; NaN where the sources have none.

    As in the references, equal strengths give the strength itself as ratio: below 1 it counts as
    a loss, above as none.
    """
    return _edge_transfer(images, ties_are_one=False)


def edge_transfer_ties(images: Trio) -> float:
    """Qabf with the ratio 1 where strengths are equal, as the paper defines it."""
    return _edge_transfer(images, ties_are_one=True)


def _edge_transfer(images: Trio, *, ties_are_one: bool) -> float:
    fused, fused_angle = kernels.edges(images.fused)
    kept = weight = 0.0
    for image in (images.infrared, images.visible):
        source, angle = kernels.edges(image)
        sigmoids = (*STRENGTH, *ANGLE)
        kept += kernels.kept_edges(source, angle, fused, fused_angle, sigmoids, ties_are_one)
        weight += float(source.sum())
    return kept / weight if weight > 0 else float("nan")
