"""From the camera's image to the network's input: one code path for training and driving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fusiondrive.errors import WeightsError
from fusiondrive.types import Image

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """Saved with every checkpoint; defaults are coiltraine's rows 90 to 485 of 600."""

    crop_top: float = 90.0 / 600.0  # share of the image height
    crop_bottom: float = 485.0 / 600.0
    width: int = 200
    height: int = 88
    mean: tuple[float, float, float] = IMAGENET_MEAN  # of RGB / 255
    std: tuple[float, float, float] = IMAGENET_STD
    bgr: bool = False  # whether the network was trained on blue first
    speed_scale_mps: float = 12.0

    def crop_resize(self, image: Image) -> Image:
        """Cut the rows and shrink by area averaging; (H, W, 3) to (height, width, 3) uint8 RGB."""
        rows = image.shape[0]
        cut = image[round(self.crop_top * rows) : round(self.crop_bottom * rows)]
        small = cv2.resize(cut, (self.width, self.height), interpolation=cv2.INTER_AREA)
        return np.asarray(small, dtype=np.uint8)

    def to_input(self, small: Image) -> NDArray[np.float32]:
        """Scale and normalise; (height, width, 3) uint8 to (1, 3, height, width)."""
        values = cv2.LUT(small, _levels(self.mean, self.std))
        if self.bgr:
            values = values[..., ::-1]
        return np.ascontiguousarray(values.transpose(2, 0, 1)[None])

    def speed_input(self, speed_mps: float) -> NDArray[np.float32]:
        """(1, 1) scaled speed."""
        return np.full((1, 1), speed_mps / self.speed_scale_mps, dtype=np.float32)

    def to_dict(self) -> dict[str, object]:
        """Plain values for a model card."""
        return asdict(self)


@lru_cache
def _levels(mean: tuple[float, ...], std: tuple[float, ...]) -> NDArray[np.float32]:
    """What the network is given for each of a channel's 256 levels, (1, 256, 3)."""
    levels = np.arange(256, dtype=np.float32)[:, None] / np.float32(255.0)
    table = (levels - np.array(mean, np.float32)) / np.array(std, np.float32)
    return np.ascontiguousarray(table[None], dtype=np.float32)


def preprocessing_from(card: Mapping[str, object], source: str) -> Preprocessing:
    """Rebuild from a model card.

    Raises:
        WeightsError: the card's `preprocessing` is missing or does not fit; names the card.
    """
    values = card.get("preprocessing")
    if not isinstance(values, dict):
        raise WeightsError(f"{source}: no 'preprocessing' in it; not a model card of this project")
    try:
        plain = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return Preprocessing(**plain)  # type: ignore[arg-type]
    except TypeError as err:
        raise WeightsError(f"{source}: preprocessing: {err}") from err
