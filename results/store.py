"""The rows of a run on disk: one JSON object per line, appended whole.

Lines are never changed. A run that was driven by several at once puts them into the order of its
plan at its end. `rows.parquet` beside them is a copy with a type for each column, made when the
store is closed.
"""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Generic

from fusiondrive.errors import ConfigError, OutputError
from fusiondrive.files import output, sync, whole_file
from fusiondrive.types import Closing
from results.hazards import (
    HAZARDS_NAME,
    HAZARDS_PARQUET,
    HazardRow,
    append_hazards,
    hazards_beside,
    of_episodes,
)
from results.hazards import read_parquet as read_hazards_copy
from results.hazards import write_parquet as write_hazards
from results.reading import FILE_NAME, PARQUET_NAME, Row, arranged, read_rows_of, unique
from results.row import EpisodeRow

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)  # Windows: bytes as is


class Store(Closing, Generic[Row]):
    """Append-only rows of one run directory, held by one writer at a time."""

    def __init__(self, kind: type[Row], directory: Path | str) -> None:
        """Open or create the directory's rows and lock them.

        Raises:
            ConfigError: the directory cannot be written, or another run writes there.
        """
        self._kind = kind
        directory = Path(directory)
        self.path = directory / FILE_NAME
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self.path, _FLAGS, 0o644)
        except OSError as err:
            raise ConfigError(f"cannot write to {directory}: {err.strerror}") from err
        self._lock(directory)
        self._is_open = True

    def append(self, row: Row) -> None:
        """Add one row in a single write, and wait until the disk has it.

        Raises:
            OutputError: it is not there, and no part of it either.
        """
        with output(self.path):
            self.path.with_name(PARQUET_NAME).unlink(missing_ok=True)  # it would lack this row
        self._append_lines([row])

    def _append_lines(self, rows: Sequence[Row]) -> None:
        lines = [json.dumps(row.to_dict(), allow_nan=False) + "\n" for row in rows]
        data = "".join(lines).encode()
        with output(self.path):
            if not self._ends_with_newline():
                data = b"\n" + data  # the last writer died within its line
            before = os.fstat(self._fd).st_size
            try:
                if os.write(self._fd, data) != len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                sync(self._fd)
            except OSError:
                os.ftruncate(self._fd, before)
                raise

    def rows(self) -> list[Row]:
        """The valid rows; of several with one identity the last that was driven, else the last."""
        return unique(read_rows_of(self._kind, self.path))

    def done(self) -> set[str]:
        """Identities that need not be driven again; a simulator error is not a result."""
        return {row.identity for row in self.rows() if row.is_driven}

    def arrange(self, order: Sequence[str]) -> None:
        """Put the lines of these episodes in this order, after all others, which stay as they are.

        Args:
            order: identities, without their letter.

        Raises:
            OutputError: it cannot be written; the lines stay as they were.
        """
        before = self.path.read_bytes()
        after = arranged(before, order)
        if after == before:
            return
        with whole_file(self.path) as draft:
            draft.write_bytes(after)
            fd = os.open(draft, _FLAGS, 0o644)
            try:
                _lock(fd)  # before others can see it
            except OSError:
                logger.debug("%s: no locks here", draft)
        os.close(self._fd)
        self._fd = fd

    def close(self) -> None:
        """Copy the rows as parquet, and give them free for another writer."""
        if self._is_open:
            self._is_open = False
            try:
                self._copy()
            finally:
                os.close(self._fd)

    def _copy(self) -> None:
        """Bring `rows.parquet` up to date; where it cannot be, none is better than an old one."""
        path = self.path.with_name(PARQUET_NAME)
        rows = self.rows()
        if not rows:
            return
        from results.frame import write_parquet  # pandas takes its time

        try:
            write_parquet(rows, path)
        except (OSError, OutputError) as err:
            logger.warning("the rows are written, their copy is not: %s", err)
            path.unlink(missing_ok=True)

    def _lock(self, directory: Path) -> None:
        if fcntl is None:
            logger.warning("%s: no locks on this system; let no other run write there", directory)
            return
        try:
            _lock(self._fd)
        except OSError as err:
            if err.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
                os.close(self._fd)
                raise ConfigError(
                    f"another run is writing to {directory}; give another --out"
                ) from err
            # Some network file systems have none; a second run there is the user's to avoid.
            logger.warning("%s: the file system has no locks (%s); let no other run write there",
                           directory, err.strerror)  # fmt: skip

    def _ends_with_newline(self) -> bool:
        size = os.fstat(self._fd).st_size
        if size == 0:
            return True
        os.lseek(self._fd, size - 1, os.SEEK_SET)  # rows are appended wherever this stands
        return os.read(self._fd, 1) == b"\n"


def _lock(descriptor: int) -> None:
    """Lock a file for this process alone.

    Raises:
        OSError: another process has locked it, or the file system has no locks.
    """
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class RowStore(Store[EpisodeRow]):
    """The rows of driven episodes."""

    def __init__(self, directory: Path | str) -> None:
        """Open or create them, as `Store` does.

        Where only their copies in parquet are there, as a repository keeps them, the run goes on
        from these.
        """
        super().__init__(EpisodeRow, directory)
        copy = self.path.with_name(PARQUET_NAME)
        if os.fstat(self._fd).st_size == 0 and copy.is_file():
            self._restore(copy)

    def _restore(self, copy: Path) -> None:
        from results.frame import load_frame, to_rows  # pandas takes its time

        try:
            rows, beside = to_rows(load_frame(copy)), copy.with_name(HAZARDS_PARQUET)
            hazards = read_hazards_copy(beside) if beside.is_file() else []
        except BaseException:
            self._is_open = False
            os.close(self._fd)
            raise
        append_hazards(self.path.parent, hazards)
        self._append_lines(rows)

    def append_driven(self, row: EpisodeRow, hazards: Sequence[HazardRow]) -> None:
        """Add an episode's row, and before it what the episode met, in a file of its own.

        Raises:
            OutputError: the row is not there, and no part of it either.
        """
        append_hazards(self.path.parent, hazards)
        self.append(row)

    def hazards(self) -> list[HazardRow]:
        """What the driven episodes met."""
        return of_episodes(hazards_beside(self.path.parent), self.done())

    def arrange(self, order: Sequence[str]) -> None:
        """Put the lines of these episodes, and of what they met, in this order, as `Store` does."""
        super().arrange(order)
        path = self.path.with_name(HAZARDS_NAME)
        before = path.read_bytes() if path.is_file() else b""
        after = arranged(before, order)
        if after != before:
            with whole_file(path) as draft:
                draft.write_bytes(after)

    def _copy(self) -> None:
        super()._copy()
        path, hazards = self.path.with_name(HAZARDS_PARQUET), self.hazards()
        try:
            if hazards:
                write_hazards(hazards, path)
        except (OSError, OutputError) as err:
            logger.warning("the hazards are written, their copy is not: %s", err)
            path.unlink(missing_ok=True)
