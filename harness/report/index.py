"""A page that lists the runs of a folder, with what was driven in each and its report."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from fusiondrive.errors import ConfigError
from harness.report.answer import make_answer
from harness.report.page import render
from harness.report.palette import Style, in_order, style_of
from harness.report.runs import rows_of
from results.cells import labels_of, make_cells
from results.gains import compare
from results.reading import FILE_NAME

logger = logging.getLogger(__name__)

REPORT = "report.html"


class NamedArm(NamedTuple):
    """An arm that was driven."""

    label: str
    style: Style


class Entry(NamedTuple):
    """One run of the list."""

    name: str
    report: str  # address of its report, relative to the list; empty where there is none
    command: str  # that makes one
    day: str
    drives: int
    errors: int
    places: str
    arms: tuple[NamedArm, ...]
    verdict: str  # the first sentence of its report
    evidence: str


def make_index(folder: Path, file: Path) -> str:
    """The list as HTML, newest runs first.

    A run whose rows cannot be read is left out with a warning, and the page names it.

    Args:
        folder: holds folders of runs, at any depth.
        file: where the page is going to be, for its links.

    Raises:
        ConfigError: there is no run.
    """
    entries, unread = [], []
    for path in sorted(folder.rglob(FILE_NAME)):
        try:
            entries.append(_entry(path.parent, folder, file))
        except ConfigError as err:
            logger.warning("left out: %s", err)
            unread.append(
                f"{path.parent.relative_to(folder)}: it has no row of a drive that can be read"
            )
    if not entries:
        raise ConfigError(f"{folder}: expected folders of runs with {FILE_NAME}, found none")
    entries.sort(key=lambda entry: entry.day, reverse=True)
    return render(
        "index.html", {"folder": folder.resolve().name, "entries": entries, "unread": unread}
    )


def _entry(run: Path, folder: Path, file: Path) -> Entry:
    rows = rows_of(run)
    if not any(row.is_driven for row in rows):
        raise ConfigError(f"{run}: no drive came to its end")
    cells = make_cells(rows)
    names = labels_of(cell.input_setting for cell in cells)
    answer = make_answer(rows, cells, compare(rows), names)
    report = run / REPORT
    relative = os.path.relpath(report, file.parent).replace(os.sep, "/")
    return Entry(
        name=str(run.relative_to(folder)),
        report=quote(relative) if report.is_file() else "",
        command=f"fusiondrive report {run}",
        day=max((row.wall_finished[:16].replace("T", " ") for row in rows), default=""),
        drives=sum(row.is_driven for row in rows),
        errors=sum(not row.is_driven for row in rows),
        places=", ".join(dict.fromkeys(f"{row.town} {row.weather}" for row in rows)),
        arms=tuple(NamedArm(names[seen], style_of(seen)) for seen in in_order(names)),
        verdict=answer.verdict,
        evidence=answer.evidence,
    )
