"""The plot of counterfactuals: needed brakings that come by distance, and errors, arm by arm."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusiondrive.files import whole_file
from harness.recorder import FONT
from harness.track.plot import COLOURS
from results.counterfactuals import BINS_M, Setting, came_by_distance, pedal_errors, settings_of

WIDTH, HEIGHT = 760, 460  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 70, 230, 70, 76
INK, GRID, PAPER = (40, 40, 40), (225, 225, 225), (255, 255, 255)
LINE_PX, DOT_PX, DODGE_PX = 2, 5, 2

Picture = NDArray[np.uint8]


def draw(frame: pd.DataFrame) -> Picture:
    """A panel for each setting, one below the other, (H, W, 3) RGB."""
    return np.concatenate([_panel(*item) for item in settings_of(frame)], axis=0)


def write_plot(frame: pd.DataFrame, path: Path) -> None:
    """Draw it into a PNG file.

    Raises:
        OutputError: it cannot be written.
    """
    picture = cv2.cvtColor(draw(frame), cv2.COLOR_RGB2BGR)
    with whole_file(path) as draft:
        draft.write_bytes(cv2.imencode(".png", picture)[1].tobytes())


def _panel(setting: Setting, part: pd.DataFrame) -> Picture:
    picture = np.full((HEIGHT, WIDTH, 3), PAPER, np.uint8)

    def at(number: int, share: float) -> tuple[int, int]:
        x = LEFT + (number + 0.5) / len(BINS_M) * (WIDTH - LEFT - RIGHT)
        return round(x), round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM))

    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        row = at(0, share)[1]
        cv2.line(picture, (LEFT, row), (WIDTH - RIGHT, row), GRID, 1, cv2.LINE_AA)
        _write(picture, f"{100.0 * share:.0f} %", (14, row + 5))
    counts = [item.n for item in came_by_distance(part[part["arm"] == part["arm"].iloc[0]])]
    for number, ((low, high), n) in enumerate(zip(BINS_M, counts, strict=True)):
        left = at(number, 0.0)[0] - 32
        _write(picture, f"{low:g}-{high:g} m", (left, HEIGHT - BOTTOM + 24))
        _write(picture, f"n = {n}", (left, HEIGHT - BOTTOM + 46))
    title = f"{setting.level}, {setting.policy}: needed brakings that come, by distance"
    _write(picture, title, (LEFT, 30), 0.6)
    _write(picture, "arm (mean pedal error)", (WIDTH - RIGHT + 20, TOP))
    for number, (arm, rows) in enumerate(part.groupby("arm", sort=False)):
        colour = COLOURS[number % len(COLOURS)]
        shares = came_by_distance(rows)
        points = [
            (at(place, item.share)[0], at(place, item.share)[1] - DODGE_PX * number)
            for place, item in enumerate(shares)
            if item.share is not None
        ]
        if points:
            line = np.array(points, np.int32)
            cv2.polylines(picture, [line], False, colour, LINE_PX, cv2.LINE_AA)
        for point in points:
            cv2.circle(picture, point, DOT_PX, colour, -1, cv2.LINE_AA)
        place = (WIDTH - RIGHT + 34, TOP + 28 + 24 * number)
        cv2.circle(picture, (place[0] - 14, place[1] - 5), DOT_PX, colour, -1, cv2.LINE_AA)
        _write(picture, f"{arm} ({pedal_errors(rows).mean():.3f})", place)
    return picture


def _write(picture: Picture, text: str, place: tuple[int, int], size: float = 0.48) -> None:
    cv2.putText(picture, text, place, FONT, size, INK, 1, cv2.LINE_AA)
