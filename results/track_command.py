"""Tables of the rows of track tests: one curve an arm, and arms in pairs.

python -m results.track_command results/published/track_perceiver_round1.parquet
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd

from fusiondrive.cli import Flag, exit_code, parse
from fusiondrive.errors import ConfigError
from results.frame import records_of
from results.grid import Table
from results.terminal import show
from results.track_gains import gain_table
from results.track_row import TrackRow
from results.track_table import curve_table


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command."""

    rows: Annotated[
        tuple[Path, ...], Flag("rows.parquet of runs of `harness.track`", "ROWS", ("rows",))
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return exit_code(lambda: run(parse(Options, arguments, "results.track_command", __doc__)))


def run(options: Options) -> int:
    """Print the tables of some files of rows, which must be of one detector; returns the exit code.

    Raises:
        ConfigError: a file is missing or has other rows, or detectors differ.
    """
    rows = [row for path in options.rows for row in read_track_rows(path)]
    detectors = sorted({f"{row.detector} {row.detector_weights}" for row in rows})
    if len(detectors) > 1:
        raise ConfigError(
            f"rows of several detectors cannot be compared: {', '.join(detectors)}; give one's"
        )
    show(summaries(rows))
    return 0


def summaries(rows: Sequence[TrackRow]) -> list[Table]:
    """One curve an arm, and arms in pairs where there are several."""
    several = len({row.arm for row in rows}) > 1
    return [curve_table(rows), *([gain_table(rows)] if several else [])]


def read_track_rows(path: Path) -> list[TrackRow]:
    """The rows of a parquet file.

    Raises:
        ConfigError: it is missing, broken, or of other rows.
    """
    try:
        return [TrackRow.from_dict(values) for values in records_of(pd.read_parquet(path))]
    except Exception as err:  # pandas and its engines raise of many kinds for broken files
        text = " ".join(str(err).split())[:160]
        raise ConfigError(
            f"{path}: expected rows.parquet of `python -m harness.track` ({text})"
        ) from err


if __name__ == "__main__":
    sys.exit(main())
