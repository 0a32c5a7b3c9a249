"""What was measured, as rows of a CSV file, a Markdown table and a plot."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from fusiondrive.files import whole_file
from harness.detectability.measure import ROSE
from harness.recorder import FONT

U8 = NDArray[np.uint8]

PANEL = (400, 300)  # width and height, pixels
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 34, 40
COLUMNS = 4
LOWEST, HIGHEST = 0.5, 2000.0  # of d' in the plot
INK, GRID, PAPER, ROSE_LINE = (40, 40, 40), (228, 228, 228), (255, 255, 255), (120, 120, 120)
# Okabe and Ito's colours, which the colour-blind can tell apart; RGB.
COLOURS = ((0, 114, 178), (213, 94, 0), (0, 158, 115))


@dataclass(frozen=True)
class Row:
    """One target at one distance in one weather."""

    weather: str
    range_m: float | None  # meteorological optical range
    camera: str
    thermal: str  # settings of the thermal camera
    target: str
    distance_m: float  # from the camera
    pixels: int
    visible_levels: float
    visible_d: float
    infrared_levels: float
    infrared_d: float


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write all columns.

    Raises:
        OutputError: the file cannot be written.
    """
    with whole_file(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def markdown(rows: Sequence[Row]) -> str:
    """A table for each target: visible and infrared d' by weather and distance.

    Cells below the limit of detection are bold.
    """
    parts = []
    for target in dict.fromkeys(row.target for row in rows):
        own = [row for row in rows if row.target == target]
        distances = sorted({row.distance_m for row in own})
        body = []
        for weather in dict.fromkeys(row.weather for row in own):
            found = {row.distance_m: row for row in own if row.weather == weather}
            for name in ("visible", "infrared"):
                cells = [_cell(found.get(distance), name) for distance in distances]
                body.append((weather if name == "visible" else "", name, *cells))
        header = ("weather", "levels / d'", *(f"{distance:g} m" for distance in distances))
        grid = tabulate(body, headers=header, tablefmt="github", disable_numparse=True)
        parts.append(f"### {target}\n\n{grid}\n")
    return "\n".join(parts)


def write_plot(rows: Sequence[Row], path: Path) -> None:
    """Draw d' over the distance, a panel for each weather, into a PNG file.

    Raises:
        OutputError: the file cannot be written.
    """
    picture = cv2.cvtColor(draw(rows), cv2.COLOR_RGB2BGR)
    with whole_file(path) as draft:
        draft.write_bytes(cv2.imencode(".png", picture)[1].tobytes())


def draw(rows: Sequence[Row]) -> U8:
    """The plot, (H, W, 3) RGB: visible solid, infrared dashed, the limit of detection grey."""
    targets = list(dict.fromkeys(row.target for row in rows))
    panels = [
        _panel(weather, [row for row in rows if row.weather == weather], targets)
        for weather in dict.fromkeys(row.weather for row in rows)
    ]
    columns = min(COLUMNS, len(panels))
    blank = np.full_like(panels[0], 255)
    panels += [blank] * (-len(panels) % columns)
    lines = [np.hstack(panels[i : i + columns]) for i in range(0, len(panels), columns)]
    return np.vstack([*lines, _legend(targets, lines[0].shape[1])])


def _cell(row: Row | None, name: str) -> str:
    if row is None:
        return ""
    levels, d_prime = getattr(row, f"{name}_levels"), getattr(row, f"{name}_d")
    text = f"{levels:.1f} / {d_prime:.0f}" if d_prime >= 10.0 else f"{levels:.1f} / {d_prime:.1f}"
    return f"**{text}**" if d_prime < ROSE else text


def _panel(weather: str, rows: Sequence[Row], targets: Sequence[str]) -> U8:
    width, height = PANEL
    picture = np.full((height, width, 3), PAPER, np.uint8)
    farthest = max(row.distance_m for row in rows)

    def at(distance_m: float, d_prime: float) -> tuple[int, int]:
        x = LEFT + distance_m / farthest * (width - LEFT - RIGHT)
        share = math.log(min(max(d_prime, LOWEST), HIGHEST) / LOWEST) / math.log(HIGHEST / LOWEST)
        return round(x), round(height - BOTTOM - share * (height - TOP - BOTTOM))

    for value in (1.0, 10.0, 100.0, 1000.0):
        cv2.line(picture, at(0.0, value), at(farthest, value), GRID, 1, cv2.LINE_AA)
        _write(picture, f"{value:g}", (6, at(0.0, value)[1] + 4))
    cv2.line(picture, at(0.0, ROSE), at(farthest, ROSE), ROSE_LINE, 1, cv2.LINE_AA)
    for distance_m in sorted({row.distance_m for row in rows}):
        x, y = at(distance_m, LOWEST)
        _write(picture, f"{distance_m:g}", (x - 8, y + 16))
    for number, target in enumerate(targets):
        own = sorted((r for r in rows if r.target == target), key=lambda r: r.distance_m)
        colour = COLOURS[number % len(COLOURS)]
        visible = [at(row.distance_m, row.visible_d) for row in own]
        infrared = [at(row.distance_m, row.infrared_d) for row in own]
        cv2.polylines(picture, [np.array(visible, np.int32)], False, colour, 2, cv2.LINE_AA)
        _dashed(picture, infrared, colour)
    range_m = rows[0].range_m
    title = weather if range_m is None else f"{weather} ({range_m:g} m)"
    _write(picture, title, (LEFT, 22), 0.55)
    _write(picture, "m", (width - 24, height - 8))
    _write(picture, "d'", (6, 22))
    return picture


def _legend(targets: Sequence[str], width: int) -> U8:
    picture = np.full((34, width, 3), PAPER, np.uint8)
    x = LEFT
    for number, target in enumerate(targets):
        colour = COLOURS[number % len(COLOURS)]
        cv2.line(picture, (x, 16), (x + 40, 16), colour, 2, cv2.LINE_AA)
        _write(picture, target, (x + 48, 20))
        x += 140
    _write(picture, f"solid: visible   dashed: infrared   grey: d' {ROSE:g}", (x, 20))
    return picture


def _dashed(picture: U8, points: Sequence[tuple[int, int]], colour: tuple[int, int, int]) -> None:
    """A dashed line, its dashes of even length over the whole of it."""
    drawn = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        length = max(math.hypot(x1 - x0, y1 - y0), 1e-6)
        for step in range(int(length)):
            if (drawn + step) % 12.0 < 7.0:
                share = step / length
                place = (round(x0 + share * (x1 - x0)), round(y0 + share * (y1 - y0)))
                cv2.circle(picture, place, 1, colour, -1, cv2.LINE_AA)
        drawn += length


def _write(picture: U8, text: str, place: tuple[int, int], size: float = 0.42) -> None:
    cv2.putText(picture, text, place, FONT, size, INK, 1, cv2.LINE_AA)
