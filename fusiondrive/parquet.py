"""Parquet by one library, whatever else is installed: equal frames give equal bytes and types.

pandas itself takes pyarrow where it finds it, as beside the extra `viz`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import fastparquet
import pandas as pd


def read_frame(path: Path) -> pd.DataFrame:
    """The columns of a file, as fastparquet types them."""
    frame: pd.DataFrame = fastparquet.ParquetFile(str(path)).to_pandas()
    return frame


def write_frame(
    frame: pd.DataFrame, path: Path, *, compression: Literal["SNAPPY", "ZSTD"] = "SNAPPY"
) -> None:
    """Write the columns of a frame without its index."""
    fastparquet.write(str(path), frame, compression=compression, write_index=False)
