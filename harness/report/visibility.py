"""Success against visibility: one curve an arm over the fogs that were driven."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from markupsafe import Markup, escape

from harness.report import svg
from harness.report.answer import scene_text
from harness.report.palette import in_order, style_of
from harness.report.plots import Figure, Line, Names, Panel
from harness.report.runs import Material
from harness.report.svg import Scale
from results.cells import Cell, InputSetting, Setting, setting_of

LEVELS = 3  # fewer make no curve
TOP_PX, BOTTOM_PX, HEIGHT_PX = 14.0, 176.0, 196.0
INSET = 6.0  # percent of the width, at both ends
APART_PX = 4.0  # between the marks of two arms at one level


class _Point(NamedTuple):
    """One arm at one level."""

    range_m: float
    cell: Cell


def success_by_range(material: Material, cells: Sequence[Cell], names: Names) -> Figure | None:
    """Success in percent by meteorological optical range; None without three fogs of one scene."""
    ranges = {
        setting_of(row): row.range_m
        for row in material.rows
        if row.range_m is not None and "night" not in row.weather
    }
    groups: dict[Setting, list[_Point]] = {}
    for cell in cells:
        range_m = ranges.get(cell.setting)
        if range_m is not None and cell.success.n:
            scene = cell.setting._replace(weather="fog")
            groups.setdefault(scene, []).append(_Point(range_m, cell))
    panels = [
        Panel("", f"{scene.town}, {scene_text(scene)}", (_line(points, names),), Markup(""))
        for scene, points in groups.items()
        if len({point.range_m for point in points}) >= LEVELS
    ]
    if not panels:
        return None
    note = (
        "Success in percent with Wilson's 95 % interval, by meteorological optical range (5 % "
        "contrast) on a logarithmic axis; clear days are not on it."
    )
    return Figure("visibility", "Success by visibility in fog", note, tuple(panels))


def _line(points: Sequence[_Point], names: Names) -> Line:
    levels = sorted({point.range_m for point in points})
    scale = Scale(math.log(levels[0]), math.log(levels[-1]))
    arms = in_order(point.cell.input_setting for point in points)
    middle = (len(arms) - 1) / 2.0
    curves = [
        _curve(seen, APART_PX * (index - middle), points, scale, names)
        for index, seen in enumerate(arms)
    ]
    picture = svg.row(
        _frame(levels, scale),
        *curves,
        label=f"success by visibility of {', '.join(names.arms[seen] for seen in arms)}",
        height=HEIGHT_PX,
    )
    return Line("", None, picture, "")


def _curve(
    seen: InputSetting, shift_px: float, points: Sequence[_Point], scale: Scale, names: Names
) -> Markup:
    """The curve of one arm; arms stand a little beside each other so that all are seen."""
    style, arm = style_of(seen), names.arms[seen]
    own = sorted(point for point in points if point.cell.input_setting == seen)
    places, parts = [], []
    for range_m, cell in own:
        rate = cell.success
        assert rate.percent is not None  # cells without a drive are no points
        low, high = (_y(100.0 * bound) for bound in rate.interval)
        x, y = _x(range_m, scale), _y(rate.percent)
        kind = f'class="bar-end fam-{style.family}"'
        parts.append(f'<line {kind} x1="{x}%" x2="{x}%" y1="{low:.1f}" y2="{high:.1f}"/>')
        said = f"{arm} at {range_m:g} m: {rate.percent:.0f} % of {cell.n}"
        parts.append(svg.mark(style, x, said, y))
        places.append((x, y))
    kind = f"trend fam-{style.family}{' hollow' if style.is_hollow else ''}"
    trend = [
        f'<line class="{kind}" x1="{x}%" x2="{x2}%" y1="{y:.1f}" y2="{y2:.1f}"/>'
        for (x, y), (x2, y2) in pairwise(places)
    ]
    return Markup(f'<g transform="translate({shift_px:g})">{"".join([*trend, *parts])}</g>')


def _frame(levels: Iterable[float], scale: Scale) -> Markup:
    lines = [
        f'<line class="rule" x1="0%" x2="100%" y1="{_y(value):.1f}" y2="{_y(value):.1f}"/>'
        f'<text x="0" y="{_y(value) - 3:.1f}">{value}{" %" if value == 100 else ""}</text>'
        for value in (0, 25, 50, 75, 100)
    ]
    texts = [
        f'<text x="{_x(level, scale)}%" y="{HEIGHT_PX - 4:g}" text-anchor="middle">'
        f"{escape(f'{level:g} m')}</text>"
        for level in levels
    ]
    return Markup("".join([*lines, *texts]))


def _x(range_m: float, scale: Scale) -> float:
    return round(INSET + (1.0 - 2.0 * INSET / 100.0) * scale.at(math.log(range_m)), 2)


def _y(percent: float) -> float:
    return BOTTOM_PX - (BOTTOM_PX - TOP_PX) * percent / 100.0
