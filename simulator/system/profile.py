"""Where the time of a tick goes: running means of wall-clock milliseconds for each stage."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

STAGES = ("physics", "records", "sensors", "render", "encode", "send")


class Profile:
    """Totals since the last reading; measuring never changes what is simulated."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total_s = dict.fromkeys(STAGES, 0.0)
        self._ticks = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of a block for a stage."""
        began = perf_counter()
        try:
            yield
        finally:
            spent = perf_counter() - began
            with self._lock:
                self._total_s[name] += spent

    def count_tick(self) -> None:
        """Note that one more step is done."""
        with self._lock:
            self._ticks += 1

    def read(self, *, reset: bool) -> dict[str, float]:
        """Mean milliseconds per tick of each stage, and `ticks`, since the last reset."""
        with self._lock:
            ticks = self._ticks
            means = {k: 1000.0 * v / max(ticks, 1) for k, v in self._total_s.items()}
            if reset:
                self._total_s = dict.fromkeys(STAGES, 0.0)
                self._ticks = 0
        return {**means, "ticks": float(ticks)}

    def line(self) -> str:
        """The means as one line of text."""
        means = self.read(reset=False)
        ticks = int(means.pop("ticks"))
        return f"{ticks} ticks, ms per tick: " + ", ".join(f"{k} {v:.2f}" for k, v in means.items())
