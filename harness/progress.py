"""How far a run has come: a bar on a terminal, a line for each episode anywhere else."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from tqdm import tqdm

from fusiondrive.types import Closing


class Progress(Closing):
    """Counts episodes; a bar would leave thousands of carriage returns in a log file."""

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        """Begin.

        Args:
            total: number of episodes; it may be changed later.
            stream: where it is shown, standard error by default.
        """
        self._stream = stream or sys.stderr
        self._done, self._total = 0, total
        is_terminal = self._stream.isatty()
        self._bar: tqdm[Any] | None = (
            tqdm(total=total, unit="episode", dynamic_ncols=True, file=self._stream)
            if is_terminal
            else None
        )

    @property
    def total(self) -> int:
        """Number of episodes of the whole run."""
        return self._total

    @total.setter
    def total(self, total: int) -> None:
        self._total = total
        if self._bar is not None:
            self._bar.total = total

    def skip(self, count: int) -> None:
        """Episodes that an earlier run has driven."""
        self._done += count
        if self._bar is not None:
            self._bar.update(count)
        elif count:
            self.write(f"{count} of {self._total} episodes were driven before")

    def finish(self, text: str) -> None:
        """An episode has come to its end, with a few words about it."""
        self._done += 1
        if self._bar is not None:
            self._bar.update()
            self._bar.set_postfix_str(text)
        else:
            self.write(f"episode {self._done} of {self._total}: {text}")

    def write(self, line: str) -> None:
        """Say a line, above the bar where there is one."""
        if self._bar is not None:
            self._bar.write(line, self._stream)
        else:
            print(line, file=self._stream, flush=True)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()
