"""Parquet by one library, whatever else is installed: equal frames give equal bytes and types.

pandas itself takes pyarrow where it finds it, as beside the extra `viz`.
"""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Literal

import fastparquet
import pandas as pd


def read_frame(path: Path, columns: Container[str] | None = None) -> pd.DataFrame:
    """The columns of a file, as fastparquet types them.

    Args:
        path: the file.
        columns: those that are read, where they are there; None: all of them.
    """
    file = fastparquet.ParquetFile(str(path))
    wanted = None if columns is None else [name for name in file.columns if name in columns]
    frame: pd.DataFrame = file.to_pandas(columns=wanted)
    return frame


def write_frame(
    frame: pd.DataFrame, path: Path, *, compression: Literal["SNAPPY", "ZSTD"] = "SNAPPY"
) -> None:
    """Write the columns of a frame without its index."""
    fastparquet.write(str(path), frame, compression=compression, write_index=False)
