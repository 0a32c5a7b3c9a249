"""Workers that draw poses: a process for each share of the towns, begun anew where it dies."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from fusiondrive.errors import ConfigError, SimulatorError
from harness.supervision import (
    EXIT_BAD_INPUT,
    MAX_DEATHS,
    Child,
    Pulse,
    child_code,
    how_it_died,
)

POLL_S = 0.5

Beat = Callable[[], None]


def work_off(
    work: Callable[..., int], options: Any, towns: Sequence[str], workers: int, total: int
) -> None:
    """Let workers draw what is missing, with progress on one line.

    Args:
        work: a function of a module that gets options, its towns, a counter and a pulse, and
            returns an exit code, as `guarded` does.
        options: of the command.
        towns: that have something to draw.
        workers: processes, each with a server of its own.
        total: pictures to draw.

    Raises:
        ConfigError: a worker has said that it cannot be done.
        SimulatorError: workers die again and again.
    """
    if not total:
        return
    workers = min(workers, len(towns))
    counter = multiprocessing.get_context("spawn").Value("q", 0)
    shares = [list(towns[number::workers]) for number in range(workers)]
    crew = [Child(work, (options, share, counter)) for share in shares]
    deaths, progress = 0, _Progress(total)
    try:
        while True:
            codes = [child.exit_code() for child in crew]
            if progress.show(counter.value):
                deaths = 0
            if EXIT_BAD_INPUT in codes:
                raise ConfigError("these poses cannot be drawn as asked")
            for child, code in zip(crew, codes, strict=True):
                if code:
                    deaths += 1
                    if deaths > MAX_DEATHS * workers:
                        how = how_it_died(code)
                        raise SimulatorError(f"workers died {deaths} times, last: {how}")
                    child.begin()
            if all(code == 0 for code in codes):
                return
            time.sleep(POLL_S)  # of this display only
    finally:
        print(file=sys.stderr)
        for child in crew:
            child.end()


def guarded(work: Callable[[Beat], None], counter: Any, pulse: Pulse) -> int:
    """Do a worker's part; returns its exit code, after it has said what was wrong.

    Args:
        work: gets a function to call after every picture.
        counter: of all workers' pictures.
        pulse: of this worker.
    """

    def beat() -> None:
        pulse.beat()
        with counter.get_lock():
            counter.value += 1

    return child_code(lambda: work(beat), died="\n", refused="\nerror: ")


class _Progress:
    """One line of progress; its rate leaves the start of the first server out."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._first: tuple[float, int] | None = None

    def show(self, done: int) -> bool:
        """Say how many pictures are done; returns whether there are more than before."""
        if done == self._done:
            return False
        now, self._done = time.monotonic(), done
        if self._first is None:
            self._first = now, done
        rate = (done - self._first[1]) / max(now - self._first[0], POLL_S)
        text = f"\r{done} of {self._total} pictures, {rate:.1f}/s "
        print(text, end="", file=sys.stderr, flush=True)
        return True
