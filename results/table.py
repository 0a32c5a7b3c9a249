"""Tables from rows: Markdown for reading, CSV for machines, LaTeX for papers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from fusiondrive.arms import NONE
from fusiondrive.files import whole_file
from results.cells import Cell, labels_of, make_cells, own_names
from results.columns import aggregates_of
from results.gain_table import gain_tables, gains_csv
from results.grid import Table, csv_text, markdown_text
from results.hazard_table import hazard_table
from results.hazards import HazardRow
from results.row import OWN, EpisodeRow, lettered

THERMAL_NOTE = (
    "Thermal is segmentation-derived (privileged): it is computed from class ids and depth, "
    "not measured."
)
COMMON_NOTE = (
    "Success and collision: percent of driven episodes with the Wilson 95 % interval. "
    "Simulator errors are in no number; `bound` is the success if all of them were failures."
)
REPEATS_NOTE = (
    "Routes were driven with several seeds. n counts distinct drives: on an empty road the seeds "
    "of a route are one. Intervals count what the drives of a route have in common (Kish's design "
    "effect)."
)
NAMED_REASONS = 3


def result_table(rows: Sequence[EpisodeRow]) -> Table:
    """One line per setting and input."""
    cells = make_cells(rows)
    names = labels_of(cell.input_setting for cell in cells)
    printed = [item for item in aggregates_of(_kind(rows)) if item.header]
    own = own_names(rows)
    header = (
        *("town", "weather", "traffic", "policy", "arm", "n", "success %", "bound"),
        *("collision %", *(item.header for item in printed), *(f"{name} / km" for name in own)),
        *("outcomes", "backend", "map"),
    )
    body = tuple(
        (
            cell.setting.town,
            cell.setting.weather,
            cell.setting.scene,
            f"{cell.setting.policy} ({cell.setting.policy_weights})",
            names[cell.input_setting],
            _count(cell),
            str(cell.success),
            _number(cell.success_bound, 1) if cell.errors else "",
            str(cell.collision),
            *(_number(cell.numbers[item.name], item.digits) for item in printed),
            *(_number(cell.own.get(name), 2) for name in own),
            ", ".join(f"{count} {name}" for name, count in cell.outcomes.items()),
            _backend(cell),
            cell.setting.map,
        )
        for cell in cells
    )
    return Table("Closed-loop results", header, body, _notes(rows, cells))


def appendix_b_table(rows: Sequence[EpisodeRow]) -> Table:
    """The paper's Appendix B beside our numbers; ours stay per backend, map and weights."""
    published = load_published("appendix_b")
    header = (
        "town", "weather", "input", "source", "n", "success %", "collision %", "lane / route",
    )  # fmt: skip
    cells = make_cells(rows)
    body: list[tuple[str, ...]] = []
    for item in published["cells"]:
        where = (item["town"], item["weather"], item["input"])
        numbers = (f"{item['success']:.1f}", f"{item['collision']:.1f}", f"{item['lane']:.2f}")
        body.append((*where, published["label"], "", *numbers))
        body.extend(
            (
                *where,
                _source(cell),
                _count(cell),
                str(cell.success),
                str(cell.collision),
                _number(cell.numbers["lane_per_route"], 2),
            )
            for cell in cells
            if (cell.setting.town, cell.setting.weather, cell.input_setting.input) == where
        )
    notes = (f"Published: {published['source']}. {published['note']}", *_notes(rows, cells))
    return Table("Appendix B: published beside ours", header, tuple(body), notes)


def published_names() -> tuple[str, ...]:
    """Suites whose numbers others published."""
    folder = files("results") / "published"
    return tuple(sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".json")))


def load_published(name: str) -> dict[str, Any]:
    """Numbers that others published, with their source."""
    text = (files("results") / "published" / f"{name}.json").read_text(encoding="utf-8")
    published: dict[str, Any] = json.loads(text)
    return published


def cells_csv(rows: Sequence[EpisodeRow]) -> str:
    """The cells with plain numbers, one column each; empty where a number is missing."""
    own = own_names(rows)
    return csv_text([lettered(_csv_line(cell, own)) for cell in make_cells(rows)])


def write_tables(rows: Sequence[EpisodeRow], directory: Path, tables: Sequence[Table]) -> None:
    """Write `table.md`, `table.tex`, `table.csv` and `gains.csv` into the run's directory.

    Raises:
        OutputError: one cannot be written; it stays as it was.
    """
    texts = {
        "table.md": markdown_text(tables),
        "table.tex": "\n".join(table.latex() for table in tables),
        "table.csv": cells_csv(rows),
    }
    if gains := gains_csv(rows):
        texts["gains.csv"] = gains
    for name, text in texts.items():
        # Excel takes a table without the mark for one in the machine's old code page.
        is_excel = name.endswith(".csv") and not text.isascii()
        with whole_file(directory / name) as draft:
            draft.write_text(text, encoding="utf-8-sig" if is_excel else "utf-8")


