"""The plots of a report, each a figure of lines of HTML: label, SVG, number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from fusiondrive.arms import CLEAR
from harness.report import svg
from harness.report.answer import kind_rank, signed
from harness.report.palette import Style, in_order, style_of
from harness.report.runs import Drive, Material
from harness.report.svg import Scale, scale_for
from harness.report.traced import STAGES
from results.cells import Cell, InputSetting, Setting, input_of, setting_of
from results.columns import Aggregate, Over
from results.gains import CEILING, Comparison

COLLISIONS = Aggregate("collisions_per_km", Over.KM)  # cells have none of their own
PER_KM = {  # numbers of cells, by what a reader calls them
    "lane infractions": "lane_per_km",
    "off the road": "off_road_per_km",
    "wrong way": "wrong_way_per_km",
}
TTC_LIMIT_S = 6.0


class Line(NamedTuple):
    """One line of a figure."""

    label: str
    style: Style | None
    picture: Markup
    number: str


class Panel(NamedTuple):
    """Lines on one axis."""

    group: str  # heading of this panel and those after it; the cell
    title: str
    lines: tuple[Line, ...]
    axis: Markup


class Figure(NamedTuple):
    """Panels that are read together; one without panels says why in its note."""

    id: str
    title: str
    note: str
    panels: tuple[Panel, ...]
    legend: tuple[tuple[str, str], ...] = ()  # class of a swatch, word


class Names(NamedTuple):
    """How a report calls cells and arms."""

    arms: Mapping[InputSetting, str]
    settings: Mapping[Setting, str]

    def of_pair(self, item: Comparison) -> str:
        """What two arms are compared; the first of a ceiling is rgb on a clear day."""
        arm = CLEAR if item.kind == CEILING else self.arms[item.arm]
        return f"{arm} − {self.arms[item.minus]}"


def success(cells: Sequence[Cell], names: Names) -> Figure:
    """Success in percent with its interval, by cell and arm."""
    scale = Scale(0.0, 100.0)

    def line(cell: Cell) -> Line:
        rate, style = cell.success, style_of(cell.input_setting)
        arm = names.arms[cell.input_setting]
        if rate.percent is None:
            return _missing(arm, style, scale)
        low, high = (100.0 * bound for bound in rate.interval)
        said = f"{arm}: {rate.percent:.0f} % [{low:.0f}, {high:.0f}], n = {cell.n}"
        picture = _dot(style, scale, (low, rate.percent, high), said)
        return Line(arm, style, picture, f"{rate.percent:.0f} % [{low:.0f}, {high:.0f}]")

    return Figure(
        "success",
        "Success by weather and arm",
        "Share of the drives that reach the goal without a collision, with Wilson's 95 % interval.",
        tuple(
            Panel("", names.settings[setting], tuple(map(line, group)), svg.axis(scale, " %"))
            for setting, group in by_setting(cells).items()
        ),
    )


def gains(found: Sequence[Comparison], names: Names) -> Figure:
    """Differences in success between arms on the same episodes, as a forest plot."""
    scale = Scale(-100.0, 100.0)
    panels: dict[tuple[Setting, str], list[Line]] = {}
    for item in found:
        if item.kind == CEILING:
            continue
        style, claim = style_of(item.arm), item.success
        label = names.of_pair(item)
        low, high = claim.points.interval
        number = f"{signed(claim.points.mean)} [{signed(low)}, {signed(high)}]"
        said = f"{label}: {number} points, p = {claim.p:.2g}, after Holm {claim.holm:.2g}"
        picture = _dot(style, scale, (low, claim.points.mean, high), said)
        panels.setdefault((item.setting, item.kind), []).append(Line(label, style, picture, number))
    return Figure(
        "gains",
        "Gains, in points of success",
        "An arm minus another on the same episodes, with a 95 % bootstrap interval by route. "
        "Infrared: a fused arm minus a control without the scene's infrared. Total: minus rgb. "
        "Restoration: such a control minus rgb.",
        tuple(
            Panel(names.settings[setting], kind, tuple(panels[setting, kind]), svg.axis(scale))
            for setting, kind in sorted(panels, key=lambda key: _place(key, list(names.settings)))
        ),
    )


def infractions(material: Material, cells: Sequence[Cell], names: Names) -> Figure:
    """What went wrong per kilometre, by cell and arm."""
    driven = _driven(material)
    panels = []
    for setting, group in by_setting(cells).items():
        for word in ("collisions", *PER_KM):
            values: dict[InputSetting, float | None] = {}
            for cell in group:
                seen = cell.input_setting
                rows = [drive.row for drive in driven.get((setting, seen), [])]
                values[seen] = (
                    cell.numbers[PER_KM[word]]
                    if word in PER_KM
                    else COLLISIONS.of([row.collisions for row in rows], cell.km)
                )
            if any(values.values()):
                scale = scale_for(value for value in values.values() if value is not None)
                lines = tuple(_plain(seen, value, scale, names) for seen, value in values.items())
                panels.append(Panel(names.settings[setting], word, lines, svg.axis(scale)))
    return Figure(
        "infractions",
        "Infractions per kilometre driven",
        "A drive that ends early has driven few kilometres; where nothing of a kind happened, "
        "there is no panel.",
        tuple(panels),
    )


def time_to_collision(material: Material, cells: Sequence[Cell], names: Names) -> Figure:
    """The least time to collision with each hazard that acted, by cell and arm."""
    driven = _driven(material)
    scale = Scale(0.0, TTC_LIMIT_S)
    panels = []
    for setting, group in by_setting(cells).items():
        lines = []
        for cell in group:
            drives = driven.get((setting, cell.input_setting), [])
            lines += _ttc_line(drives, cell.input_setting, scale, names)
        if lines:
            panels.append(Panel("", names.settings[setting], tuple(lines), svg.axis(scale, " s")))
    note = (
        "Each mark is a hazard that acted, at the least time to collision at present speeds, "
        f"longer ones at {TTC_LIMIT_S:.0f} s; filled marks are hits here. The upright line is the "
        "median."
        if panels
        else "No hazard acted in these drives: fusiondrive run --hazards puts some on the routes."
    )
    return Figure("ttc", "Time to collision with hazards", note, tuple(panels))


def latency(material: Material, cells: Sequence[Cell], names: Names) -> Figure:
    """Wall-clock milliseconds of the stages of a step, by arm; medians over the traced steps."""
    driven = _driven(material)
    means: dict[InputSetting, dict[str, float]] = {}
    for seen in in_order(cell.input_setting for cell in cells):
        traces = [
            drive.traced.stages_ms
            for (_, of), drives in driven.items()
            for drive in drives
            if of == seen and drive.traced is not None
        ]
        if any(traces):
            means[seen] = _medians(traces)
    if not any(means.values()):
        note = (
            "The traces of these drives have no times of stages; drives of this version's "
            "fusiondrive run have them."
        )
        return Figure("latency", "Time of a step", note, ())
    scale = scale_for(sum(stages.values()) for stages in means.values())
    lines = tuple(_stages_line(seen, stages, scale, names) for seen, stages in means.items())
    return Figure(
        "latency",
        "Time of a step",
        "Median wall-clock milliseconds of each stage, on the machine that drove. Busy machines "
        "are slower; no result depends on it unless the run was charged for latency.",
        (Panel("", "", lines, svg.axis(scale, " ms")),),
        tuple((f"stage-{name[5:-3]}", word) for name, word in STAGES.items()),
    )


def by_setting(cells: Sequence[Cell]) -> dict[Setting, list[Cell]]:
    """The cells of each setting, arms in the fixed order."""
    order = in_order(cell.input_setting for cell in cells)
    found: dict[Setting, list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: order.index(cell.input_setting)):
        found.setdefault(cell.setting, []).append(cell)
    firsts = list(dict.fromkeys(cell.setting for cell in cells))
    return {setting: found[setting] for setting in firsts}


def _place(key: tuple[Setting, str], settings: Sequence[Setting]) -> tuple[int, int]:
    return settings.index(key[0]), kind_rank(key[1])


def _driven(material: Material) -> dict[tuple[Setting, InputSetting], list[Drive]]:
    found: dict[tuple[Setting, InputSetting], list[Drive]] = {}
    for drive in material.drives.values():
        if drive.row.is_driven:
            found.setdefault((setting_of(drive.row), input_of(drive.row)), []).append(drive)
    return found


def _dot(style: Style, scale: Scale, values: tuple[float, float, float], said: str) -> Markup:
    low, value, high = (scale.at(item) for item in values)
    parts = (svg.rules(scale), svg.whisker(style, low, high), svg.mark(style, value, said))
    return svg.row(*parts, label=said)


def _plain(seen: InputSetting, value: float | None, scale: Scale, names: Names) -> Line:
    arm, style = names.arms[seen], style_of(seen)
    if value is None:
        return _missing(arm, style, scale)
    said = f"{arm}: {value:.2f} per km"
    parts = (svg.rules(scale), svg.whisker(style, 0.0, scale.at(value)))
    picture = svg.row(*parts, svg.mark(style, scale.at(value), said), label=said)
    return Line(arm, style, picture, f"{value:.2f}")


def _missing(arm: str, style: Style, scale: Scale) -> Line:
    return Line(arm, style, svg.row(svg.rules(scale), label=f"{arm}: nothing driven"), "n/a")


def _ttc_line(
    drives: Sequence[Drive], seen: InputSetting, scale: Scale, names: Names
) -> list[Line]:
    met = [
        (item.min_ttc_s, item.was_hit, f"route {drive.row.route_id}, {item.kind}")
        for drive in drives
        for item in drive.hazards
        if item.is_met and item.min_ttc_s is not None
    ]
    if not met:
        return []
    middle, style = median(value for value, _, _ in met), style_of(seen)
    x = scale.at(middle)
    line = Markup(f'<line class="median fam-{style.family}" x1="{x}%" x2="{x}%" y1="3" y2="23"/>')
    marks = [
        svg.mark(style._replace(is_hollow=not was_hit), scale.at(value), f"{text}: {value:.1f} s")
        for value, was_hit, text in met
    ]
    arm, hits = names.arms[seen], sum(was_hit for _, was_hit, _ in met)
    said = f"{arm}: median {middle:.1f} s of {len(met)} hazards, {hits} hit"
    picture = svg.row(svg.rules(scale), *marks, line, label=said)
    return [Line(arm, style, picture, f"{middle:.1f} s, {hits}/{len(met)} hit")]


def _medians(traces: Sequence[Mapping[str, NDArray[np.float32]]]) -> dict[str, float]:
    """The median of each stage over all steps in which it ran; stages of no time are left out."""
    found = {}
    for name in STAGES:
        steps = np.concatenate([stages.get(name, np.empty(0, np.float32)) for stages in traces])
        steps = steps[~np.isnan(steps)]
        if len(steps) and (value := float(np.median(steps))):
            found[name] = value
    return found


def _stages_line(
    seen: InputSetting, stages: Mapping[str, float], scale: Scale, names: Names
) -> Line:
    spans, at = [], 0.0
    for name, word in STAGES.items():
        if value := stages.get(name):
            title = f"{word}: {value:.1f} ms"
            width = scale.at(at + value) - scale.at(at)
            spans.append((f"stage-{name[5:-3]}", scale.at(at), round(width, 2), title))
            at += value
    arm = names.arms[seen]
    picture = svg.row(svg.rules(scale), svg.bars(spans), label=f"{arm}: {at:.1f} ms")
    return Line(arm, style_of(seen), picture, f"{at:.1f} ms")
