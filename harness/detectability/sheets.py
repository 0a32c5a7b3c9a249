"""Pictures of what was measured: one sheet of all views of a weather, and one of all weathers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from fusiondrive.files import whole_file
from harness.recorder import FONT

U8 = NDArray[np.uint8]

CELL = (240, 180)  # width and height of a picture on the sheet of weathers
COLUMNS = 5
TITLE_ROWS = 24
INK, PAPER = (40, 40, 40), 255


class Pair(NamedTuple):
    """A view in both spectra."""

    title: str
    rgb: U8  # (H, W, 3)
    thermal: U8  # (H, W)


def write_views(pairs: Sequence[Pair], per_row: int, path: Path) -> None:
    """All views of a weather in full size, visible above infrared.

    Raises:
        OutputError: the file cannot be written.
    """
    columns = [np.vstack([pair.rgb, _grey(pair.thermal)]) for pair in pairs]
    lines = [np.hstack(columns[i : i + per_row]) for i in range(0, len(columns), per_row)]
    _write(np.vstack(lines), path)


def write_weathers(pairs: Sequence[Pair], path: Path) -> None:
    """One view of each weather with its title, visible above infrared.

    Raises:
        OutputError: the file cannot be written.
    """
    cells = [_cell(pair) for pair in pairs]
    columns = min(COLUMNS, len(cells))
    cells += [np.full_like(cells[0], PAPER)] * (-len(cells) % columns)
    lines = [np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    _write(np.vstack(lines), path)


def _cell(pair: Pair) -> U8:
    title = np.full((TITLE_ROWS, CELL[0], 3), PAPER, np.uint8)
    cv2.putText(title, pair.title, (6, 17), FONT, 0.5, INK, 1, cv2.LINE_AA)
    small = [
        cv2.resize(picture, CELL, interpolation=cv2.INTER_AREA)
        for picture in (pair.rgb, _grey(pair.thermal))
    ]
    return np.vstack([title, *small]).astype(np.uint8)


def _grey(thermal: U8) -> U8:
    return np.repeat(thermal[:, :, None], 3, axis=2)


def _write(rgb: U8, path: Path) -> None:
    quality = [cv2.IMWRITE_JPEG_QUALITY, 88]
    with whole_file(path) as draft:
        picture = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        draft.write_bytes(cv2.imencode(".jpg", picture, quality)[1].tobytes())
