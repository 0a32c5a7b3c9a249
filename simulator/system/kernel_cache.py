"""Where compiled kernels are kept: a folder for each state of the sources.

numba asks only whether the file of a function has changed. Kernels call kernels of other files, so
after an update its own cache can answer with code that is partly of the earlier version.
`python -m simulator.system.kernel_cache` says which folder it is now, and what is in it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numba
import platformdirs
from numba.core.caching import FunctionCache

from simulator.system.commands import lenient_output
from simulator.system.home import NAME as PROJECT
from simulator.system.home import is_writable, temporary_folder

logger = logging.getLogger(__name__)

PACKAGE = Path(__file__).parents[1]
# All that kernels are made of: their files, and those of the constants compiled into them.
SOURCES = (
    "physics/*.py",
    "raycast/*.py",
    "render/*.py",
    "scenery/*.py",
    "sensors/*.py",
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
    """The folder for the present sources: the first of `_places` that can be written.

    Folders in the package that are of other states are removed.
    """
    name, beside = NAME + sources_hash(package), package / "__pycache__"
    place = next((place for place in _places(beside) if is_writable(place)), temporary_folder())
    if place == beside:
        for other in beside.glob(NAME + "*"):
            if other.name != name:
                shutil.rmtree(other, ignore_errors=True)
    return place / name


def _places(beside: Path) -> list[Path]:
    """What NUMBA_CACHE_DIR says, else the package, else the user's cache."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen and not is_writable(Path(chosen)):
        logger.warning("NUMBA_CACHE_DIR=%s cannot be written; kernels are kept elsewhere", chosen)
    given = [Path(chosen).absolute()] if chosen else []
    return [*given, beside, Path(platformdirs.user_cache_dir(PROJECT))]


def keep_by_source() -> None:
    """Let numba keep what it compiles from now on in `cache_folder`, as far as there is room."""
    numba.config.CACHE_DIR = str(cache_folder())
    FunctionCache.save_overload = _forgiving(FunctionCache.save_overload)


def _forgiving(save: Callable[..., None]) -> Callable[..., None]:
    """Save unless the disk is full, which then costs the next start another compilation."""

    @wraps(save)
    def save_if_possible(cache: Any, *arguments: Any) -> None:
        try:
            save(cache, *arguments)
        except OSError as err:
            logger.warning(
                "a compiled kernel is not kept in %s: %s", cache.cache_path, err.strerror
            )

    return save_if_possible


def is_kept(kernel: Callable[..., object]) -> bool:
    """Whether a kernel's machine code is on disk, so that it need not be compiled."""
    folder = Path(kernel.stats.cache_path)  # type: ignore[attr-defined]
    return any(folder.glob(f"*.{kernel.__name__}-*.nbi"))


def main() -> int:
    """Say where kernels are kept, and how many are there."""
    lenient_output()
    folder = cache_folder()
    count = sum(1 for _ in folder.rglob("*.nbi"))
    hint = "" if count else ", the next start compiles them in about a minute"
    print(f"{count} compiled kernels in {folder}{hint}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
