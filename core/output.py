"""Files that are there whole or not at all, and one error for every disk that takes no more."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import OutputError

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
    try:
        with output(path, *errors):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield draft
            keep(draft, path)
    finally:
        discard(draft)


def draft_of(path: Path) -> Path:
    """Where a file is written before it takes its place."""
    # The stem is cut because a name may have 255 bytes, and that of the file may have them all.
    return path.with_name(f"{path.stem[:SHOWN]}.{os.getpid()}{PARTIAL}{path.suffix}")


def keep(draft: Path, path: Path) -> None:
    """Put a finished draft into its place, once the disk has it: only then is it sure to be whole.

    Raises:
        OSError: the disk has not.
    """
    with draft.open("rb") as file:
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
