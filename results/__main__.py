"""Tables of the rows of one or several runs: `python -m results RUN [RUN ...]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fusiondrive.errors import ConfigError, FusionDriveError
from fusiondrive.text import lenient_output
from results.reading import FILE_NAME, read_rows, unique
from results.row import EpisodeRow
from results.table import make_tables, write_tables
from results.terminal import show


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; returns the exit code."""
    lenient_output()
    parser = argparse.ArgumentParser(prog="python -m results", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs, or files of rows")
    parser.add_argument("--suite", help="appendix_b prints the paper's numbers beside")
    parser.add_argument("--out", type=Path, help="folder for Markdown, CSV and LaTeX")
    options = parser.parse_args(arguments)
    try:
        rows = gather([path.expanduser() for path in options.runs])
        tables = make_tables(rows, options.suite)
        if options.out is not None:
            write_tables(rows, options.out.expanduser(), tables)
    except FusionDriveError as err:
        print(f"error: {err}", file=sys.stderr)
        return 2
    show(tables)
    return 0


def gather(paths: Sequence[Path]) -> list[EpisodeRow]:
    """Rows of several runs, each episode once.

    Raises:
        ConfigError: a folder has no rows.
    """
    rows: list[EpisodeRow] = []
    for path in paths:
        file = path / FILE_NAME if path.is_dir() else path
        if not file.is_file():
            raise ConfigError(f"{path}: expected the folder of a run, or its {FILE_NAME}")
        rows += read_rows(file)
    if not rows:
        raise ConfigError(f"no rows in {', '.join(map(str, paths))}; drive some with harness.run")
    return unique(rows)


if __name__ == "__main__":
    sys.exit(main())
