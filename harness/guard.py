"""The border to the user's code: what it raises or never returns becomes an `AgentError`.

Only a process that drives has a `TurnWatch`; elsewhere a turn may last as long as it likes.
"""

from __future__ import annotations

import errno
import multiprocessing
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from fusiondrive.errors import AgentError, SimulatorError
from fusiondrive.types import Control, EpisodeContext, Observation, WorldState
from harness.config import Timeouts
from policies.base import Policy
from policies.faults import checked, checked_speed, place_of_frame, reason, variable_hint

T = TypeVar("T")

CHECK_S = 0.2
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_SINCE, _LIMIT, _LEFT = range(3)


class AgentClock:
    """Says to both processes since when the user's code has had its turn, and how long it may."""

    def __init__(self) -> None:
        # Linux and macOS count monotonic time from the machine's start, so that processes agree.
        self._times = multiprocessing.get_context("spawn").RawArray("d", 3)

    def begin(self, limit_s: float) -> None:
        """The user's code gets its turn."""
        self._times[_LIMIT] = limit_s
        self._times[_SINCE] = time.monotonic()

    def end(self) -> None:
        """It has given the turn back."""
        self._times[_LEFT] = time.monotonic()
        self._times[_SINCE] = 0.0

    @property
    def is_running(self) -> bool:
        """Whether the user's code has its turn."""
        return bool(self._times[_SINCE])

    @property
    def limit_s(self) -> float:
        """How long the turn may last."""
        return float(self._times[_LIMIT])

    @property
    def overrun_s(self) -> float:
        """Seconds beyond the limit; negative before it, and while the turn is not the agent's."""
        since_s = float(self._times[_SINCE])
        return time.monotonic() - since_s - self.limit_s if since_s else -1.0

    @property
    def left_s(self) -> float:
        """Monotonic time at which the last turn ended; 0 before the first one."""
        return float(self._times[_LEFT])


class TurnWatch:
    """Notices from a thread of its own that a turn takes too long."""

    def __init__(self, clock: AgentClock, give_up: Callable[[AgentError, str], None]) -> None:
        """Start watching.

        Args:
            clock: what the runner reads as well.
            give_up: called once, from the watch's thread, with the error and the stack of the
                agent's; it must end the process.
        """
        self._clock = clock
        self._give_up = give_up
        self._lock = threading.Lock()
        self._driver = threading.get_ident()
        threading.Thread(target=self._watch, daemon=True).start()

    @contextmanager
    def turn(self, limit_s: float) -> Iterator[None]:
        """Let the user's code run in here."""
        self._clock.begin(limit_s)
        try:
            yield
        finally:
            with self._lock:  # never free again once the watch has given up
                self._clock.end()

    def _watch(self) -> None:
        while True:
            time.sleep(CHECK_S)
            with self._lock:
                if self._clock.overrun_s > 0.0:
                    frame = sys._current_frames().get(self._driver)
                    text = f"no answer within {self._clock.limit_s:g} s ({place_of_frame(frame)})"
                    self._give_up(AgentError(text), "".join(traceback.format_stack(frame)))


class GuardedPolicy(Policy):
    """A policy whose failures are all `AgentError`s; its attributes are as they were."""

    def __init__(
        self, policy: Policy, watch: TurnWatch | None = None, timeouts: Timeouts | None = None
    ) -> None:
        self.is_privileged, self.uses_image = policy.is_privileged, policy.uses_image
        self.uses_traffic_manager = policy.uses_traffic_manager
        self.camera, self.sensors, self.looks = policy.camera, policy.sensors, policy.looks
        self._policy = policy
        self._watch = watch
        self._timeouts = timeouts or Timeouts()

    def reset(self, context: EpisodeContext) -> None:
        """Begin an episode."""
        self._call(lambda: self._policy.reset(context), self._timeouts.agent_setup_s)

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """The next control, finite in all its values."""
        control = self._call(
            lambda: self._policy.act(observation, state), self._timeouts.agent_step_s
        )
        return checked(control, self._policy.act)

    def perceived_mps(self) -> float | None:
        """The speed that it read from its last image."""
        speed_mps = self._call(self._policy.perceived_mps, self._timeouts.agent_step_s)
        return checked_speed(speed_mps, self._policy.perceived_mps)

    def finish(self) -> None:
        """The episode has ended."""
        self._call(self._policy.finish, self._timeouts.agent_setup_s)

    def weights_hash(self) -> str:
        """Hash of the guarded policy's weights."""
        return self._policy.weights_hash()

    def close(self) -> None:
        """The run has ended."""
        self._policy.close()

    def _call(self, work: Callable[[], T], limit_s: float) -> T:
        return guarded(work, self._watch, limit_s)


@contextmanager
def limited(limit_s: float, what: str) -> Iterator[None]:
    """Interrupt the user's code in the main thread after a while; elsewhere it goes on.

    Raises:
        AgentError: the time was up; names `what` and where it hung.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise AgentError(f"{what}: no answer within {limit_s:g} s ({place_of_frame(frame)})")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before or signal.SIG_DFL)


def guarded(work: Callable[[], T], watch: TurnWatch | None, limit_s: float) -> T:
    """Let the user's code work.

    Raises:
        AgentError: it failed, or wanted to leave the process.
        OSError: it could not write, for the disk is full, which is not its fault.
    """
    try:
        if watch is None:
            return work()
        with watch.turn(limit_s):
            return work()
    except (AgentError, SimulatorError):
        raise
    except (Exception, SystemExit) as err:  # foreign code may fail in any way
        if isinstance(err, OSError) and err.errno in DISK_FULL:
            raise
        raise AgentError(reason(err) + variable_hint(err)) from err
