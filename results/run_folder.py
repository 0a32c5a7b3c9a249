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


class KeptFiles:
    """The files that are kept of drives in one folder, found by the identities of episodes."""

    def __init__(self, folder: Path, suffix: str) -> None:
        """List the folder once, which may be missing.

        Args:
            folder: of such files, `traces` or `videos`.
            suffix: such as `.parquet`.
        """
        self._files: dict[str, list[Path]] = {}
        for path in folder.glob(f"*_*{suffix}"):
            end = path.name.removesuffix(suffix).rpartition("_")[2]
            self._files.setdefault(end, []).append(path)

    def of(self, identity: str) -> Path | None:
        """The file of a drive; None where there is none, or several.

        Args:
            identity: of the episode, without its letter; its first digits end the file's name.
        """
        for digits in (MANY_DIGITS, FEW_DIGITS):
            found = self._files.get(identity[:digits], [])
            if len(found) == 1:
                return found[0]
        return None


def kept_file(folder: Path, identity: str, suffix: str) -> Path | None:
    """The file that is kept of one drive, see `KeptFiles`."""
    return KeptFiles(folder, suffix).of(identity)
