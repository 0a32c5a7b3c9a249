"""A home folder and a folder for caches where the system gives none; twin: `simulator.system.home`.

Containers run as users without a name, without HOME, or with a home that they cannot write to.
"""

from __future__ import annotations

import os
import stat
import tempfile
from functools import lru_cache
from pathlib import Path

try:
    import pwd
except ModuleNotFoundError:  # Windows
    pwd = None  # type: ignore[assignment]

NAME = "fusiondrive"


def ensure_home() -> None:
    """Set HOME where it is missing: CARLA's library reads it when it is loaded, and crashes."""
    if not os.environ.get("HOME"):
        os.environ["HOME"] = _recorded_home() or str(temporary_folder())


def client_files() -> Path | None:
    """Where CARLA's client is to keep what a server sends; None where its own place will do.

    It makes `carlaCache` in the home folder, and no connection without it.
    """
    own = Path(os.environ["HOME"]) / "carlaCache"
    return None if is_writable(own) else temporary_folder() / "carlaCache"


def is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder, or in the nearest of its parents that is there."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError:
        return False
    return True


@lru_cache(maxsize=1)
def temporary_folder() -> Path:
    """A folder below the temporary one that nobody else can write to: code is loaded from it."""
    if not hasattr(os, "getuid"):  # Windows, where the temporary folder is the user's own
        return Path(tempfile.gettempdir()) / NAME
    folder = Path(tempfile.gettempdir()) / f"{NAME}-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
        if is_ours and not found.st_mode & 0o022 and is_writable(folder):
            return folder
    except OSError:
        pass  # something else has the name
    return Path(tempfile.mkdtemp(prefix=f"{NAME}-"))


def _recorded_home() -> str | None:
    """The home of the system's list of users, if it can be used."""
    if pwd is None:
        return os.environ.get("USERPROFILE")
    try:
        home = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return None  # a container's user without a name
    return home if os.path.isdir(home) else None
