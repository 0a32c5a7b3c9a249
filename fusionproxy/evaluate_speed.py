"""Time of the classical metrics on one 640x480 pair, beside this machine's matrix product.

    python -m fusionproxy.evaluate_speed

The ratio to the product moves less with the load of the machine than the milliseconds do.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from fusionproxy.data import U8
from fusionproxy.evaluate_tables import markdown
from fusionproxy.quality.planes import trio
from fusionproxy.quality.registry import THREADS, choose, measure

WIDTH, HEIGHT = 640, 480
GEMM_SIDE = 1024
BAR_MS = 150.0  # all classical metrics, two cores
ALL = f"all, {THREADS} threads"


class Timing(NamedTuple):
    """Milliseconds of repeated calls."""

    best: float
    median: float


def time_calls(call: Callable[[], object], repeats: int) -> Timing:
    """Time a call after one that compiles and allocates."""
    call()
    found = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        found.append((time.perf_counter() - started) * 1e3)
    return Timing(min(found), statistics.median(found))


def synthetic_pair(seed: int = 0) -> tuple[U8, U8, U8]:
    """Fused RGB, infrared grey and visible RGB of noise with structure."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    infrared = 128 + 80 * np.sin(x / 31) * np.cos(y / 23) + rng.normal(0, 8, x.shape)
    visible = 110 + 60 * np.cos((x + 2 * y) / 17)[..., None] + rng.normal(0, 15, (*x.shape, 3))
    fused = 0.5 * infrared[..., None] + 0.5 * visible
    images = [np.clip(item, 0, 255).astype(np.uint8) for item in (fused, infrared, visible)]
    return images[0], images[1], images[2]


def benchmark(repeats: int) -> dict[str, Timing]:
    """Timings by metric, of all together, and of a float32 matrix product."""
    pair = synthetic_pair()
    planes = trio(*pair)
    found = {item.title: time_calls(partial(item.measure, planes), repeats) for item in choose()}
    found[ALL] = time_calls(lambda: measure(*pair), repeats)
    square = np.ones((GEMM_SIDE, GEMM_SIDE), np.float32)
    found[f"float32 product of {GEMM_SIDE}"] = time_calls(lambda: square @ square, repeats)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Command line; ends with 1 where the bar is missed."""
    parser = argparse.ArgumentParser(prog="fusionproxy.evaluate_speed", description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    found = benchmark(max(parser.parse_args(arguments).repeats, 1))
    product = list(found.values())[-1]
    rows = [
        [name, f"{t.best:.1f}", f"{t.median:.1f}", f"{t.best / product.best:.2f}"]
        for name, t in found.items()
    ]
    print(f"### Classical metrics, one {WIDTH} x {HEIGHT} pair\n")
    print(markdown(["metric", "best ms", "median ms", "best / product"], rows))
    is_met = found[ALL].best < BAR_MS
    print(f"\nbar: {BAR_MS:g} ms for all; {'met' if is_met else 'missed'}")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
