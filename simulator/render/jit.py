"""How the kernels of the renderer are compiled, and how their cache is kept honest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
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


def discard_stale_cache(entry: Callable[..., object]) -> bool:
    """Remove cached machine code if any source of this package changed since it was made.

    numba looks at the age of the file of the outermost function only, so that an edit of a
    function it calls would go unnoticed.

    Args:
        entry: any kernel of this package; tells where numba keeps its cache.

    Returns:
        Whether the kernels will be compiled anew.
    """
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    folder = Path(entry.stats.cache_path)  # type: ignore[attr-defined]
    stamp = folder / "render_kernels.sha256"
    if stamp.exists() and stamp.read_text() == digest:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    for path in sources:
        for cached in (*folder.glob(f"{path.stem}.*.nbi"), *folder.glob(f"{path.stem}.*.nbc")):
            cached.unlink(missing_ok=True)
    stamp.write_text(digest)
    return True
