"""Files of rows are the same whichever parquet libraries are installed."""

from __future__ import annotations

from pathlib import Path

import fastparquet
import pandas as pd
import pytest

from fusiondrive.parquet import read_frame, write_frame
from results.frame import to_frame
from tests.results.test_store import row


def test_rows_are_written_by_fastparquet_beside_pyarrow(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    write_frame(to_frame([row()]), tmp_path / "rows.parquet")
    maker = fastparquet.ParquetFile(str(tmp_path / "rows.parquet")).fmd.created_by
    assert b"fastparquet" in (maker if isinstance(maker, bytes) else maker.encode())


def test_files_that_pyarrow_wrote_are_read(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = to_frame([row(), row(seed=1)])
    frame.to_parquet(tmp_path / "theirs.parquet", engine="pyarrow", index=False)
    write_frame(frame, tmp_path / "ours.parquet")
    found = read_frame(tmp_path / "theirs.parquet").astype(frame.dtypes.to_dict())
    pd.testing.assert_frame_equal(found, frame)
