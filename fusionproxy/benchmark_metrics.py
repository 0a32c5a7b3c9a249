"""Time of the classical metrics on one 640x480 pair, beside this machine's matrix product.

`python -m fusionproxy.benchmark --only metrics` prints it. The ratio to the product moves less with
the load of the machine than the milliseconds do.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from fusionproxy.data import U8
from fusionproxy.evaluate_tables import markdown
from fusionproxy.quality.planes import trio
from fusionproxy.quality.registry import THREADS, choose, measure
from fusionproxy.speed import GEMM_SIDE, Call, Timing, gemm, time_calls

WIDTH, HEIGHT = 640, 480
BAR_MS = 150.0  # all classical metrics, two cores
ALL = f"all, {THREADS} threads"
PRODUCT = f"float32 product of {GEMM_SIDE}"


def synthetic_pair(seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> tuple[U8, U8, U8]:
    """Fused RGB, infrared grey and visible RGB of noise with structure."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    infrared = 128 + 80 * np.sin(x / 31) * np.cos(y / 23) + rng.normal(0, 8, x.shape)
    visible = 110 + 60 * np.cos((x + 2 * y) / 17)[..., None] + rng.normal(0, 15, (*x.shape, 3))
    fused = 0.5 * infrared[..., None] + 0.5 * visible
    images = [np.clip(item, 0, 255).astype(np.uint8) for item in (fused, infrared, visible)]
    return images[0], images[1], images[2]


def time_metrics(rounds: int) -> dict[str, Timing]:
    """Timings by metric, of all together, and of a float32 matrix product."""
    pair = synthetic_pair()
    planes = trio(*pair)
    calls: dict[str, Call] = {item.title: partial(item.measure, planes) for item in choose()}
    calls |= {ALL: lambda: measure(*pair), PRODUCT: gemm()}
    return time_calls(calls, rounds)


def metrics_table(found: Mapping[str, Timing]) -> str:
    """Markdown of `time_metrics`, with the bar."""
    product = found[PRODUCT]
    rows = [
        [name, f"{t.best:.1f}", f"{t.median:.1f}", f"{t.cpu:.1f}", f"{t.best / product.best:.2f}"]
        for name, t in found.items()
    ]
    head = ["metric", "best ms", "median ms", "CPU ms", "best / product"]
    is_met = "met" if found[ALL].best < BAR_MS else "missed"
    return (
        f"### Classical metrics, one {WIDTH} x {HEIGHT} pair\n\n{markdown(head, rows)}\n\n"
        f"bar: {BAR_MS:g} ms for all (best); {is_met}"
    )
