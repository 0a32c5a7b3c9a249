"""Files and folders that are there whole or not at all; one error for a disk that takes no more.

A command that computes for long calls `check_file` or `check_folder` first, so that a place that
cannot be written is named before hours are spent.
"""

from __future__ import annotations

import errno
import glob
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from fusiondrive.errors import FusionDriveError, OutputError

PARTIAL = ".part"
SHOWN = 48  # characters of a name in the name of its draft
_REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)
# What file systems answer that cannot do this; the data is written as well as they can.
_UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)


@contextmanager
def output(path: Path, *errors: type[Exception]) -> Iterator[None]:
    """Turn every failure to write into an `OutputError`.

    Args:
        path: what is written; for the message.
        errors: what the writer raises besides OSError when there is no room.
    """
    caught: tuple[type[Exception], ...] = (OSError, *errors)
    try:
        yield
    except FusionDriveError:
        raise  # of what is written, not of writing it
    except caught as err:
        raise unwritable(path, err) from err


@contextmanager
def whole_file(path: Path, *errors: type[Exception]) -> Iterator[Path]:
    """A file to write, of the same suffix, that takes the place of `path` at the end or is gone.

    Args:
        path: the file to be; its folder is made.
        errors: what the writer raises besides OSError when there is no room.

    Raises:
        OutputError: it cannot be written; what was there stays.
    """
    draft = draft_of(path)
    check_file(path)
    try:
        with output(path, *errors):
            yield draft
            keep(draft, path)
    finally:
        discard(draft)


@contextmanager
def whole_folder(folder: Path, names: Sequence[str] = ()) -> Iterator[Path]:
    """A folder to fill; its files move into `folder` at the end, or all are gone.

    Args:
        folder: the folder to be.
        names: files that are going to be written, where they are known.

    Raises:
        OutputError: they cannot be written.
    """
    folder = folder.absolute()  # the name of `.`
    check_folder(folder, names)
    # Beside the files where the folder is there: it may be a mounted disk, its parent read-only.
    hidden, beside = f".{os.getpid()}{PARTIAL}", f"{folder.name[:SHOWN]}.{os.getpid()}{PARTIAL}"
    partial = folder / hidden if folder.is_dir() else folder.with_name(beside)
    try:
        with output(folder):
            partial.mkdir(parents=True)
            yield partial
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
        raise OutputError(
            f"{folder} cannot be filled ({err}); what was made stays in {partial}"
        ) from err
    shutil.rmtree(partial, ignore_errors=True)


def check_file(path: Path, flag: str = "") -> None:
    """Make the folder of a file that is going to be written.

    Args:
        path: the file.
        flag: stands before the error's text, such as `--out`.

    Raises:
        OutputError: the file cannot be written.
    """
    if path.is_dir():
        raise _refused(flag, f"{path} is a folder; expected the name of a file")
    probe = path.with_name(f"{path.stem[:SHOWN]}.{os.getpid()}.probe")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as err:
        raise _refused(flag, str(unwritable(path, err))) from err


def check_folder(folder: Path, names: Sequence[str] = (), flag: str = "") -> None:
    """Check that a folder, or files of these names in it, can be written; nothing is made.

    Args:
        folder: the folder.
        names: of the files.
        flag: stands before the error's text, such as `--out`.

    Raises:
        OutputError: they cannot.
    """
    if folder.exists() and not folder.is_dir():
        raise _refused(flag, f"{folder} is a file; expected a folder")
    taken = [folder / name for name in names if (folder / name).is_dir()]
    if taken:
        raise _refused(flag, f"{taken[0]} is a folder; a file of that name would be written")
    above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not above.is_dir():
        raise _refused(flag, f"{folder} cannot be made: {above} is a file")
    if not os.access(above, os.W_OK | os.X_OK):
        raise _refused(flag, f"{folder} cannot be written: no right to write in {above}")


def _refused(flag: str, text: str) -> OutputError:
    return OutputError(f"{flag}: {text}" if flag else text)


def draft_of(path: Path) -> Path:
    """Where a file is written before it takes its place."""
    # The stem is cut because a name may have 255 bytes, and that of the file may have them all.
    return path.with_name(f".{path.stem[-SHOWN:]}.{os.getpid()}{PARTIAL}{path.suffix}")


def discard_stale(path: Path) -> None:
    """Remove drafts of a file that processes left which were killed; nobody may be writing it."""
    pattern = f".{glob.escape(path.stem[-SHOWN:])}.*{PARTIAL}{path.suffix}"
    for draft in path.parent.glob(pattern):
        discard(draft)


def keep(draft: Path, path: Path) -> None:
    """Put a finished draft into its place, once the disk has it: only then is it sure to be whole.

    Raises:
        OSError: the disk has not.
    """
    with draft.open("r+b") as file:  # Windows syncs only what may be written
        sync(file.fileno())
    draft.replace(path)


def sync(descriptor: int) -> None:
    """Wait until the disk has a file, as far as the file system can say.

    Raises:
        OSError: it has not, and will not.
    """
    try:
        os.fsync(descriptor)
    except OSError as err:
        if err.errno not in _UNSUPPORTED:
            raise


def discard(draft: Path) -> None:
    """Remove a draft; a disk that refuses even this hides no earlier error."""
    with suppress(OSError):
        draft.unlink(missing_ok=True)


def of_disk(err: OSError) -> OutputError | None:
    """The error of a disk that takes no more; None where it is another kind."""
    return unwritable(Path(err.filename or "a file"), err) if err.errno in _REFUSALS else None


def unwritable(path: Path, err: Exception) -> OutputError:
    """The one line that a user reads."""
    reason = getattr(err, "strerror", None) or " ".join(str(err).split()) or type(err).__name__
    return OutputError(
        f"{path} cannot be written: {reason}. What was finished is kept: make room or give another "
        "folder, and the same command goes on"
    )
