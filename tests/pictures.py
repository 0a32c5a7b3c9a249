"""Pictures that a command has written, as tests read them back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
from numpy.typing import NDArray


def read_bgr(path: Path, flags: int = cv2.IMREAD_COLOR) -> NDArray[Any]:
    """A picture as OpenCV reads it; fails where it cannot."""
    picture = cv2.imread(str(path), flags)
    assert picture is not None, f"{path} is not a picture"
    return picture
