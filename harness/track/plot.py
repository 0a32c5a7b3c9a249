"""The plot of the track tests: impact speed against test speed, one curve an arm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fusiondrive.files import whole_file
from harness.recorder import FONT
from results.track_row import TrackRow
from results.track_table import by_arm, mean_impacts

WIDTH, HEIGHT = 960, 720  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 90, 30, 60, 80
INK, GRID, PAPER = (40, 40, 40), (225, 225, 225), (255, 255, 255)
# Okabe and Ito's colours, which the colour-blind can tell apart; RGB.
COLOURS = (
    *((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167)),
    *((230, 159, 0), (86, 180, 233), (120, 120, 120), (0, 0, 0)),
)
LINE_PX, DOT_PX, DODGE_PX = 3, 6, 4


def draw_curves(rows: Sequence[TrackRow]) -> NDArray[np.uint8]:
    """A panel for each weather, side by side, (H, W, 3) RGB."""
    panels = []
    for weather in dict.fromkeys(row.weather for row in rows):
        panels.append(_panel(weather, [row for row in rows if row.weather == weather]))
    return np.concatenate(panels, axis=1)


def write_plot(rows: Sequence[TrackRow], path: Path) -> None:
    """Draw the curves into a PNG file.

    Raises:
        OutputError: it cannot be written.
    """
    picture = cv2.cvtColor(draw_curves(rows), cv2.COLOR_RGB2BGR)
    with whole_file(path) as draft:
        draft.write_bytes(cv2.imencode(".png", picture)[1].tobytes())


def _panel(weather: str, rows: Sequence[TrackRow]) -> NDArray[np.uint8]:
    picture = np.full((HEIGHT, WIDTH, 3), PAPER, np.uint8)
    speeds = sorted({row.speed_kmh for row in rows})
    low, high = speeds[0] - 5.0, speeds[-1] + 5.0
    top = 10.0 * np.ceil(high / 10.0)

    def at(speed: float, impact: float) -> tuple[int, int]:
        x = LEFT + (speed - low) / (high - low) * (WIDTH - LEFT - RIGHT)
        y = HEIGHT - BOTTOM - impact / top * (HEIGHT - TOP - BOTTOM)
        return round(x), round(y)

    for impact in np.arange(0.0, top + 1.0, 10.0):
        cv2.line(picture, at(low, impact), at(high, impact), GRID, 1, cv2.LINE_AA)
        _write(picture, f"{impact:.0f}", (LEFT - 45, at(low, impact)[1] + 6))
    for speed in speeds:
        _write(picture, str(speed), (at(speed, 0.0)[0] - 14, HEIGHT - BOTTOM + 28))
    cv2.line(picture, at(low, max(low, 0.0)), at(high, high), GRID, 2, cv2.LINE_AA)
    _write(picture, f"{weather}: impact speed against test speed, km/h", (LEFT, 36), 0.75)
    _write(picture, "grey line: no braking", (LEFT, HEIGHT - 18), 0.55)
    for number, ((_, arm), found) in enumerate(by_arm(rows).items()):
        colour = COLOURS[number % len(COLOURS)]
        # Equal curves would hide each other.
        points = [
            (x, y - DODGE_PX * number)
            for x, y in (at(speed, value) for speed, value in mean_impacts(found).items())
        ]
        if points:
            line = np.array(points, np.int32)
            cv2.polylines(picture, [line], False, colour, LINE_PX, cv2.LINE_AA)
        for point in points:
            cv2.circle(picture, point, DOT_PX, colour, -1, cv2.LINE_AA)
        driven = [row for row in found if row.outcome in ("avoided", "hit")]
        good = sum(row.outcome == "avoided" for row in driven)
        legend = f"{arm}: {good} of {len(driven)} avoided"
        place = (LEFT + 30, TOP + 30 + 28 * number)
        cv2.circle(picture, (place[0] - 16, place[1] - 6), DOT_PX, colour, -1, cv2.LINE_AA)
        _write(picture, legend, place)
    return picture


def _write(
    picture: NDArray[np.uint8], text: str, place: tuple[int, int], size: float = 0.6
) -> None:
    cv2.putText(picture, text, place, FONT, size, INK, 1, cv2.LINE_AA)
