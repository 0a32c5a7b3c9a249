"""The threads that draw: they run the same work side by side, or one of them works ahead."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

Result = TypeVar("Result")


class RenderThreads:
    """The calling thread and its helpers."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = ThreadPoolExecutor(max(count - 1, 1), "render")

    def together(self, work: Callable[[], Result]) -> list[Result]:
        """Run the same on all threads at once and wait for all of them."""
        others = [self._pool.submit(work) for _ in range(self.count - 1)]
        try:
            results = [work()]
        finally:
            wait(others)
        return results + [other.result() for other in others]

    def share(self, work: Callable[[int], None], count: int) -> None:
        """Run work(0) to work(count - 1) on all threads, each taking the next one when free."""
        numbers = itertools.count()

        def run() -> None:
            while (n := next(numbers)) < count:
                work(n)

        self.together(run)

    def ahead(self, work: Callable[[], Result]) -> Callable[[], Result]:
        """Begin work on another thread, if there is one; a call waits for its result."""
        if self.count > 1:
            return self._pool.submit(work).result
        done = work()
        return lambda: done

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()
