"""One row for each hazard that a drive was to meet, beside the episodes' own rows."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from fusiondrive.errors import ConfigError
from fusiondrive.files import output, sync
from results.columns import ROW_DIGITS, column

logger = logging.getLogger(__name__)

HAZARDS_NAME = "hazards.jsonl"
HAZARDS_PARQUET = "hazards.parquet"
LETTER = "h"  # before an identity, as `results.row` has it


@dataclass(frozen=True)
class HazardRecord:
    """What came of one hazard; lengths are from the front bumper along the route."""

    number: int = column("which one along the route, from 0")
    kind: str = column("the Leaderboard's name of the scenario type")
    route_m: float = column("where along the route the ego was to meet it, m")
    is_met: bool = column(
        "whether it acted; it did not where the drive ended before or traffic stood in its place",
        False,
    )
    seen_m: float | None = column(
        "metres from the bumper from which on it was in the camera's view: 6 pixels high or more, "
        "within the picture's width, not behind a vehicle; weather and houses do not count",
        None,
    )
    braked_m: float | None = column(
        "metres from the bumper at which the ego slowed by 1 m/s2 or more, once the hazard had "
        "acted and was in view",
        None,
    )
    was_hit: bool = column("whether the car collided with one of its actors", False)
    impact_mps: float | None = column("the ego's speed before the contact, m/s", None)
    min_ttc_s: float | None = column(
        "least time to collision at present speeds while both are on one course, s", None
    )
    speed_mps: float | None = column(
        "the ego's greatest speed after the hazard acted and before it braked, m/s", None
    )
    stopping_m: float | None = column(
        "stopping distance from that speed, m: 0.5 s of reaction, then 7 m/s2", None
    )
    transmission: float | None = column(
        "share of visible light that the weather leaves over that distance, 0 to 1", None
    )

    def rounded(self) -> HazardRecord:
        """The same with the digits of rows."""
        values: dict[str, Any] = {
            item.name: round(value, ROW_DIGITS)
            for item in fields(self)
            if isinstance(value := getattr(self, item.name), float)
        }
        return replace(self, **values)


@dataclass(frozen=True)
class HazardRow:
    """A record with the identity of its episode."""

    identity: str
    record: HazardRecord

    def to_dict(self) -> dict[str, Any]:
        """All columns, in order, as files have them."""
        return {"identity": f"{LETTER}{self.identity}", **asdict(self.record)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> HazardRow:
        """Read a row back.

        Raises:
            ValueError: a column is unknown or a required one is missing.
        """
        plain = dict(values)
        try:
            identity = str(plain.pop("identity")).removeprefix(LETTER)
            return cls(identity, HazardRecord(**plain))
        except (KeyError, TypeError) as err:
            raise ValueError(f"not a hazard's row: {err}") from err


def append_hazards(folder: Path, rows: Sequence[HazardRow]) -> None:
    """Add the rows of one episode; the episode's own row comes after them and makes them count.

    Raises:
        OutputError: they cannot be written.
    """
    if not rows:
        return
    path = folder / HAZARDS_NAME
    lines = [json.dumps(row.to_dict(), allow_nan=False) for row in rows]
    # A newline first: the last writer may have died within its line.
    data = ("\n" + "\n".join(lines) + "\n").encode()
    with output(path):
        (folder / HAZARDS_PARQUET).unlink(missing_ok=True)  # it would lack these rows
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(file, data)
            sync(file)
        finally:
            os.close(file)


def read_hazards(path: Path) -> list[HazardRow]:
    """Rows of a file, each hazard of an episode once; a torn or foreign line is skipped."""
    rows = []
    text = path.read_bytes() if path.is_file() else b""
    for number, line in enumerate(text.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(HazardRow.from_dict(json.loads(line)))
        except (ValueError, AttributeError, TypeError) as err:
            logger.warning("%s:%d is not a hazard's row and is left out: %s", path, number, err)
    return unique_hazards(rows)


def unique_hazards(rows: Iterable[HazardRow]) -> list[HazardRow]:
    """Each hazard of an episode once: the last that was written, in the order of the first."""
    return list({(row.identity, row.record.number): row for row in rows}.values())


def of_episodes(rows: Iterable[HazardRow], identities: Iterable[str]) -> list[HazardRow]:
    """The rows of these episodes; others belong to drives that were not brought to an end."""
    known = set(identities)
    return [row for row in rows if row.identity in known]


def hazards_beside(path: Path) -> list[HazardRow]:
    """The hazards of what a user named: a run's folder, or a file of episodes' rows.

    Beside `rows.jsonl` or `rows.parquet` of a run lies `hazards.jsonl`; beside any other
    `NAME.parquet` lies `NAME_hazards.parquet`.
    """
    if path.is_dir():
        return read_hazards(path / HAZARDS_NAME)
    if path.stem == "rows":
        return read_hazards(path.with_name(HAZARDS_NAME))
    beside = path.with_name(f"{path.stem}_hazards.parquet")
    return read_parquet(beside) if beside.is_file() else []


def read_parquet(path: Path) -> list[HazardRow]:
    """Rows of the copy in parquet.

    Raises:
        ConfigError: it cannot be read, as where it was cut off.
    """
    from fusiondrive.parquet import read_frame  # pandas takes its time

    try:
        frame = read_frame(path).astype(object)
    except Exception as err:  # the reader raises whatever the bytes lead it to
        raise unreadable(path, err) from err
    records = frame.where(frame.notna(), None).to_dict("records")
    return [HazardRow.from_dict({str(name): v for name, v in row.items()}) for row in records]


def unreadable(path: Path, err: Exception) -> ConfigError:
    """The one line that a user reads of a broken parquet file."""
    return ConfigError(
        f"{path}: not readable as parquet, perhaps cut off ({type(err).__name__}: "
        f"{' '.join(str(err).split())}); it stays as it is: put a whole copy in its place, or "
        "move it away"
    )


def write_parquet(rows: Sequence[HazardRow], path: Path) -> None:
    """Write the rows whole or not at all, with one type a column."""
    import pandas as pd  # takes its time

    from fusiondrive.files import whole_file
    from fusiondrive.parquet import write_frame

    frame = pd.DataFrame([row.to_dict() for row in rows]).astype(
        {
            **{"identity": "string", "kind": "string", "number": "Int64"},
            **{"is_met": "boolean", "was_hit": "boolean"},
            **{item.name: "Float64" for item in fields(HazardRecord) if "float" in str(item.type)},
        }
    )
    with whole_file(path) as draft:
        write_frame(frame, draft)
