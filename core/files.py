"""Files and folders that appear whole or not at all.

A command that computes for long calls `check_file` or `check_folder` first, so that a place that
cannot be written is named before hours are spent.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fusionproxy.errors import FusionError

PARTIAL = "partial"


@contextmanager
def whole_file(path: Path, *errors: type[Exception]) -> Iterator[Path]:
    """A file to write, of the same suffix, that takes the place of `path` at the end or is gone.

    Args:
        path: the file to be; its folder is made.
        errors: what the writer raises besides OSError when the disk is full or read-only.

    Raises:
        FusionError: it cannot be written.
    """
    partial = path.with_name(f"{path.stem}.{os.getpid()}.{PARTIAL}{path.suffix}")
    caught: tuple[type[Exception], ...] = (OSError, *errors)
    check_file(path)
    try:
        yield partial
        partial.replace(path)
    except FusionError:
        raise  # of what is written, not of writing it
    except caught as err:
        raise FusionError(f"{path} cannot be written ({err}); what is there stays") from err
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path, names: Sequence[str] = ()) -> Iterator[Path]:
    """A folder to fill; its files move into `folder` at the end, or all are gone.

    Args:
        folder: the folder to be.
        names: files that are going to be written, where they are known.

    Raises:
        FusionError: they cannot be written.
    """
    folder = folder.absolute()  # the name of `.`
    check_folder(folder, names)
    # Beside the files where the folder is there: it may be a mounted disk, its parent read-only.
    hidden, beside = f".{os.getpid()}.{PARTIAL}", f"{folder.name}.{os.getpid()}.{PARTIAL}"
    partial = folder / hidden if folder.is_dir() else folder.with_name(beside)
    try:
        partial.mkdir(parents=True)
        yield partial
    except OSError as err:
        shutil.rmtree(partial, ignore_errors=True)
        raise FusionError(f"{folder} cannot be written ({err}); what is there stays") from err
    except BaseException:  # an interrupt, too
        shutil.rmtree(partial, ignore_errors=True)
        raise
    _move_files(partial, folder)


def _move_files(partial: Path, folder: Path) -> None:
    try:
        for path in sorted(item for item in partial.rglob("*") if item.is_file()):
            target = folder / path.relative_to(partial)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    except OSError as err:
        raise FusionError(
            f"{folder} cannot be filled ({err}); what was made stays in {partial}"
        ) from err
    shutil.rmtree(partial, ignore_errors=True)


def check_file(path: Path) -> None:
    """Make the folder of a file that is going to be written.

    Raises:
        FusionError: the file cannot be written.
    """
    if path.is_dir():
        raise FusionError(f"{path} is a folder; expected the name of a file")
    probe = path.with_name(f"{path.name}.{os.getpid()}.probe")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as err:
        raise FusionError(f"{path} cannot be written ({err}); what is there stays") from err


def check_folder(folder: Path, names: Sequence[str] = ()) -> None:
    """Raise FusionError where a folder, or files of these names in it, cannot be written.

    A folder that is missing is not made.
    """
    if folder.exists() and not folder.is_dir():
        raise FusionError(f"{folder} is a file; expected a folder")
    taken = [name for name in names if (folder / name).is_dir()]
    if taken:
        raise FusionError(f"{folder / taken[0]} is a folder; a file of that name would be written")
    above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not above.is_dir():
        raise FusionError(f"{folder} cannot be made: {above} is a file")
    if not os.access(above, os.W_OK | os.X_OK):
        raise FusionError(f"{folder} cannot be written: no right to write in {above}")
