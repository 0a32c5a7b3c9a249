"""How long a run will take, from the wall-clock times of drives like its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, quantiles
from typing import NamedTuple

from fusiondrive.errors import ConfigError
from harness.outline import Drive
from results.reading import FILE_NAME, PARQUET_NAME, read_rows
from results.row import EpisodeRow

PUBLISHED = Path(__file__).parents[1] / "results" / "published"
PUBLISHED_FILES = ("fog_controls.parquet", "hazards_town03.parquet", "expert_hazards_35.parquet")

# What drives are told apart by; where no row is alike in all, the last is left out, and so on.
KEYS = ("arm", "policy", "town", "traffic", "hazards")


class Times(NamedTuple):
    """Rows of drives with their wall-clock seconds, and where they are from."""

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
    sources: Counter[str]  # how many drives each source gave the time of


def past_times(folder: Path) -> list[Times]:
    """Rows to estimate by, the best first: of the run itself, of runs beside it, the published."""
    from results.frame import load_frame, to_rows  # pandas takes its time

    own = _driven(_rows_in(folder))
    beside = {path.parent for path in folder.parent.glob(f"*/{FILE_NAME}")} - {folder}
    others = _driven([row for path in sorted(beside) for row in _rows_in(path)])
    published = _driven(to_rows(load_frame([PUBLISHED / name for name in PUBLISHED_FILES])))
    found = [
        Times(own, "this run"),
        Times(others, f"runs beside it in {folder.parent}"),
        Times(published, "published rows (two workers on two cores, another machine)"),
    ]
    return [times for times in found if times.rows]


def rows_of_run(folder: Path) -> list[EpisodeRow]:
    """The rows that a run's folder has already; a broken file is no reason to stop.

    Raises:
        ConfigError: only a copy in parquet is there, and it cannot be read.
    """
    rows, copy = folder / FILE_NAME, folder / PARQUET_NAME
    if rows.is_file() and rows.stat().st_size:
        return read_rows(rows)
    if not copy.is_file():
        return []
    from results.frame import load_frame, to_rows  # pandas takes its time

    return to_rows(load_frame(copy))


def estimate(drives: Sequence[Drive], times: Sequence[Times], workers: int) -> Estimate:
    """How many minutes so many drives take.

    Args:
        drives: those that are left.
        times: from `past_times`.
        workers: servers that drive side by side.
    """
    known: dict[tuple[str, ...], _Found] = {}
    total, unlike, sources = [0.0, 0.0, 0.0], 0, Counter[str]()
    for drive in drives:
        values = tuple(str(getattr(drive.spec, key)) for key in KEYS)
        if values not in known:
            known[values] = _like(values, times)
        found = known[values]
        total = [a + b for a, b in zip(total, found.seconds, strict=True)]
        unlike += found.alike < len(KEYS)
        sources[found.source] += 1
    low, mean, high = (seconds / workers / 60.0 for seconds in total)
    return Estimate(low, mean, high, unlike, sources)


class _Found(NamedTuple):
    seconds: Seconds
    alike: int  # in how many of `KEYS`
    source: str


def _like(values: tuple[str, ...], times: Sequence[Times]) -> _Found:
    """Of the rows that are alike in most, arm first; of equal ones the best source."""
    for count in range(len(KEYS), -1, -1):
        for rows, source in times:
            alike = [
                row.wall_seconds
                for row in rows
                if row.wall_seconds is not None
                and tuple(str(getattr(row, key)) for key in KEYS[:count]) == values[:count]
            ]
            if alike:
                return _Found(_summary(alike), count, source)
    raise ValueError("no rows to estimate by")  # `past_times` gives the published ones at least


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
