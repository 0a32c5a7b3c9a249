"""The harmed command as its user sees it: a process, its exit code, and lines with their times."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from typing import NamedTuple

from fusiondrive.types import Closing
from harness import launch
from harness.robustness.chaos.options import ChaosOptions
from harness.robustness.chaos.processes import Process, Role, children, process

STOP_WAIT_S = 60.0
NOTICE = re.compile(r", attempt \d+: ")  # of a server or worker that is replaced
DONE = re.compile(r"^episode \d+ of \d+: ")
POLL_S = 0.05


class Line(NamedTuple):
    """What it has said, and when it was found."""

    at_s: float  # monotonic
    text: str


class RunnerProcess(Closing):
    """`python -m harness.run`, whose words go to a file of their own.

    A pipe would not do: children of a runner that was killed hold its end, so that its last word
    cannot be told from a pause.
    """

    def __init__(self, options: ChaosOptions, *flags: str) -> None:
        """Start it.

        Args:
            options: of the chaos run.
            flags: beside its configuration.
        """
        options.log_folder.mkdir(parents=True, exist_ok=True)
        number = 1 + sum(1 for _ in options.log_folder.iterdir())
        self.log = options.log_folder / f"runner-{number}.log"
        self.began_s = self._heard_s = time.monotonic()
        self._lines: list[Line] = []
        self._rest = ""  # of a line whose end is still to come
        with self.log.open("wb") as target:
            self._process = subprocess.Popen(
                launch.command("harness.run", "--config", str(options.config_file), *flags),
                stdout=subprocess.DEVNULL,
                stderr=target,
            )
        self._file = self.log.open(encoding="utf-8", errors="replace")

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def silent_s(self) -> float:
        """Since its last line."""
        self._read()
        return time.monotonic() - self._heard_s

    @property
    def announced(self) -> int:
        """How many episodes it says to have finished."""
        return sum(bool(DONE.match(text)) for text in self.lines())

    def lines(self) -> list[str]:
        """All that it has said so far."""
        self._read()
        return [line.text for line in self._lines]

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def wait(self, limit_s: float) -> int | None:
        """Wait for its end; None where it does not come in time."""
        try:
            return self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return None

    def children(self, role: Role | None = None) -> list[Process]:
        """Its servers, its workers, or both."""
        return children(self.pid, role)

    def noticed(self, limit_s: float) -> float | None:
        """Wait until it says that it replaces a server or worker.

        Args:
            limit_s: how long to wait.

        Returns:
            Seconds from the call to that line; None where none came, though the run may have ended.
        """
        since_s = time.monotonic()
        while True:
            is_over = self.exit_code() is not None
            self._read()
            for line in self._lines:
                if line.at_s >= since_s and NOTICE.search(line.text):
                    return line.at_s - since_s
            if is_over or time.monotonic() - since_s > limit_s:
                return None
            time.sleep(POLL_S)

    def kill(self) -> list[Process]:
        """End it as the kernel does that has no memory left; the children that it leaves behind."""
        left = self.children()
        process(self.pid).send(signal.SIGKILL)
        self._process.wait(STOP_WAIT_S)
        return left

    def close(self) -> None:
        """End it in order, then insist."""
        if self.exit_code() is None:
            self._process.terminate()
            if self.wait(STOP_WAIT_S) is None:
                self.kill()
        self._read()
        self._file.close()

    def _read(self) -> None:
        """Take what it has said since the last time."""
        if self._file.closed or not (text := self._file.read()):
            return
        *whole, self._rest = (self._rest + text).split("\n")
        if whole:
            self._heard_s = time.monotonic()
            self._lines += [Line(self._heard_s, line) for line in whole]