def make_tables(
    rows: Sequence[EpisodeRow], suite: str | None = None, hazards: Sequence[HazardRow] = ()
) -> list[Table]:
    """The tables of a run, in the order in which they are printed."""
    tables = [result_table(rows), *gain_tables(rows)]
    met = hazard_table(rows, hazards)
    if met is not None:
        tables.append(met)
    if suite == "appendix_b":
        tables.append(appendix_b_table(rows))
    return tables


def _csv_line(cell: Cell, own: Sequence[str]) -> dict[str, Any]:
    line: dict[str, Any] = {**cell.setting._asdict(), **cell.input_setting._asdict()}
    line["arm"] = cell.input_setting.arm
    line.update(n=cell.n, drives=cell.drives, routes=cell.routes)
    line.update(sim_errors=cell.errors, agent_errors=cell.agent_errors)
    for name, rate in (("success", cell.success), ("collision", cell.collision)):
        line[f"{name}_percent"] = rate.percent
        line[f"{name}_low"] = 100.0 * rate.interval.low if rate.n else None
        line[f"{name}_high"] = 100.0 * rate.interval.high if rate.n else None
        line[f"{name}_effective_n"] = rate.effective
    line["success_bound_percent"] = cell.success_bound
    line.update(cell.numbers, km=cell.km)
    line.update({f"{OWN}{name}_per_km": cell.own.get(name) for name in own})
    line["outcomes"] = json.dumps(cell.outcomes)
    return line


def _notes(rows: Sequence[EpisodeRow], cells: Sequence[Cell]) -> tuple[str, ...]:
    has_thermal = any(cell.input_setting.input in ("thermal", "fused") for cell in cells)
    reasons = Counter(row.error for row in rows if row.outcome == "agent_error")
    notes = (
        COMMON_NOTE,
        REPEATS_NOTE if any(cell.drives > cell.routes for cell in cells) else "",
        _weights_note(cells),
        THERMAL_NOTE if has_thermal else "",
        _thermal_note(cells),
        _agent_note(reasons),
        _benchmark_note(rows),
        _mixture_note("package versions", [row.package_version for row in rows]),
        _mixture_note("commits of the source", [row.commit for row in rows]),
    )
    return tuple(note for note in notes if note)


def _thermal_note(cells: Sequence[Cell]) -> str:
    """The thermal camera's settings and the version of its pictures."""
    found = dict.fromkeys(cell.input_setting.thermal_text for cell in cells)
    named = [text for text in found if text]
    return f"Thermal camera: {'; '.join(named)}." if named else ""


def _weights_note(cells: Sequence[Cell]) -> str:
    """Which weights the arms drove with; empty where none has any."""
    arms = {cell.input_setting: None for cell in cells if cell.input_setting.fuser_weights != NONE}
    named = [f"{seen.label} {seen.fuser_weights}" for seen in arms]
    return f"Weights or parameters: {', '.join(named)}." if named else ""


def _count(cell: Cell) -> str:
    """Distinct drives, and on how many routes where that says more."""
    return str(cell.n) if cell.n == cell.routes else f"{cell.n} ({cell.routes} routes)"


def _agent_note(reasons: Counter[str]) -> str:
    """How often the policy itself failed, and why; empty where it never did."""
    if not reasons:
        return ""
    named = [f"{count} x {text}" for text, count in reasons.most_common(NAMED_REASONS)]
    named += ["others"] if len(reasons) > NAMED_REASONS else []
    return f"Agent errors, {reasons.total()} in all, are failures within n: {'; '.join(named)}."


def _benchmark_note(rows: Sequence[EpisodeRow]) -> str:
    """Which frozen benchmark the rows are of; empty where they are of none."""
    counts = Counter(row.benchmark or "no benchmark" for row in rows)
    if set(counts) == {"no benchmark"}:
        return ""
    named = ", ".join(f"{count} of {name}" for name, count in counts.items())
    return f"Frozen benchmark: rows {named}. Numbers are comparable where name and hash are equal."


def _mixture_note(what: str, found: Sequence[str]) -> str:
    """Says that rows of different sources stand in one table; empty where all are of one."""
    counts = Counter(found)
    if len(counts) < 2:
        return ""
    named = [f"{count} of {name or 'one that is not named'}" for name, count in counts.items()]
    return (
        f"Mixed: these rows are of {len(counts)} {what}, so that differences between them may be "
        f"differences of the program: {', '.join(named)}."
    )


def _kind(rows: Sequence[EpisodeRow]) -> type[EpisodeRow]:
    return type(rows[0]) if rows else EpisodeRow


def _source(cell: Cell) -> str:
    return f"ours ({_backend(cell)}, {cell.setting.map}, {cell.input_setting.fuser_label})"


def _backend(cell: Cell) -> str:
    """The backend and, where it is known, the version of its look."""
    look = cell.setting.look
    return cell.setting.backend if look is None else f"{cell.setting.backend}, look {look}"


def _number(value: float | None, digits: int) -> str:
    return "n/a" if value is None else f"{value:.{digits}f}"
