"""What a report is made of: the rows of runs, their hazards, traces and videos."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fusiondrive.errors import ConfigError
from results.frame import load_frame, to_rows
from results.hazards import HazardRecord, hazards_beside
from results.row import EpisodeRow
from results.run_folder import REPLAYS, TRACES, VIDEOS, folder_of, home_of, kept_file
from results.trace import load_trace

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Drive:
    """One row, with the run that it is from and what else is kept of it."""

    row: EpisodeRow
    run: Path  # folder or file that the user named
    hazards: tuple[HazardRecord, ...]
    trace: pd.DataFrame | None  # one line a step
    video: Path | None


@dataclass(frozen=True)
class Material:
    """All drives of the runs that a report is on, each episode once."""

    runs: tuple[Path, ...]
    drives: dict[str, Drive]  # by identity
    unread: tuple[str, ...]  # what could not be read, one sentence each

    @property
    def rows(self) -> list[EpisodeRow]:
        """The rows, in the order of the runs."""
        return [drive.row for drive in self.drives.values()]


def gather(runs: Sequence[Path]) -> Material:
    """Read runs with everything that lies beside their rows.

    A trace that cannot be read is left out with a warning, and the report says so.

    Raises:
        ConfigError: a run has no rows, or they cannot be read; no drive came to its end.
    """
    found: dict[str, tuple[EpisodeRow, Path]] = {}
    hazards: dict[str, dict[int, HazardRecord]] = {}
    for run in runs:
        for row in rows_of(run):
            known = found.get(row.identity)
            if known is None or row.is_driven or not known[0].is_driven:
                found[row.identity] = (row, run)
        for item in hazards_beside(run):
            hazards.setdefault(item.identity, {})[item.record.number] = item.record
    if not any(row.is_driven for row, _ in found.values()):
        raise ConfigError(_nothing(runs, len(found)))
    unread: list[str] = []
    drives = {
        identity: Drive(
            row=row,
            run=run,
            hazards=tuple(item for _, item in sorted(hazards.get(identity, {}).items())),
            trace=_trace(run, identity, unread),
            video=_beside(run, VIDEOS, identity, ".mp4"),
        )
        for identity, (row, run) in found.items()
    }
    for line in unread:
        logger.warning("%s", line)
    return Material(tuple(runs), drives, tuple(unread))


def rows_of(run: Path) -> list[EpisodeRow]:
    """The rows of a run's folder, or of a file of rows.

    Raises:
        ConfigError: they are not there, or cannot be read.
    """
    return to_rows(load_frame(run))


def _nothing(runs: Sequence[Path], errors: int) -> str:
    named = ", ".join(map(str, runs))
    if errors:
        return (
            f"{named}: no drive came to its end ({errors} simulator errors); drive them again "
            "with fusiondrive run and the same --out"
        )
    return f"{named}: no rows to report; drive some with fusiondrive run"


def _beside(run: Path, folder: str, identity: str, suffix: str) -> Path | None:
    """The file that a run keeps of a drive, or a replay of it."""
    for place in (folder_of(run), home_of(run) / REPLAYS):
        found = kept_file(place / folder, identity, suffix)
        if found is not None:
            return found
    return None


def _trace(run: Path, identity: str, unread: list[str]) -> pd.DataFrame | None:
    path = _beside(run, TRACES, identity, ".parquet")
    if path is None:
        return None
    try:
        frame = load_trace(path)
    except ConfigError as err:
        unread.append(f"left out: {err}")
        return None
    if frame.empty:
        unread.append(f"left out: {path}: expected the steps of a drive, found none")
        return None
    return frame
