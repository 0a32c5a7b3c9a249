"""Small pieces of SVG whose widths are percentages, so that text keeps its size on a phone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from markupsafe import Markup, escape

from harness.report.palette import Style

ROW_PX = 26  # height of a line of a plot
RADIUS_PX = 5
PATHS = {  # marks other than the circle, around (0, 0)
    "square": "M-4.6-4.6h9.2v9.2h-9.2z",
    "triangle": "M0-5.6L5.6 4.6H-5.6z",
}


class Scale(NamedTuple):
    """A linear axis; positions are percent of the width."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Position of a value; values beyond the ends stand at the ends."""
        share = (value - self.low) / (self.high - self.low)
        return round(100.0 * min(max(share, 0.0), 1.0), 2)

    def ticks(self, count: int = 5) -> list[float]:
        """Round values within, about so many."""
        step = _round_step((self.high - self.low) / count)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(index * step, 10) for index in range(first, last + 1)]


def scale_for(values: Iterable[float], *, least: float = 0.0) -> Scale:
    """A scale from `least`, or below it, to a round value above all of these."""
    known = [*values, least]
    low, high = min(known), max(known)
    step = _round_step((high - low or 1.0) / 4.0)
    return Scale(math.floor(low / step) * step, (math.floor(high / step) + 1) * step)


def mark(style: Style, x: float, title: str, y: float = ROW_PX / 2.0) -> Markup:
    """An arm's mark at a position in percent, with a tooltip."""
    return Markup(
        f'<svg x="{x}%" y="{y:g}" overflow="visible"><title>{escape(title)}</title>'
        f"{shape(style)}</svg>"
    )


def shape(style: Style) -> Markup:
    """An arm's mark around (0, 0), in pixels."""
    kind = f'class="mark fam-{style.family}{" hollow" if style.is_hollow else ""}"'
    if style.mark == "circle":
        return Markup(f'<circle r="{RADIUS_PX}" {kind}/>')
    return Markup(f'<path d="{PATHS[style.mark]}" {kind}/>')


def whisker(style: Style, low: float, high: float, y: float = ROW_PX / 2.0) -> Markup:
    """An interval as a line between two positions in percent."""
    return Markup(
        f'<line class="whisker fam-{style.family}" x1="{low}%" x2="{high}%" y1="{y:g}" y2="{y:g}"/>'
    )


def rules(scale: Scale, height: float = ROW_PX) -> Markup:
    """Pale lines at the ticks; the one at 0 is stronger where the scale passes it."""
    lines = []
    for value in scale.ticks():
        kind = "zero" if value == 0.0 and scale.low < 0.0 else "rule"
        x = scale.at(value)
        lines.append(f'<line class="{kind}" x1="{x}%" x2="{x}%" y1="0" y2="{height:g}"/>')
    return Markup("".join(lines))


def row(*parts: Markup, label: str, height: float = ROW_PX) -> Markup:
    """One line of a plot."""
    inside = Markup("").join(parts)
    return Markup(
        f'<svg class="line" width="100%" height="{height:g}" role="img" '
        f'aria-label="{escape(label)}">{inside}</svg>'
    )


def axis(scale: Scale, unit: str = "") -> Markup:
    """The values of the ticks, as the last line of a plot; the unit stands at the last."""
    texts = []
    ticks = scale.ticks()
    for value in ticks:
        x = scale.at(value)
        anchor = "start" if x < 4.0 else "end" if x > 96.0 else "middle"
        text = f"{value:g}".replace("-", "−") + (unit if value == ticks[-1] else "")
        texts.append(f'<text x="{x}%" y="12" text-anchor="{anchor}">{text}</text>')
    return Markup(
        f'<svg class="axis" width="100%" height="16" aria-hidden="true">{"".join(texts)}</svg>'
    )


def bars(spans: Iterable[tuple[str, float, float, str]]) -> Markup:
    """Pieces of one bar: class, position and width in percent, tooltip."""
    return Markup("").join(
        Markup(
            f'<rect class="{kind}" x="{x}%" width="{width}%" y="5" height="{ROW_PX - 10}">'
            f"<title>{escape(title)}</title></rect>"
        )
        for kind, x, width, title in spans
    )


def _round_step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, at least the rough step."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(
        power * factor for factor in (1.0, 2.0, 5.0, 10.0) if power * factor >= 0.999 * rough
    )
