"""Milliseconds that each enhancement by hand takes: `python -m sensors.enhance.benchmark`."""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import cv2
import numpy as np
from tabulate import tabulate

from fusiondrive.arms import HAND_MADE
from fusiondrive.text import lenient_output
from sensors.enhance.base import U8, Enhancer
from sensors.enhance.registry import make_enhancer

FRAMES = 300
WARM_UP = 20
LIMIT_MS = 3.0  # of `dehaze` on 400x300 and two cores
THREADS = 2


def foggy_street(width: int, height: int) -> U8:
    """A made-up picture of a street that fades into fog upwards, (H, W, 3)."""
    rng = np.random.default_rng(0)
    road = rng.integers(20, 120, (height, width, 3)).astype(np.float32)
    through = np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None, None]
    return np.asarray(205.0 + (road - 205.0) * through, dtype=np.uint8)


def milliseconds(enhancer: Enhancer, picture: U8) -> float:
    """Median time of one frame."""
    taken = []
    for number in range(WARM_UP + FRAMES):
        began_s = time.perf_counter()
        enhancer.enhance(picture)
        if number >= WARM_UP:
            taken.append(time.perf_counter() - began_s)
    return 1000.0 * statistics.median(taken)


def main() -> int:
    """Print the table; returns the exit code."""
    lenient_output()
    parser = argparse.ArgumentParser(
        prog="python -m sensors.enhance.benchmark", description=__doc__
    )
    parser.add_argument("--width", type=int, default=400)
    parser.add_argument("--height", type=int, default=300)
    options = parser.parse_args()
    cv2.setNumThreads(THREADS)
    picture = foggy_street(options.width, options.height)
    times = {name: milliseconds(make_enhancer(name), picture) for name in HAND_MADE}
    grid = [[name, f"{found:.2f}", f"{found / LIMIT_MS:.2f}"] for name, found in times.items()]
    print(tabulate(grid, headers=["enhancement", "ms a frame", "of the 3 ms that dehaze may take"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
