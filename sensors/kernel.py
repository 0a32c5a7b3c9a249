"""The decorator of the compiled functions, and noise from counters instead of generators."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile with numba, cached on disk; no fast-math, so that results repeat to the bit."""
    return cast(Function, njit(cache=True)(function))


@compiled
def hash32(x: int, y: int, salt: int) -> int:
    """Mix three integers into 32 bits."""
    h = (x * 374761393 + y * 668265263 + salt * 1442695041) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 1103515245) & 0xFFFFFFFF
    return h ^ (h >> 15)


@compiled
def unit(x: int, y: int, salt: int) -> float:
    """Uniform in [0, 1)."""
    return hash32(x, y, salt) / 4294967296.0


@compiled
def normal(x: int, y: int, salt: int) -> float:
    """Close to a standard normal: the sum of four bytes."""
    h = hash32(x, y, salt)
    total = (h & 255) + ((h >> 8) & 255) + ((h >> 16) & 255) + (h >> 24)
    return (total - 510.0) / 147.8


@compiled
def patches(x: float, y: float, salt: int) -> float:
    """Smooth noise with knots on the integers, mean 0, standard deviation about 1."""
    i, j = math.floor(x), math.floor(y)
    u, v = x - i, y - j
    u, v = u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v)
    a = unit(i, j, salt) * (1.0 - u) + unit(i + 1, j, salt) * u
    b = unit(i, j + 1, salt) * (1.0 - u) + unit(i + 1, j + 1, salt) * u
    return (a * (1.0 - v) + b * v - 0.5) * 4.7
