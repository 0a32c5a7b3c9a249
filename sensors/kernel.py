"""The decorator of compiled functions, and noise that is computed from pixel indices."""

from __future__ import annotations

import hashlib
import math
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
import platformdirs
from numpy.typing import NDArray

from fusiondrive.home import NAME as PROJECT
from fusiondrive.home import is_writable, temporary_folder
from fusionproxy.numba_cache import kept

BANDS = 2  # two cores hold the client and the server; the server waits while the client works
_POOL = ThreadPoolExecutor(BANDS - 1, thread_name_prefix="sensors")

Function = TypeVar("Function", bound=Callable[..., Any])


PACKAGE = Path(__file__).parent
CACHE_NAME = "kernels-"


@lru_cache(maxsize=1)
def cache_folder(package: Path = PACKAGE) -> Path:
    """Folder of the machine code, one for each state of the package's sources.

    numba asks only whether the file of a function has changed, but kernels call those of other
    files. Folders of earlier states are removed.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(package.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    name, beside = CACHE_NAME + digest.hexdigest()[:12], package / "__pycache__"
    place = next((place for place in _places(beside) if is_writable(place)), temporary_folder())
    if place == beside:
        for other in beside.glob(CACHE_NAME + "*"):
            if other.name != name:
                shutil.rmtree(other, ignore_errors=True)
    return place / name


def _places(beside: Path) -> list[Path]:
    """Folders to try in turn: NUMBA_CACHE_DIR, the package's own, the user's cache."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    given = [Path(chosen).absolute() / "sensors"] if chosen else []
    return [*given, beside, Path(platformdirs.user_cache_dir(PROJECT)) / "sensors"]


def compiled(function: Function) -> Function:
    """Compile with numba, cached on disk and without fast-math, so that results repeat exactly.

    The interpreter's lock is released, so that `in_bands` can run rows side by side.
    """
    return _compiled(function)


def inlined(function: Function) -> Function:
    """The same for a small function that makes no array: it becomes part of those that call it."""
    return _compiled(function, forceinline=True, _nrt=False)


def _compiled(function: Function, **options: bool) -> Function:
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(cache_folder())
    try:
        return cast(Function, kept(function, error_model="numpy", nogil=True, **options))
    finally:
        numba.config.CACHE_DIR = before


def in_bands(rows: int, work: Callable[[int, int], None]) -> None:
    """Call `work(first, beyond)` on bands of rows in threads.

    The results of `work` must not depend on where one band ends and the next begins.
    """
    edges = [rows * band // BANDS for band in range(BANDS + 1)]
    others = [_POOL.submit(work, *pair) for pair in pairwise(edges[1:])]
    try:
        work(edges[0], edges[1])
    finally:
        for other in others:
            other.result()


@inlined
def hash_word(x: int, y: int, salt: int) -> int:
    """Mix three integers into a word of 32 bits."""
    h = np.uint32((x * 374761393 + y * 668265263 + salt * 1442695041) & 0xFFFFFFFF)
    h = np.uint32((h ^ (h >> np.uint32(13))) * np.uint32(1274126177))
    h = np.uint32((h ^ (h >> np.uint32(16))) * np.uint32(1103515245))
    return h ^ (h >> np.uint32(15))  # type: ignore[return-value]


@inlined
def deviate(word: int) -> float:
    """Nearly standard normal of a random word of 32 bits: the sum of its four bytes."""
    low = (word & np.uint32(255)) + ((word >> np.uint32(8)) & np.uint32(255))
    high = ((word >> np.uint32(16)) & np.uint32(255)) + (word >> np.uint32(24))
    return (np.int32(low + high) - 510.0) / 147.8


@inlined
def unit(x: int, y: int, salt: int) -> float:
    """Pseudo-random number, uniform in [0, 1), for two indices and a salt."""
    return hash_word(x, y, salt) / 4294967296.0


NOISE_SIZE = 128  # knots a side; the pattern repeats after so many units


def noise_table(seed: int) -> NDArray[np.float32]:
    """Random knots for `patches`, uniform with mean 0, (NOISE_SIZE, NOISE_SIZE)."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-2.35, 2.35, (NOISE_SIZE, NOISE_SIZE)).astype(np.float32)


@inlined
def patches(x: float, y: float, table: NDArray[np.float32]) -> float:
    """Value of a smooth noise with knots on the integers, mean 0, standard deviation about 1."""
    i, j = math.floor(x), math.floor(y)
    u, v = x - i, y - j
    u, v = u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v)
    # Unsigned, so that nobody asks whether an index counts from the end.
    top, left = np.uintp(i & (NOISE_SIZE - 1)), np.uintp(j & (NOISE_SIZE - 1))
    low, right = np.uintp((i + 1) & (NOISE_SIZE - 1)), np.uintp((j + 1) & (NOISE_SIZE - 1))
    a = table[top, left] + u * (table[low, left] - table[top, left])
    b = table[top, right] + u * (table[low, right] - table[top, right])
    return float(a + v * (b - a))
