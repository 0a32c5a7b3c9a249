"""Where the wall-clock time of a step goes, on the client's side; changes no result."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class StageClock:
    """Seconds of wall-clock time per stage, added up; a stage may stand within another one."""

    def __init__(self) -> None:
        self.totals_s: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of a block for a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            spent_s = time.perf_counter() - began
            self.totals_s[name] = self.totals_s.get(name, 0.0) + spent_s

    def reset(self) -> None:
        """Begin anew."""
        self.totals_s.clear()
