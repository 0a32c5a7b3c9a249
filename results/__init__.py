"""Rows, their store, statistics and tables; `results.load` and `load_traces` read into pandas."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def load(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> pd.DataFrame:
    """The rows of one run or several, as the tables count them: one for each episode of a run.

    Args:
        paths: a run's folder, its `rows.jsonl` or `rows.parquet`, or several of them.

    Returns:
        One line an episode. The column `run` says where it is from; the others are those of
        `results.row.EpisodeRow`, with a letter before ids and hashes (`r00`, `h4512e9876543`) and
        `<NA>` where a simulator that failed gave no number.

    Raises:
        ConfigError: there are no rows, or they are not of this program.
    """
    from results.frame import load_frame  # pandas takes its time, and not every command needs it

    return load_frame(paths)


def load_traces(run: str | os.PathLike[str]) -> pd.DataFrame:
    """The steps of all drives of a run whose traces are there.

    Args:
        run: its folder.

    Returns:
        One line a step, with the columns of `results.trace.TraceRow`; `identity` says of which
        episode, as in the rows. It is missing in traces of versions that did not write it.

    Raises:
        ConfigError: there are no traces, or one is cut off.
    """
    from results.trace import load_traces as load_all  # pandas takes its time, as above

    return load_all(os.fspath(run))
