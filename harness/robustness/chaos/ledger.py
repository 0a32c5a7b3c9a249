"""What stood whole in a file of rows: nothing of it may ever be gone again."""

from __future__ import annotations

import json
import os
from pathlib import Path


class Ledger:
    """Remembers the lines of a file that is only ever appended to."""

    def __init__(self, path: Path) -> None:
        """Read what stands there already.

        Args:
            path: of `rows.jsonl`; it need not be there yet.
        """
        self._path = path
        self._known: set[bytes] = set()
        self._size, self._count = 0, 0
        self.look()

    def look(self) -> int:
        """Read the file; how many rows that were whole before are gone."""
        present = self._whole_lines()
        lost = len(self._known - present)
        self._known = present
        return lost

    def size(self) -> int:
        """Bytes of the file; 0 where there is none."""
        return self._path.stat().st_size if self._path.is_file() else 0

    def count(self) -> int:
        """How many lines there are; reads no more than what is new."""
        size = self.size()
        if size < self._size:
            self._size, self._count = 0, 0
        if size > self._size:
            with self._path.open("rb") as file:
                file.seek(self._size)
                data = file.read(size - self._size)
            self._count, self._size = self._count + data.count(b"\n"), self._size + len(data)
        return self._count

    def tear(self, share: float) -> int:
        """Cut the last line off, or a part of it, as a machine does that loses its power.

        Args:
            share: of the line with its end that is cut off, above 0 and up to 1.

        Returns:
            How many bytes are gone; 0 where there is no line.
        """
        self.look()
        data = self._path.read_bytes() if self._path.is_file() else b""
        begin = data[:-1].rfind(b"\n") + 1
        length = len(data) - begin
        if not length:
            return 0
        cut = max(1, min(length, round(share * length)))
        os.truncate(self._path, len(data) - cut)
        self._known = self._whole_lines()
        self._size, self._count = 0, 0  # it may be longer again before somebody counts
        return cut

    def _whole_lines(self) -> set[bytes]:
        data = self._path.read_bytes() if self._path.is_file() else b""
        return {line for line in data.split(b"\n") if _is_whole(line)}


def _is_whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
