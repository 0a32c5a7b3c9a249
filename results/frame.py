"""Rows as a pandas DataFrame with one type a column, and their copy as parquet."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import pandas as pd

from fusiondrive.arms import arm_name
from fusiondrive.errors import ConfigError
from fusiondrive.files import whole_file
from fusiondrive.parquet import read_frame, write_frame
from results.hazards import unreadable
from results.reading import FILE_NAME, PARQUET_NAME, StoredRow, read_rows, unique
from results.row import OWN, EpisodeRow

PathLike = str | os.PathLike[str]
RUN = "run"  # the column that says where a row is from
# Types in which a missing value stays missing: no 0/1 for booleans, no 3.0 for counts.
DTYPES = {str: "string", int: "Int64", bool: "boolean", float: "Float64"}
OPTIONAL = "criteria"  # a column that only rows with criteria of the user's own have
KINDS = f"a run's folder, a {FILE_NAME} or a {PARQUET_NAME}"


def column_types(row: type[Any] = EpisodeRow) -> dict[str, str]:
    """The pandas type of each column."""
    hints = get_type_hints(row)
    kinds = {field.name: hints[field.name] for field in fields(row) if field.name != "own"}
    return {
        name: next((item for base, item in DTYPES.items() if kind in (base, base | None)), "object")
        for name, kind in kinds.items()
    }


def to_frame(rows: Iterable[StoredRow]) -> pd.DataFrame:
    """Rows as files have them, ids and hashes with their letter."""
    rows = list(rows)
    types = column_types(type(rows[0]) if rows else EpisodeRow)
    records = [row.to_dict() for row in rows]
    types |= dict.fromkeys(own_columns(records), DTYPES[int])
    if not any(OPTIONAL in record for record in records):
        types.pop(OPTIONAL, None)
    frame = pd.DataFrame(records, columns=list(types), dtype=object)
    if OPTIONAL in types:
        frame[OPTIONAL] = frame[OPTIONAL].fillna("")
    return frame.astype(types)


def own_columns(records: Iterable[Iterable[str]]) -> list[str]:
    """Columns of criteria of the user's own, in the order in which they first appear."""
    found = (name for record in records for name in record if name.startswith(OWN))
    return list(dict.fromkeys(found))


def to_rows(frame: pd.DataFrame) -> list[EpisodeRow]:
    """The rows that a frame holds, as `to_frame` makes it; further columns are left out.

    Raises:
        ConfigError: a row lacks a column or has a value that cannot be.
    """
    known = [name for name in column_types() if name in frame.columns]
    known += own_columns([map(str, frame.columns)])
    records = records_of(frame[known])
    try:
        return [EpisodeRow.from_dict(values) for values in records]
    except ValueError as err:
        raise ConfigError(f"not a row of harness.run: {err}") from err


def records_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame by column; what is missing is None."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]


def write_parquet(rows: Iterable[StoredRow], path: Path) -> None:
    """Write the rows whole or not at all."""
    with whole_file(path) as draft:
        write_frame(to_frame(rows), draft)


def load_frame(paths: PathLike | Iterable[PathLike]) -> pd.DataFrame:
    """See `results.load`."""
    named = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not named:
        raise ConfigError(f"no rows to load: expected {KINDS}, found an empty list")
    return pd.concat([_load_one(Path(path)) for path in named], ignore_index=True)


def _load_one(path: Path) -> pd.DataFrame:
    file = _file_of(path.expanduser())
    frame = _read_parquet(file) if file.suffix == ".parquet" else _read_jsonl(file)
    folder = str(path if path.is_dir() else path.parent)
    if RUN not in frame:
        frame.insert(0, RUN, pd.Series(folder, index=frame.index, dtype="string"))
    return frame


def _file_of(path: Path) -> Path:
    """The file that holds the rows of what a user named."""
    if path.is_dir():
        inside = path / FILE_NAME
        if not inside.is_file():
            runs = ", ".join(sorted(found.parent.name for found in path.glob(f"*/{FILE_NAME}")))
            hint = f"; it holds the runs {runs}: give these" if runs else ""
            raise ConfigError(f"{path}: expected {FILE_NAME} of a run in it, found none{hint}")
        return inside
    if not path.is_file():
        raise ConfigError(f"{path}: no such file or folder; expected {KINDS}")
    if path.suffix not in (".jsonl", ".parquet"):
        raise ConfigError(f"{path}: expected {KINDS}")
    return path


def _read_jsonl(path: Path) -> pd.DataFrame:
    try:
        rows = unique(read_rows(path))
        is_foreign = not rows and path.stat().st_size > 0
    except OSError as err:
        raise ConfigError(f"{path}: {err.strerror or err}") from err
    if is_foreign:
        raise ConfigError(f"{path}: expected rows of harness.run, found none that can be read")
    return to_frame(rows)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        frame = read_frame(path)
    except Exception as err:  # the reader raises whatever the bytes lead it to
        raise unreadable(path, err) from err
    types = column_types()
    missing = sorted({"identity", "route_id", "seed", "outcome"} - set(frame.columns))
    if missing:
        raise ConfigError(f"{path}: expected rows of harness.run, found no column '{missing[0]}'")
    if "arm" not in frame.columns and {"input", "fuser"} <= set(frame.columns):
        frame["arm"] = [*map(arm_name, frame["input"], frame["fuser"])]
    known = {RUN: "string", **{name: types[name] for name in types if name in frame.columns}}
    return frame.astype({name: known[name] for name in known if name in frame.columns})
