"""Where compiled kernels are kept: a folder for each state of the sources.

numba asks only whether the file of a function has changed. Kernels call kernels of other files, so
after an update its own cache can answer with code that is partly of the earlier version.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numba
import platformdirs

PACKAGE = Path(__file__).parent
# all that kernels are made of: their files and the constants that are compiled into them
SOURCES = (
    "physics/*.py",
    "raycast/*.py",
    "render/*.py",
    "scenery/*.py",
    "sensors_*.py",
    "types.py",
)
NAME = "kernels-"


def sources_hash(package: Path = PACKAGE) -> str:
    """SHA-256 over names and contents of `SOURCES`, first 12 hex digits."""
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(path for pattern in SOURCES for path in package.glob(pattern)):
        digest.update(f"{path.relative_to(package).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def cache_folder(package: Path = PACKAGE) -> Path:
    """The folder for the present sources: in the package, or else in the user's cache.

    Folders in the package that are of other states are removed.
    """
    name, beside = NAME + sources_hash(package), package / "__pycache__"
    if not os.access(beside if beside.is_dir() else package, os.W_OK):
        return Path(platformdirs.user_cache_dir("fusiondrive")) / name
    folder = beside / name
    for other in beside.glob(NAME + "*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    return folder


def keep_by_source() -> None:
    """Let numba keep what it compiles from now on in `cache_folder`."""
    numba.config.CACHE_DIR = str(cache_folder())


def is_kept(kernel: Callable[..., object]) -> bool:
    """Whether a kernel's machine code is on disk, so that it need not be compiled."""
    folder = Path(kernel.stats.cache_path)  # type: ignore[attr-defined]
    return any(folder.glob(f"*.{kernel.__name__}-*.nbi"))
