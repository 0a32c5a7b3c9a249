"""A camera's picture as the network takes it, and its classes back at the picture's size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fusiondrive.types import Image

MULTIPLE = 32  # of the network's sides


def padded(picture: Image) -> NDArray[np.float32]:
    """A picture, (H, W, 3) uint8, as (1, 3, h, w) of 0 to 255; black at the right and below."""
    rows, columns = picture.shape[:2]
    planes = np.zeros((1, 3, rows + -rows % MULTIPLE, columns + -columns % MULTIPLE), np.float32)
    planes[0, :, :rows, :columns] = picture.transpose(2, 0, 1)
    return planes


def enlarged(logits: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.uint8]:
    """The likeliest class of each pixel, (rows, columns), from (classes, h, w) at a quarter."""
    size = (4 * logits.shape[2], 4 * logits.shape[1])
    planes = [cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in logits]
    return np.asarray(np.stack(planes).argmax(0)[:rows, :columns], np.uint8)
