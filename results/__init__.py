"""Rows, their store, statistics and tables; `results.load` reads rows into pandas."""

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
