"""One labelled frame: what a camera saw, encoded, and who is where in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fusiondrive.errors import ConfigError, unknown_name
from fusiondrive.types import CameraSpec, Image
from perceivers.kinds import KINDS

JPEG_QUALITY = 95
LEAST_HEIGHT_PX, LEAST_VISIBLE = 6.0, 0.2  # of whom detectors are asked for


@dataclass(frozen=True)
class RoadUser:
    """Somebody in a frame; the rectangle holds the pixels of them that are visible."""

    kind: str  # of `KINDS`
    left: float  # px, as are the others; right and bottom are beyond the last pixel
    top: float
    right: float
    bottom: float
    distance_m: float  # of the nearest visible point, along the camera's axis
    visible: float  # share of their silhouette that nothing else hides, 0 to 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown_name("kind of road user", self.kind, KINDS)
        values = (self.left, self.top, self.right, self.bottom, self.distance_m, self.visible)
        if not np.isfinite(values).all() or self.left >= self.right or self.top >= self.bottom:
            raise ConfigError(f"road user: expected finite numbers and a rectangle, found {self}")

    @property
    def height_px(self) -> float:
        """Of the rectangle."""
        return self.bottom - self.top

    @property
    def is_asked_for(self) -> bool:
        """Whether they are large and visible enough that a detector must find them."""
        return self.height_px >= LEAST_HEIGHT_PX and self.visible >= LEAST_VISIBLE


@dataclass(frozen=True)
class LabelledFrame:
    """One camera's pictures of one scene, encoded, with their labels."""

    town: str
    pose: str  # id, unique in the set together with weather and camera
    weather: str
    camera: CameraSpec
    rgb: bytes  # JPEG or PNG of (H, W, 3)
    tags: bytes  # PNG of CARLA's class ids, (H, W)
    objects: tuple[RoadUser, ...]
    thermal_settings: str = ""  # such as `fog_ratio=0.5`; empty without a thermal picture
    thermal: bytes = b""  # PNG of (H, W); may be empty

    def rgb_image(self) -> Image:
        """The visible picture, (H, W, 3) uint8 RGB.

        Raises:
            ConfigError: the bytes are no picture of the camera's size.
        """
        return np.ascontiguousarray(self._decoded("rgb", cv2.IMREAD_COLOR)[:, :, ::-1])

    def thermal_image(self) -> Image:
        """The thermal picture, (H, W) uint8.

        Raises:
            ConfigError: there is none, or the bytes are no picture of the camera's size.
        """
        return self._decoded("thermal", cv2.IMREAD_GRAYSCALE)

    def tag_image(self) -> NDArray[np.uint8]:
        """CARLA's class ids, (H, W) uint8.

        Raises:
            ConfigError: the bytes are no picture of the camera's size.
        """
        return self._decoded("tags", cv2.IMREAD_GRAYSCALE)

    def _decoded(self, name: str, mode: int) -> Image:
        data = np.frombuffer(getattr(self, name), np.uint8)
        image = cv2.imdecode(data, mode) if data.size else None
        expected = (self.camera.height, self.camera.width)
        if image is None or image.shape[:2] != expected:
            found = "none" if image is None else f"{image.shape[1]} x {image.shape[0]}"
            raise ConfigError(
                f"frame {self.pose} in {self.weather}: expected a picture '{name}' of "
                f"{expected[1]} x {expected[0]} pixels, found {found}"
            )
        return np.asarray(image, np.uint8)


def encode_rgb(image: Image, *, as_png: bool = False) -> bytes:
    """A visible picture, (H, W, 3) RGB, as JPEG or PNG."""
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return _encoded(image[:, :, ::-1], ".png" if as_png else ".jpg", [] if as_png else options)


def encode_grey(image: NDArray[np.uint8]) -> bytes:
    """A thermal picture or class ids, (H, W), as PNG."""
    return _encoded(image, ".png", [])


def _encoded(image: Image, suffix: str, options: Sequence[int]) -> bytes:
    is_done, data = cv2.imencode(suffix, image, options)
    assert is_done  # memory alone could lack
    return bytes(data)
