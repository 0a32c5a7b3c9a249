"""Random draws on all threads of torch, the same whatever their number."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from fusionproxy.errors import missing_extra

try:
    import torch
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

T = TypeVar("T")


def drawn(
    rng: np.random.Generator, count: int, draw: Callable[[np.random.Generator], T]
) -> list[T]:
    """Draw several things, each with a generator of its own.

    Args:
        rng: gives each its seed, in order.
        count: how many.
        draw: makes one; called from several threads where torch has several.
    """
    generators = [np.random.default_rng(int(seed)) for seed in rng.integers(2**63, size=count)]
    threads = min(torch.get_num_threads(), count)
    if threads <= 1:
        return [draw(generator) for generator in generators]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(draw, generators))
