"""Reading the rows of a run: one JSON object a line."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from results.row import LETTERS, EpisodeRow

logger = logging.getLogger(__name__)

FILE_NAME = "rows.jsonl"
PARQUET_NAME = "rows.parquet"


Row = TypeVar("Row", bound="StoredRow")


class StoredRow(Protocol):
    """What a row needs in order to be stored: `EpisodeRow`, and rows of other measurements."""

    @property
    def identity(self) -> str:
        """What was driven, as a hash."""

    @property
    def is_driven(self) -> bool:
        """Whether it need not be driven again."""

    def to_dict(self) -> dict[str, Any]:
        """All columns, in order, as files have them."""

    @classmethod
    def from_dict(cls: type[Row], values: Mapping[str, Any]) -> Row:
        """Read a row back; a ValueError says what cannot be."""


def read_rows(path: Path | str) -> list[EpisodeRow]:
    """Rows of a file in the order of writing; a torn or foreign line is skipped with a warning."""
    return read_rows_of(EpisodeRow, path)


def read_rows_of(kind: type[Row], path: Path | str) -> list[Row]:
    """The same of any kind of row."""
    path = Path(path)
    if not path.exists():
        return []
    rows, faults = [], []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(kind.from_dict(json.loads(line)))
        except (ValueError, AttributeError, TypeError) as err:
            faults.append(f"{path}:{number} is not a row and is left out: {err}")
    if faults:  # of a file of another version it is every line
        more = f" ({len(faults) - 1} more lines are none)" if len(faults) > 1 else ""
        logger.warning("%s%s", faults[0], more)
    return rows


def unique(rows: Iterable[Row]) -> list[Row]:
    """One row per identity, in the order of first appearance; driven rows before errors."""
    kept: dict[str, Row] = {}
    for row in rows:
        if row.identity not in kept or row.is_driven or not kept[row.identity].is_driven:
            kept[row.identity] = row
    return list(kept.values())


def arranged(data: bytes, order: Sequence[str]) -> bytes:
    """Lines of rows with those of some episodes in a given order, after all others.

    Several lines of one episode, such as a simulator's error and the drive after it, keep their
    order, and so do all others, torn and foreign ones among them.

    Args:
        data: of a file with one JSON object a line.
        order: identities, without their letter.
    """
    places = {identity: place for place, identity in enumerate(order)}
    # Hazards begin with an empty line each, see `results.hazards`; it would add up.
    lines = [line for line in data.split(b"\n") if line.strip()]
    ordered = sorted(lines, key=lambda line: places.get(_identity_of(line), -1))
    return data if ordered == lines else b"".join(line + b"\n" for line in ordered)


def _identity_of(line: bytes) -> str:
    try:
        return str(json.loads(line)["identity"]).removeprefix(LETTERS["identity"])
    except (ValueError, TypeError, KeyError):
        return ""


def complete_rows(kind: type[Row], path: Path, start: int) -> tuple[list[Row], int]:
    """Rows of a file that another process writes, without a line that is not whole yet.

    Args:
        kind: of the rows.
        path: one JSON object a line; it may not be there yet.
        start: the byte from which to read, where a line begins.

    Returns:
        The rows, and the byte from which to read the next time.
    """
    try:
        with path.open("rb") as file:
            file.seek(start)
            data = file.read()
    except FileNotFoundError:
        return [], start
    whole = data[: data.rfind(b"\n") + 1]
    rows = []
    for line in filter(bytes.strip, whole.split(b"\n")):
        try:
            rows.append(kind.from_dict(json.loads(line)))
        except (ValueError, AttributeError, TypeError) as err:
            logger.warning("%s: a line is not a row and is left out: %s", path, err)
    return rows, start + len(whole)
