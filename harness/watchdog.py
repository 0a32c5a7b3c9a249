"""Notices a call of CARLA's client that never returns: frees it, or ends the process with one line.

Such a call hangs within C++ and no signal reaches it, so a thread watches from beside. A tick that
its Traffic Manager has not heard (see `scenarios.traffic_manager`) is freed over the manager's own
port; the caller learns that the episode is void. A call that hangs for another reason ends the
process with `EXIT_HUNG`, for a supervisor or a shell to begin anew.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fusiondrive.errors import MissedTickError, SimulatorError
from harness.probe import call, check_version
from scenarios import traffic_manager

logger = logging.getLogger(__name__)

EXIT_HUNG = 75  # sysexits.h: temporary failure, try again
FREE_S = 10.0  # since the server's part was done; a manager's step takes milliseconds
SLACK_S = 60.0  # beyond what the call itself may wait
POLL_S = 1.0
PROBE_S = 5.0


@dataclass
class Watched:
    """A call under way."""

    what: str
    host: str
    port: int
    limit_s: float
    is_answered: Callable[[], bool] | None = None  # the server's part is done; None: cannot be seen
    waited_s: float = 0.0
    answered_s: float = 0.0
    was_freed: bool = False

    def age(self, passed_s: float) -> None:
        """Count time in which this process ran; one that was stopped (Ctrl-Z) is not hanging."""
        self.waited_s += passed_s
        if self.is_answered is not None and self.is_answered():
            self.answered_s += passed_s


class _Watchdog:
    """The thread and what it watches; begins with the first call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Watched] = []
        self._pid = 0

    def add(self, watched: Watched) -> None:
        with self._lock:
            if self._pid != os.getpid():  # a forked child has no threads of its parent
                self._pid, self._calls = os.getpid(), []
                threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
            self._calls.append(watched)

    def remove(self, watched: Watched) -> None:
        with self._lock:
            self._calls = [other for other in self._calls if other is not watched]

    def _watch(self) -> None:
        last = time.monotonic()
        while True:
            time.sleep(POLL_S)
            now = time.monotonic()
            passed_s, last = min(now - last, 2.0 * POLL_S), now
            with self._lock:
                calls = list(self._calls)
            for watched in calls:
                watched.age(passed_s)
                if watched.waited_s > watched.limit_s:
                    _end_process(watched)
                elif watched.answered_s > FREE_S:
                    watched.answered_s = 0.0  # and once more after another wait
                    _free(watched)


_watchdog = _Watchdog()


@contextmanager
def watch(watched: Watched) -> Iterator[Watched]:
    """Watch what happens within the block.

    Raises:
        MissedTickError: it hung and was freed; what was driven is void.
    """
    _watchdog.add(watched)
    try:
        yield watched
    finally:
        _watchdog.remove(watched)
    if watched.was_freed:
        raise MissedTickError(
            f"could not {watched.what} at {watched.host}:{watched.port}: the Traffic Manager did "
            f"not hear it (a race of CARLA's client on busy cores) and was woken after "
            f"{watched.waited_s:.0f} s; this episode is void"
        )


def _free(watched: Watched) -> None:
    """Wake the managers of this process, if the server is not what is awaited."""
    try:
        check_version(watched.host, watched.port, PROBE_S)
    except SimulatorError as err:
        logger.debug("%s: the server does not answer: %s", watched.what, err)
        return
    for port in traffic_manager.live_ports():
        logger.warning("%s: waking the Traffic Manager on port %d", watched.what, port)
        watched.was_freed = True
        try:
            for mode in (False, True):  # only a change to False wakes it
                call("localhost", port, "set_synchronous_mode", mode, metadata=False)
        except SimulatorError as err:
            logger.warning("the Traffic Manager on port %d: %s", port, err)


def _end_process(watched: Watched) -> None:
    seen = "nothing" if not watched.answered_s else "the server's answer"
    line = (
        f"error: the client hangs: waited {watched.waited_s:.0f} s to {watched.what} at "
        f"{watched.host}:{watched.port}, last seen: {seen}; this process ends, the same command "
        f"goes on where it can"
    )
    print(line, file=sys.stderr, flush=True)
    os._exit(EXIT_HUNG)
