"""Fuses numpy images with an exported student, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fusionproxy.errors import FusionError
from fusionproxy.formats import weights_hash
from fusionproxy.runtime import OnnxModel

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
BORDER = 32  # a network file reflects sides up to a multiple of this


class OnnxStudent:
    """A student in an ONNX file or an OpenVINO IR that takes any image size."""

    def __init__(self, path: Path, threads: int = 2, runtime: str | None = None) -> None:
        self._model = OnnxModel(path, threads, runtime)
        self._path = path
        self._buffers = _Buffers((0, 0))

    @property
    def runtime(self) -> str:
        """Name of the runtime in use."""
        return self._model.runtime

    def weights_hash(self) -> str:
        """SHA-256 of the file, first 12 hex digits."""
        return weights_hash(self._path)

    def fuse(self, rgb: U8, thermal: U8) -> U8:
        """Fuse one aligned pair.

        Args:
            rgb: (H, W, 3) uint8.
            thermal: (H, W) uint8.

        Returns:
            (H, W, 3) uint8 RGB.

        Raises:
            FusionError: a shape or type is not the expected one, or the sizes differ.
        """
        check_pair(rgb, thermal)
        height, width = thermal.shape
        if is_tiny(height, width):
            return self.fuse(grown(rgb, 0), grown(thermal, 0))[:height, :width]
        if self._buffers.size != thermal.shape:
            self._buffers = _Buffers((height, width))
        buffers = self._buffers
        buffers.fill(rgb, thermal)
        fused = self._model.views_of_images(buffers.infrared, buffers.visible)[0][0]  # (H, W, 3)
        return np.asarray(cv2.convertScaleAbs(fused[:height, :width], alpha=255.0))  # rounds


def unit_planes(rgb: U8, thermal: U8) -> tuple[F32, F32]:
    """Convert a pair to the planes in [0, 1] that a network file takes.

    Args:
        rgb: (H, W, 3) uint8.
        thermal: (H, W) uint8.

    Returns:
        Infrared (1, 1, H, W) and visible (1, 3, H, W).
    """
    scale = np.float32(1 / 255)
    infrared = thermal[None, None] * scale
    return infrared, np.ascontiguousarray(rgb.transpose(2, 0, 1)[None] * scale)


class _Buffers:
    """Float images of one size, kept because new memory for each frame costs page faults.

    They have the border already that a network file would reflect: a file's own takes longer.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self._below, self._right = (-side % BORDER for side in size)
        height, width = size[0] + self._below, size[1] + self._right
        self.visible = np.empty((1, height, width, 3), np.float32)
        self.infrared = np.empty((1, height, width, 1), np.float32)

    def fill(self, rgb: U8, thermal: U8) -> None:
        """Take a pair, scaled to [0, 1]."""
        scale = np.float32(1 / 255)
        np.multiply(self._bordered(rgb), scale, out=self.visible[0])
        np.multiply(self._bordered(thermal), scale, out=self.infrared[0, :, :, 0])

    def _bordered(self, image: U8) -> U8:
        more = (0, self._below, 0, self._right)
        return np.asarray(cv2.copyMakeBorder(image, *more, cv2.BORDER_REFLECT_101), dtype=np.uint8)


def is_tiny(height: int, width: int) -> bool:
    """Whether an image is too small for the border that a network file reflects."""
    return -height % BORDER >= height or -width % BORDER >= width


def grown(image: NDArray[Any], axis: int) -> NDArray[Any]:
    """Repeat the edge up to a multiple of `BORDER`, as students in torch do with tiny images.

    Args:
        image: an array with rows along `axis` and columns along the axis after it.
        axis: number of the axis of rows, from 0.
    """
    more = [(0, 0)] * image.ndim
    for side in (axis, axis + 1):
        more[side] = (0, -image.shape[side] % BORDER)
    return np.pad(image, more, mode="edge")


def check_pair(rgb: U8, thermal: U8) -> None:
    """Raise FusionError where the pair is not (H, W, 3) and (H, W) of uint8 and one size."""
    for name, image, dims in (("rgb", rgb, 3), ("thermal", thermal, 2)):
        if image.dtype != np.uint8:
            raise FusionError(f"{name}: expected uint8 in 0..255, found {image.dtype}")
        if image.ndim != dims:
            expected = "(H, W, 3)" if dims == 3 else "(H, W)"
            raise FusionError(f"{name}: expected shape {expected}, found {image.shape}")
    if rgb.shape[2] != 3:
        raise FusionError(f"rgb: expected 3 channels, found {rgb.shape[2]}")
    if rgb.shape[:2] != thermal.shape:
        raise FusionError(f"rgb is {rgb.shape[:2]} but thermal is {thermal.shape}; resize one")
