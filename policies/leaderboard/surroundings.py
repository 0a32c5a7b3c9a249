"""What agents find around them when the Leaderboard's scripts start them: variables, folders.

Agents read these variables while they are imported and set up. What the user has set stays; nothing
in this project reads them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SAVE_PATH = "SAVE_PATH"  # agents that find it save there, each run into a folder that must be new


def export_variables(routes: Path | None) -> None:
    """Set those of the Leaderboard's variables that agents ask for and the user has not set."""
    values = {
        "ROUTES": str(routes or "routes.xml"),  # agents use its name in those of their folders
        "REPETITIONS": "1",
        "CHALLENGE_TRACK_CODENAME": "SENSORS",
    }
    for name, value in values.items():
        os.environ.setdefault(name, value)


class SaveFolders:
    """Gives each route a folder of its own below the user's `SAVE_PATH`, if there is one."""

    def __init__(self) -> None:
        self._root = os.environ.get(SAVE_PATH)

    def begin(self, name: str) -> None:
        """Make `SAVE_PATH` name a folder that no drive has used."""
        if self._root is None:
            return
        tries = (Path(self._root) / f"{name}{mark}" for mark in _marks())
        os.environ[SAVE_PATH] = str(next(path for path in tries if not path.exists()))

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Nothing that an agent saves in here is kept, and it may go where it likes."""
        where, folder = Path.cwd(), tempfile.mkdtemp()
        if self._root is not None:
            os.environ[SAVE_PATH] = folder
        try:
            yield
        finally:
            os.chdir(where)
            if self._root is not None:
                os.environ[SAVE_PATH] = self._root
            shutil.rmtree(folder, ignore_errors=True)


def _marks() -> Iterator[str]:
    yield ""
    number = 2
    while True:
        yield f"-{number}"
        number += 1
