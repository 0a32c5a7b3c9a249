"""Tables and plot of what policies answered to pictures of poses."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd

from fusiondrive.cli import Flag, check_values
from fusiondrive.errors import ConfigError
from fusiondrive.files import check_folder
from harness.perception.plot import write_plot
from results.counterfactual_table import distance_table, error_table
from results.counterfactuals import CLUSTERS, read_rows
from results.grid import write_markdown
from results.terminal import show


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """Options of `table`."""

    rows: Annotated[
        tuple[Path, ...], Flag("folders or rows.parquet of harness.perception act", "PATH")
    ]
    out: Annotated[Path, Flag("folder of table.md and brakings.png", "DIR")]
    cluster: Annotated[str, Flag("what intervals resample", choices=CLUSTERS)] = "drive"

    def __post_init__(self) -> None:
        """Check the options."""
        check_values(self)


def run(options: TableOptions, words: list[str]) -> str:
    """Make the tables of rows.

    Args:
        options: of the command.
        words: not looked at.

    Raises:
        ConfigError: the rows are of several pose sets, or arms cannot be compared.
    """
    check_folder(options.out, flag="--out")
    frame = pd.concat([read_rows(path) for path in options.rows], ignore_index=True)
    sets = sorted(set(frame["pose_set"]))
    if len(sets) > 1:
        raise ConfigError(f"rows of several pose sets ({', '.join(sets)}) cannot be compared")
    write_tables(frame, options.out, options.cluster)
    return ""


def write_tables(frame: pd.DataFrame, folder: Path, cluster: str) -> None:
    """Write and show the tables, and write the plot."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = [error_table(frame, cluster), distance_table(frame)]
    write_markdown(tables, folder / "table.md")
    write_plot(frame, folder / "brakings.png")
    show(tables)
    print(f"tables and plot: {folder}", file=sys.stderr)
