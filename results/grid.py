"""A table as plain text in a grid, whatever it says."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from fusiondrive.files import whole_file


@dataclass(frozen=True)
class Table:
    """A titled grid of text with notes below it."""

    title: str
    header: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """For a file or a README; `results.terminal` fits a terminal's width."""
        grid = tabulate(self.body, headers=self.header, tablefmt="github", disable_numparse=True)
        return "\n".join([f"### {self.title}", "", grid, "", *self.notes, ""])

    def latex(self) -> str:
        """A booktabs tabular with its notes as comments."""
        grid = tabulate(
            self.body, headers=self.header, tablefmt="latex_booktabs", disable_numparse=True
        )
        return "\n".join([f"% {self.title}", *(f"% {note}" for note in self.notes), grid, ""])


def markdown_text(tables: Sequence[Table]) -> str:
    """All of them, one below the other."""
    return "\n".join(table.markdown() for table in tables)


def write_markdown(tables: Sequence[Table], path: Path) -> None:
    """Write them as one file, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    with whole_file(path) as draft:
        draft.write_text(markdown_text(tables), encoding="utf-8")


def csv_text(lines: Sequence[Mapping[str, Any]]) -> str:
    """Lines of the same columns as CSV with a header; empty where there are none."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if lines:
        writer.writerow(lines[0].keys())
        writer.writerows(line.values() for line in lines)
    return out.getvalue()
