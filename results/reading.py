"""Reading the rows of a run: one JSON object a line."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path

from results.row import EpisodeRow

logger = logging.getLogger(__name__)

FILE_NAME = "rows.jsonl"
PARQUET_NAME = "rows.parquet"


def read_rows(path: Path | str) -> list[EpisodeRow]:
    """Rows of a file in the order of writing; a torn or foreign line is skipped with a warning."""
    path = Path(path)
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(EpisodeRow.from_dict(json.loads(line)))
        except (ValueError, AttributeError, TypeError) as err:
            logger.warning("%s:%d is not a row and is left out: %s", path, number, err)
    return rows


def unique(rows: Iterable[EpisodeRow]) -> list[EpisodeRow]:
    """One row per identity, in the order of first appearance; driven rows before errors."""
    kept: dict[str, EpisodeRow] = {}
    for row in rows:
        if row.identity not in kept or row.is_driven or not kept[row.identity].is_driven:
            kept[row.identity] = row
    return list(kept.values())
