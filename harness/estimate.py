"""How long a run will take, from the wall-clock times of drives like its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, quantiles
from typing import NamedTuple

from fusiondrive.errors import ConfigError
from harness.outline import Drive
from results.frame import load_frame, to_rows
from results.reading import FILE_NAME, PARQUET_NAME, read_rows
from results.row import EpisodeRow

PUBLISHED = Path(__file__).parents[1] / "results" / "published"
PUBLISHED_FILES = ("fog_controls.parquet", "hazards_town03.parquet", "expert_hazards_35.parquet")

# What drives are told apart by; where no row is alike in all, the last is left out, and so on.
KEYS = ("arm", "policy", "town", "traffic", "hazards")


class Times(NamedTuple):
    """Wall-clock seconds of drives, and where they are from."""

    rows: tuple[EpisodeRow, ...]
    source: str


class Seconds(NamedTuple):
    """Mean of drives like one, with their quartiles."""

    low: float
    mean: float
    high: float


class Estimate(NamedTuple):
    """Minutes of a whole run: by means, and if every drive took its lower or upper quartile."""

    low: float
    mean: float
    high: float
    unlike: int  # drives to which no row is alike in all of `KEYS`


def past_times(folder: Path) -> Times:
    """Rows to estimate by: those of the run itself, else of runs beside it, else the published."""
    own = _driven(_rows_in(folder))
    if own:
        return Times(own, f"{len(own)} rows of this run")
    beside = sorted(path.parent for path in folder.parent.glob(f"*/{FILE_NAME}"))
    others = _driven([row for path in beside for row in _rows_in(path)])
    if others:
        return Times(others, f"{len(others)} rows of runs beside it in {folder.parent}")
    shipped = [PUBLISHED / name for name in PUBLISHED_FILES]
    rows = _driven(to_rows(load_frame(shipped)))
    return Times(rows, f"{len(rows)} published rows (two workers on two cores, another machine)")


def rows_of_run(folder: Path) -> list[EpisodeRow]:
    """The rows that a run's folder has already; a broken file is no reason to stop.

    Raises:
        ConfigError: only a copy in parquet is there, and it cannot be read.
    """
    if (folder / FILE_NAME).is_file():
        return read_rows(folder / FILE_NAME)
    copy = folder / PARQUET_NAME
    return to_rows(load_frame(copy)) if copy.is_file() else []


def estimate(drives: Sequence[Drive], times: Times, workers: int) -> Estimate:
    """How many minutes so many drives take.

    Args:
        drives: those that are left.
        times: from `past_times`.
        workers: servers that drive side by side.
    """
    known: dict[tuple[str, ...], tuple[Seconds, bool]] = {}
    total, unlike = [0.0, 0.0, 0.0], 0
    for drive in drives:
        values = tuple(str(getattr(drive.spec, key)) for key in KEYS)
        if values not in known:
            known[values] = _like(values, times.rows)
        seconds, is_alike = known[values]
        total = [a + b for a, b in zip(total, seconds, strict=True)]
        unlike += not is_alike
    low, mean, high = (seconds / workers / 60.0 for seconds in total)
    return Estimate(low, mean, high, unlike)


def _like(values: tuple[str, ...], rows: Sequence[EpisodeRow]) -> tuple[Seconds, bool]:
    """Of the rows that are alike in most, arm first; and whether they are in all."""
    for count in range(len(KEYS), -1, -1):
        alike = [
            row.wall_seconds
            for row in rows
            if row.wall_seconds is not None
            and tuple(str(getattr(row, key)) for key in KEYS[:count]) == values[:count]
        ]
        if alike:
            return _summary(alike), count == len(KEYS)
    raise ValueError("no rows to estimate by")  # `past_times` gives some


def _summary(seconds: Sequence[float]) -> Seconds:
    if len(seconds) < 2:
        return Seconds(seconds[0], seconds[0], seconds[0])
    quartiles = quantiles(seconds, n=4, method="inclusive")
    return Seconds(quartiles[0], fmean(seconds), quartiles[2])


def _driven(rows: Sequence[EpisodeRow]) -> tuple[EpisodeRow, ...]:
    return tuple(row for row in rows if row.is_driven and row.wall_seconds is not None)


def _rows_in(folder: Path) -> list[EpisodeRow]:
    try:
        return rows_of_run(folder)
    except (ConfigError, OSError):
        return []  # an estimate can do without
