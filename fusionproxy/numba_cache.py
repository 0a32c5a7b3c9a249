"""How compiled functions are kept on disk where there may be no room or no place for them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numba
from numba.core.caching import FunctionCache

logger = logging.getLogger(__name__)


class ForgivingCache(FunctionCache):  # type: ignore[misc]
    """numba's own, except that a full disk costs the next start a compilation, not this one."""

    def save_overload(self, *arguments: Any) -> None:
        """Keep a compiled function, if that is possible."""
        try:
            super().save_overload(*arguments)
        except OSError as err:
            logger.warning("a compiled function is not kept: %s: %s", self.cache_path, err.strerror)


def kept(function: Callable[..., Any], **options: Any) -> Any:
    """Compile with numba when called first, and keep the machine code if there is a place for it.

    Args:
        function: what to compile.
        options: of `numba.njit`.
    """
    made = numba.njit(function, **options)
    if hasattr(made, "py_func"):  # not where NUMBA_DISABLE_JIT is set
        try:
            made._cache = ForgivingCache(made.py_func)
        except RuntimeError as err:  # no folder can be written: compile at every start
            logger.info("%s", err)
    return made
