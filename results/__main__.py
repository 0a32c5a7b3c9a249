"""Tables of the rows of one or several runs: `python -m results RUN [RUN ...]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fusiondrive.cli import Flag, exit_code, parse
from fusiondrive.errors import ConfigError, unknown_name
from results.frame import load_frame, to_rows
from results.hazards import hazards_beside, unique_hazards
from results.reading import unique
from results.row import EpisodeRow
from results.table import make_tables, published_names, write_tables
from results.terminal import show


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command."""

    runs: Annotated[
        tuple[Path, ...], Flag("folders of runs, or files of rows", "RUN", names=("runs",))
    ]
    suite: Annotated[str | None, Flag("appendix_b prints the paper's numbers beside")] = None
    out: Annotated[Path | None, Flag("folder for Markdown, CSV and LaTeX", "DIR")] = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; returns the exit code."""
    return exit_code(lambda: _tables(parse(Options, arguments, "results", __doc__)))


def _tables(options: Options) -> int:
    if options.suite is not None and options.suite not in published_names():
        raise unknown_name("suite with published numbers", options.suite, published_names())
    rows = gather(options.runs)
    hazards = [item for path in options.runs for item in hazards_beside(path)]
    tables = make_tables(rows, options.suite, unique_hazards(hazards))
    if options.out is not None:
        write_tables(rows, options.out, tables)
    show(tables)
    return 0


def gather(paths: Sequence[Path]) -> list[EpisodeRow]:
    """Rows of several runs, each episode once.

    Raises:
        ConfigError: one of the paths has no rows, or cannot be read.
    """
    rows = to_rows(load_frame(paths))
    if not rows:
        raise ConfigError(f"no rows in {', '.join(map(str, paths))}; drive some with harness.run")
    return unique(rows)


if __name__ == "__main__":
    sys.exit(main())
