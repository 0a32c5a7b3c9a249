"""Whether errors on poses foretell driving: rank correlation over arms with drives' success."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fusiondrive.cli import Flag
from results.counterfactual_table import correlation_table
from results.counterfactuals import read_rows
from results.frame import load_frame, to_rows
from results.terminal import show


@dataclass(frozen=True, kw_only=True)
class CorrelateOptions:
    """Options of `correlate`."""

    rows: Annotated[Path, Flag("folder or rows.parquet of harness.perception act", "PATH")]
    drives: Annotated[
        tuple[Path, ...], Flag("runs, rows.jsonl or parquet files of harness.run", "PATH")
    ]


def run(options: CorrelateOptions, words: list[str]) -> str:
    """Compare arms by their errors on poses and by their success in drives.

    Args:
        options: of the command.
        words: not looked at.
    """
    rows = read_rows(options.rows)
    drives = to_rows(load_frame([str(path) for path in options.drives]))
    show([correlation_table(rows, drives)])
    return ""
