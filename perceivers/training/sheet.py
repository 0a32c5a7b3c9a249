"""Detections and segments beside the labels, on frames of towns that were not trained on.

python -m perceivers.training sheet --data DATA --weights FILE.onnx --out sheet.png
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np

from fusiondrive.cli import Flag, check_values, exit_code, parse
from fusiondrive.errors import ConfigError
from fusiondrive.files import check_file, whole_file
from fusiondrive.types import Image
from perceivers.decoding import detections
from perceivers.detection import focal_px
from perceivers.frames import FrameSet
from perceivers.kinds import CAR, CYCLIST, PERSON
from perceivers.labelled_frame import LabelledFrame
from perceivers.picture import enlarged
from perceivers.trained import Perceiver, load_perceiver

COLOURS = {PERSON: (255, 60, 60), CYCLIST: (60, 230, 60), CAR: (70, 140, 255)}
LABEL = (255, 255, 255)
# Of other, road, marking, pavement, person, cyclist, vehicle.
PALETTE = np.array(
    [(40, 40, 40), (120, 80, 120), (250, 250, 150), (230, 120, 200), *COLOURS.values()], np.uint8
)
CELL = (640, 480)
COLUMNS = 3
FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command."""

    data: Annotated[Path, Flag("a set of labelled frames", "DIR")]
    out: Annotated[Path, Flag("the picture to write", "FILE")]
    weights: Annotated[Path | None, Flag("default: the shipped ones", "FILE")] = None
    town: Annotated[tuple[str, ...], Flag("whose frames are shown", "NAME")] = (
        "random:501",
        "random:502",
    )
    count: Annotated[int, Flag("frames, evenly over them", at_least=1)] = 9

    def __post_init__(self) -> None:
        """Check the options."""
        check_values(self)


def run(options: Options) -> str:
    """Draw the sheet."""
    check_file(options.out, flag="--out")
    perceiver = load_perceiver(options.weights)
    frames = [frame for frame in FrameSet(options.data) if frame.town in options.town]
    if not frames:
        raise ConfigError(f"{options.data}: no frames of {', '.join(options.town)}")
    places = np.linspace(0, len(frames) - 1, min(options.count, len(frames))).round().astype(int)
    cells = [draw(perceiver, frames[int(place)]) for place in places]
    cells += [np.zeros_like(cells[0])] * (-len(cells) % COLUMNS)
    lines = [np.hstack(cells[i : i + COLUMNS]) for i in range(0, len(cells), COLUMNS)]
    with whole_file(options.out) as draft:
        cv2.imwrite(str(draft), np.vstack(lines)[:, :, ::-1])
    return f"{options.out}: labels are white, detections coloured, segments below"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return exit_code(lambda: run(parse(Options, arguments, "perceivers.training sheet", __doc__)))


def draw(perceiver: Perceiver, frame: LabelledFrame) -> Image:
    """One frame with labels and detections, and below it the segments, (960, 640, 3)."""
    picture = frame.rgb_image()
    maps, logits = perceiver.maps(picture)
    found = detections(maps, focal_px(frame.camera), perceiver.least_score)
    scale = CELL[0] / frame.camera.width
    canvas = np.asarray(cv2.resize(picture, CELL), np.uint8)
    for item in frame.objects:
        corners = [round(scale * v) for v in (item.left, item.top, item.right, item.bottom)]
        cv2.rectangle(canvas, corners[:2], corners[2:], LABEL, 1)
    for one in found:
        corners = [round(scale * v) for v in (one.left, one.top, one.right, one.bottom)]
        cv2.rectangle(canvas, corners[:2], corners[2:], COLOURS[one.kind], 2)
        text = f"{one.score:.2f} {one.distance_m:.0f} m"
        place = (corners[0], max(corners[1] - 3, 10))
        cv2.putText(canvas, text, place, FONT, 0.4, COLOURS[one.kind], 1, cv2.LINE_AA)
    classes = enlarged(logits, *picture.shape[:2])
    below = cv2.resize(PALETTE[classes], CELL, interpolation=cv2.INTER_NEAREST)
    return np.vstack([canvas, below])
