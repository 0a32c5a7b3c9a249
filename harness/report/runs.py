"""What a report is made of: the rows of runs, their hazards, traces and videos."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from fusiondrive.errors import ConfigError
from harness.report.traced import Traced, read_traced
from results.frame import load_frame, to_rows
from results.hazards import HazardRecord, hazards_beside
from results.row import EpisodeRow
from results.run_folder import REPLAYS, TRACES, VIDEOS, KeptFiles, folder_of, home_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Drive:
    """One row, with the run that it is from and what else is kept of it."""

    row: EpisodeRow
    run: Path  # folder or file that the user named
    hazards: tuple[HazardRecord, ...]
    traced: Traced | None  # None where no trace was kept, or it cannot be read
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
    traces = {run: _Beside(run, TRACES, ".parquet") for run in runs}
    videos = {run: _Beside(run, VIDEOS, ".mp4") for run in runs}
    rows = tqdm(found.items(), unit="drive", desc="traces", disable=None)
    drives = {
        identity: Drive(
            row=row,
            run=run,
            hazards=tuple(item for _, item in sorted(hazards.get(identity, {}).items())),
            traced=_traced(traces[run].of(identity), unread),
            video=videos[run].of(identity),
        )
        for identity, (row, run) in rows
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


class _Beside:
    """The files that a run keeps of drives, or replays of them."""

    def __init__(self, run: Path, folder: str, suffix: str) -> None:
        places = (folder_of(run), home_of(run) / REPLAYS)
        self._kept = tuple(KeptFiles(place / folder, suffix) for place in places)

    def of(self, identity: str) -> Path | None:
        """The file of a drive."""
        return next((path for kept in self._kept if (path := kept.of(identity))), None)


def _traced(file: Path | None, unread: list[str]) -> Traced | None:
    if file is None:
        return None
    try:
        return read_traced(file)
    except ConfigError as err:
        unread.append(f"left out: {err}")
        return None
