"""What an enhancer is."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from fusiondrive.provenance import text_hash

U8 = NDArray[np.uint8]


class Enhancer(ABC):
    """What makes a better image of a visible one."""

    label: str = ""
    looks: tuple[int, ...] = ()
    """Versions of the embedded renderer's pictures it was trained on; empty where nothing was."""

    @abstractmethod
    def enhance(self, rgb: U8) -> U8:
        """Enhance an image.

        Args:
            rgb: (H, W, 3) uint8.

        Returns:
            (H, W, 3) uint8 RGB of the same size.
        """

    def weights_hash(self) -> str:
        """First 12 hex digits of the SHA-256 of weights or, without weights, of the parameters."""
        return text_hash(repr(self))
