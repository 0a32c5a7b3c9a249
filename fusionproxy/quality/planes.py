"""Grey planes that the metrics are computed on, and the checks of the images given."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from fusionproxy.errors import FusionError

F64 = NDArray[np.float64]
SMALLEST = 2  # pixels a side: below it there is no gradient


class Trio(NamedTuple):
    """A fused image and its two sources, each (H, W) float64 in 0..255."""

    fused: F64
    infrared: F64
    visible: F64


def trio(fused: NDArray[Any], infrared: NDArray[Any], visible: NDArray[Any]) -> Trio:
    """Bring three images of one size to grey planes.

    Args:
        fused: (H, W) or (H, W, 3) RGB; uint8, or float in 0..255.
        infrared: as `fused`.
        visible: as `fused`.

    Raises:
        FusionError: an image has another type, shape or range, holds NaN, or has a side below two
            pixels, or the sizes differ.
    """
    planes = Trio(plane("fused", fused), plane("infrared", infrared), plane("visible", visible))
    sizes = {name: image.shape for name, image in planes._asdict().items()}
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{name} {h} x {w}" for name, (h, w) in sizes.items())
        raise FusionError(f"expected three images of one size, found {found} (rows x columns)")
    return planes


def plane(name: str, image: NDArray[Any]) -> F64:
    """Bring an image to a grey plane (H, W) in 0..255; RGB becomes luma, rounded as in OpenCV."""
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise FusionError(f"{name}: expected (H, W) or (H, W, 3), found {image.shape}")
    if min(image.shape[:2]) < SMALLEST:
        raise FusionError(
            f"{name}: {image.shape[0]} x {image.shape[1]} pixels; "
            f"metrics need at least {SMALLEST} x {SMALLEST}"
        )
    if image.dtype == np.uint8:
        grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        return grey.astype(np.float64)
    if image.dtype.kind != "f":
        raise FusionError(
            f"{name}: expected uint8 or float in 0..255, found {image.dtype}; "
            "bring 16-bit images to 8 bits with their declared range first"
        )
    _check_range(name, image)
    if image.ndim == 2:
        return image.astype(np.float64)
    return np.asarray(image.astype(np.float64) @ np.array([0.299, 0.587, 0.114]))  # (H, W)


def _check_range(name: str, image: NDArray[Any]) -> None:
    if not np.isfinite(image).all():
        raise FusionError(f"{name}: {np.count_nonzero(~np.isfinite(image))} values are NaN or inf")
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > 255:
        raise FusionError(f"{name}: expected values in 0..255, found {low:g}..{high:g}")


def levels(image: F64) -> NDArray[np.intp]:
    """Round a plane to grey levels 0..255 as the CDDFuse evaluator does (half to even)."""
    return np.rint(image).astype(np.intp)
