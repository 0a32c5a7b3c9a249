"""How the kernels of the renderer are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

_Kernel = TypeVar("_Kernel", bound=Callable[..., object])


def kernel(function: _Kernel) -> _Kernel:
    """Compile without the interpreter lock and without any reordering of arithmetic.

    No fast-math flag is set: pixels must not depend on how the image is cut between threads.
    """
    compiled = numba.njit(cache=True, nogil=True, error_model="numpy", _nrt=False)(function)
    return cast(_Kernel, compiled)


def small(function: _Kernel) -> _Kernel:
    """A kernel of few lines that is part of the machine code of those that call it."""
    compiled = numba.njit(
        cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True
    )(function)
    return cast(_Kernel, compiled)


def inlined(function: _Kernel) -> _Kernel:
    """Compile into its caller; for functions that take whole structures and are called once."""
    compiled = numba.njit(cache=True, error_model="numpy", inline="always", _nrt=False)(function)
    return cast(_Kernel, compiled)
