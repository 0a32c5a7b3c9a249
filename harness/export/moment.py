"""What an exported file says of one step, whatever its format."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from fusiondrive.arms import SWAPPED
from fusiondrive.errors import SimulatorError
from harness.drive import Drive
from harness.recorder import named_views
from results.trace import TraceRow

U8 = NDArray[np.uint8]
JPEG_QUALITY = 92
MAP = "map"
# Columns of a step that hold JSON.
JSON_COLUMNS = ("collisions", "stop_lines", "events", "box_center", "box_extent")
THERMAL_NOTE = (
    "Thermal images are computed from class ids and depth (privileged); no real camera is that good"
)


@dataclass(frozen=True)
class Moment:
    """One step: its numbers, and its pictures as JPEG by their names."""

    row: TraceRow
    pictures: dict[str, bytes]

    @property
    def time_ns(self) -> int:
        """Simulated nanoseconds since step 0."""
        return round(self.row.time_s * 1e9)

    def values(self) -> dict[str, Any]:
        """All columns, those that hold JSON read."""
        values = asdict(self.row)
        return {**values, **{name: json.loads(values[name]) for name in JSON_COLUMNS}}


class MomentWriter(Protocol):
    """A file under way."""

    def write(self, moment: Moment) -> None:
        """Add a step."""

    def finish(self) -> None:
        """Make the file whole."""


class WriterKind(Protocol):
    """A format."""

    def __call__(self, path: Path, about: dict[str, str]) -> MomentWriter:
        """Begin a file; `about` is what it says of the whole drive."""


def pictures_of(drive: Drive, map_picture: U8) -> dict[str, bytes]:
    """JPEG of the images that were made for the drive's last step, and of the map."""
    is_swapped = drive.spec.fuser.endswith(SWAPPED)
    views = [*named_views(drive.views, is_swapped=is_swapped), (MAP, map_picture)]
    return {slug(name): jpeg(image) for name, image in views}


def slug(name: str) -> str:
    """A view's name in a topic: `thermal (from class ids)` is `thermal_from_class_ids`."""
    return re.sub(r"\W+", "_", name).strip("_")


def jpeg(image: U8) -> bytes:
    """Compress an image, (H, W, 3) RGB.

    Raises:
        SimulatorError: OpenCV cannot.
    """
    is_done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    if not is_done:
        raise SimulatorError(f"an image of {image.shape} could not be compressed as JPEG")
    return bytes(data)
