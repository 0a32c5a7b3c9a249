"""Interleaved timing, and what the machine can do at most: its matrix product and its copies."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

GEMM_SIDE = 1024
COPY_MB = 4.0  # about one layer of the `cpu` student at 640x480
Call = Callable[[], object]


class Timing(NamedTuple):
    """Repeated calls in milliseconds."""

    best: float
    median: float
    cpu: float  # median time of all threads together; it does not grow while others have the cores


def time_calls(calls: Mapping[str, Call], rounds: int) -> dict[str, Timing]:
    """Time calls in turn, so that what else the machine does meets all alike.

    Each is called once before, which compiles and allocates.
    """
    for call in calls.values():
        call()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            started, used = time.perf_counter(), time.process_time()
            call()
            elapsed = time.perf_counter() - started
            found[name].append((elapsed * 1e3, (time.process_time() - used) * 1e3))
    return {
        name: Timing(
            min(wall for wall, _ in times),
            statistics.median(wall for wall, _ in times),
            statistics.median(cpu for _, cpu in times),
        )
        for name, times in found.items()
    }


def gemm() -> Call:
    """A float32 matrix product of `GEMM_SIDE` by numpy."""
    square = np.ones((GEMM_SIDE, GEMM_SIDE), np.float32)
    return lambda: square @ square


def gemm_gflop() -> float:
    """Sums and products of `gemm`."""
    return 2 * GEMM_SIDE**3 / 1e9


def copies(threads: int) -> Call:
    """Each thread copies an array of `COPY_MB` ten times."""
    count = int(COPY_MB * 1e6 / 4)
    arrays = [(np.ones(count, np.float32), np.empty(count, np.float32)) for _ in range(threads)]
    pool = ThreadPoolExecutor(threads)

    def copy(pair: tuple[np.ndarray, np.ndarray]) -> None:
        for _ in range(10):
            np.copyto(pair[1], pair[0])

    return lambda: list(pool.map(copy, arrays))


def copies_gb(threads: int) -> float:
    """Gigabytes that `copies` reads and writes."""
    return 2 * 10 * threads * COPY_MB / 1e3
