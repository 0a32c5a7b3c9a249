"""A child process that drives for a command, begun anew when CARLA's client kills or hangs it.

For commands whose work is saved in whole pieces: a new child goes on after the last of them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from fusiondrive.errors import FusionDriveError, SimulatorError
from harness.config import Timeouts

_WAITS = Timeouts()
# The longest that a healthy child is silent: it starts a server, loads a town and ticks twice.
SILENCE_S = _WAITS.server_start_s + _WAITS.load_s + 2.0 * _WAITS.first_tick_s + 60.0
POLL_S = 0.5
MAX_DEATHS = 3  # one after the other, without a piece of work between them
EXIT_SIMULATOR = 3  # it died or did not answer; another child may fare better
EXIT_BAD_INPUT = 2  # the child has said why, and no other child would fare better


class Pulse:
    """A child's sign of life, in memory that both processes share."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._beats: Any = context.Value("q", 0)
        self._parent = os.getpid()

    def beat(self) -> None:
        """Say that the work goes on; ends a child whose parent is gone."""
        if os.getpid() != self._parent and os.getppid() != self._parent:
            raise SystemExit(0)
        self._beats.value += 1

    @property
    def beats(self) -> int:
        """How many there were."""
        return int(self._beats.value)


class Silence:
    """How long a pulse has not been felt; a stopped computer (Ctrl-Z) does not count."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._beats, self._last, self.seconds = pulse.beats, time.monotonic(), 0.0

    def is_too_long(self) -> bool:
        """Feel the pulse; to be called about every second."""
        now, beats = time.monotonic(), self._pulse.beats
        passed_s, self._last = min(now - self._last, 2.0), now
        self.seconds = 0.0 if beats != self._beats else self.seconds + passed_s
        self._beats = beats
        return self.seconds > SILENCE_S


def child_code(work: Callable[[], None], *, died: str, refused: str) -> int:
    """Do a child's work; returns its exit code, after it has said what was wrong.

    Args:
        work: is done here.
        died: what is said before the message where the simulator died.
        refused: the same where it cannot be done, and another child would fare no better.
    """
    try:
        work()
    except SimulatorError as err:
        print(f"{died}{err}", file=sys.stderr)
        return EXIT_SIMULATOR
    except (FusionDriveError, OSError) as err:
        print(f"{refused}{err}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return 0


def how_it_died(code: int) -> str:
    """An exit code in words."""
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


class Child:
    """A process that works until it is done; begun anew it goes on where its files end."""

    def __init__(self, work: Callable[..., int], args: tuple[Any, ...]) -> None:
        """Start it.

        Args:
            work: a function of a module; returns the exit code, after it has said what was wrong.
            args: what it gets, before its pulse.
        """
        self._work, self._args = work, args
        self._pulse = Pulse()
        self.begin()

    def begin(self) -> None:
        """Start the process, also after its death."""
        context = multiprocessing.get_context("spawn")
        self._silence = Silence(self._pulse)
        self._process = context.Process(
            target=_work_in_child, args=(self._work, self._args, self._pulse), daemon=True
        )
        self._process.start()

    def exit_code(self) -> int | None:
        """None while it works; one that has fallen silent is killed here."""
        if self._process.is_alive() and self._silence.is_too_long():
            print(f"\nno sign of life for {self._silence.seconds:.0f} s", file=sys.stderr)
            self.end()
        return self._process.exitcode

    def end(self, patience_s: float = 0.0) -> None:
        """Wait for its end, then insist; may be called twice."""
        self._process.join(patience_s)
        if self._process.is_alive():
            self._process.kill()
        self._process.join()


def supervise(work: Callable[..., int], args: tuple[Any, ...], pieces: Callable[[], int]) -> int:
    """Let a child work to its end, and a new one where the client ended it.

    Args:
        work: as for a `Child`.
        args: likewise.
        pieces: how many pieces of work are saved.

    Returns:
        The exit code of the child that came to its end.

    Raises:
        SimulatorError: children die without getting on.
    """
    deaths, saved = 0, pieces()
    child = Child(work, args)
    try:
        while (code := child.exit_code()) not in (0, EXIT_BAD_INPUT):
            if code is None:
                time.sleep(POLL_S)
                continue
            now = pieces()
            deaths, saved = (deaths + 1 if now == saved else 1), now
            how = how_it_died(code)
            if deaths > MAX_DEATHS:
                raise SimulatorError(
                    f"the driving process died {deaths} times in a row, last: {how}"
                )
            print(f"the driving process died ({how}); a new one goes on", file=sys.stderr)
            child.begin()
    finally:
        child.end()
    return code


def _work_in_child(work: Callable[..., int], args: tuple[Any, ...], pulse: Pulse) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, who ends this process
    sys.exit(work(*args, pulse))
