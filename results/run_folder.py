"""A run's folder: what lies in it beside the rows, and where that belongs which is made of it."""

from __future__ import annotations

from pathlib import Path

from results.reading import FILE_NAME, PARQUET_NAME

TRACES, VIDEOS, REPLAYS = "traces", "videos", "replays"  # folders in a run's
# Digits of an identity at the end of the names of a drive's files; the more where names are alike.
FEW_DIGITS, MANY_DIGITS = 6, 16


def folder_of(run: Path) -> Path:
    """The folder of a run, which may be named by a file with its rows."""
    return run if run.is_dir() else run.parent


def is_run(path: Path) -> bool:
    """Whether a run is named, and not a file of rows from elsewhere."""
    return path.is_dir() or path.name in (FILE_NAME, PARQUET_NAME)


def home_of(run: Path) -> Path:
    """Where that belongs which is made of a run: its folder, or for rows from elsewhere here."""
    return folder_of(run) if is_run(run) else Path()


def kept_file(folder: Path, identity: str, suffix: str) -> Path | None:
    """The file that is kept of a drive; None where there is none, or several.

    Args:
        folder: of such files, `traces` or `videos`.
        identity: of the episode, without its letter; its first digits end the file's name.
        suffix: such as `.parquet`.
    """
    for digits in (MANY_DIGITS, FEW_DIGITS):
        found = list(folder.glob(f"*_{identity[:digits]}{suffix}"))
        if len(found) == 1:
            return found[0]
    return None
