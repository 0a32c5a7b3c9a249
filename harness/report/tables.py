"""The tables of a report: the arms of each setting, and what was compared in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from harness.report.answer import kind_rank, p_text, signed
from harness.report.palette import Style, in_order, style_of
from harness.report.plots import Names, by_setting
from results.cells import Cell
from results.columns import aggregates_of
from results.gains import CEILING, Comparison
from results.row import EpisodeRow

NOTE = (
    "Success and collision: percent of driven episodes with Wilson's 95 % interval. In pairs: the "
    "arm minus the other on the same episodes, in points, with a bootstrap interval by route; "
    "saved, harmed: routes on which the arm, or the other, alone succeeds; p: exact, by route, and "
    "after Holm over this report; detectable: the points that so many routes show in four of five "
    "studies."
)


class TableLine(NamedTuple):
    """One arm of a table."""

    label: str
    style: Style
    numbers: tuple[str, ...]


class PageTable(NamedTuple):
    """A table of a report."""

    title: str
    header: tuple[str, ...]
    lines: tuple[TableLine, ...]
    is_of_pairs: bool = False


def make_tables(
    cells: Sequence[Cell], found: Sequence[Comparison], names: Names
) -> Iterator[PageTable]:
    """For each setting a table of its arms, and one of what was compared."""
    for setting, group in by_setting(cells).items():
        yield arm_table(names.settings[setting], group, names)
        compared = [item for item in found if item.setting == setting]
        if compared:
            yield gain_table(f"In pairs: {names.settings[setting]}", compared, names)


def arm_table(title: str, cells: Sequence[Cell], names: Names) -> PageTable:
    """The arms of one setting; where simulator errors are, with the bound."""
    printed = [item for item in aggregates_of(EpisodeRow) if item.header]
    has_errors = any(cell.errors for cell in cells)
    header = (
        *("arm", "n", "success %", *(("if errors failed",) if has_errors else ())),
        *("collision %", *(item.header for item in printed), "km"),
    )
    lines = tuple(
        TableLine(
            names.arms[cell.input_setting],
            style_of(cell.input_setting),
            (
                str(cell.n),
                _rate(cell.success.percent, cell.success.interval),
                *((_number(cell.success_bound, 0),) if has_errors else ()),
                _rate(cell.collision.percent, cell.collision.interval),
                *(_number(cell.numbers[item.name], item.digits) for item in printed),
                f"{cell.km:.1f}",
            ),
        )
        for cell in cells
    )
    return PageTable(title, header, lines)


def gain_table(title: str, found: Sequence[Comparison], names: Names) -> PageTable:
    """What was compared in one setting, infrared's gains first."""
    header = (
        *("arm − other", "gain", "pairs", "points", "saved : harmed", "p", "p (Holm)"),
        "detectable",
    )
    order = in_order(item.arm for item in found)
    lines = tuple(
        TableLine(
            names.of_pair(item),
            style_of(item.arm),
            (
                item.kind,
                str(item.pairs),
                _points(item),
                f"{item.success.only_arm} : {item.success.only_other}",
                *(("", "", "") if item.kind == CEILING else _tested(item)),
            ),
        )
        for item in sorted(found, key=lambda x: (kind_rank(x.kind), order.index(x.arm)))
    )
    return PageTable(title, header, lines, is_of_pairs=True)


def _tested(item: Comparison) -> tuple[str, str, str]:
    found = item.reach(item.success).detectable
    detectable = "none" if found is None else f"{100.0 * found:.0f}"
    return p_text(item.success.p), p_text(item.success.holm), detectable


def _points(item: Comparison) -> str:
    low, high = item.success.points.interval
    return f"{signed(item.success.points.mean)} [{signed(low)}, {signed(high)}]"


def _rate(percent: float | None, interval: Sequence[float]) -> str:
    if percent is None:
        return "n/a"
    low, high = (100.0 * bound for bound in interval)
    return f"{percent:.0f} [{low:.0f}, {high:.0f}]"


def _number(value: float | None, digits: int) -> str:
    return "n/a" if value is None else f"{value:.{digits}f}"
