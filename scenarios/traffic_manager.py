"""CARLA's Traffic Managers in this process: the one place that knows when they may be called.

LibCarla 0.9.16 (TrafficManagerLocal) wakes a manager's thread without holding its mutex. A call
that meets the thread between its last look and its sleep is not heard, and then both wait for each
other for ever. Three rules keep clear of that:

* before every tick the threads are asleep: `await_rest`;
* settings and towns change without managers: a change of settings ticks twice within one call, and
  a change of town starts the manager's thread anew just before the next call. `end` comes first;
* a manager ends asleep, before its server does: one whose server has gone throws in its own
  thread, and that aborts the process.

Where a call is missed all the same, `harness.watchdog` ends the wait.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import carla

from fusiondrive.errors import SimulatorError

logger = logging.getLogger(__name__)

SETTLE_S = 0.02  # wall clock, to enter synchronous mode; no vehicle is registered yet
REST_LIMIT_S = 5.0  # wall clock, for a thread to fall asleep on busy cores
LOOK_S = 0.0002
_TASKS = Path("/proc/self/task")
_SERVICE_THREADS = (b"server", b"client")  # rpclib's own, beside the manager's
# The client keeps its managers in a table of the process and steps all of them with every tick of
# any world; this is that table with the id of each thread, None where the system does not tell.
_live: dict[int, int | None] = {}
_lost: set[int] = set()  # of those, ports whose server has gone


def begin(client: carla.Client, port: int, seed: int) -> carla.TrafficManager:
    """Start the Traffic Manager of a port, seeded and stepping with `world.tick()`.

    Raises:
        SimulatorError: the manager cannot be reached.
    """
    try:
        before = _threads()
        manager = client.get_trafficmanager(port)
        if port not in _live:
            _live[port] = _newest(_threads() - before)
        manager.set_synchronous_mode(True)
        time.sleep(SETTLE_S)
        await_rest()
        manager.set_random_device_seed(seed % 2**31)
    except RuntimeError as err:
        raise SimulatorError(f"Traffic Manager on port {port}: {err}") from err
    return manager


def await_rest() -> None:
    """Return when the thread of every manager is asleep, which takes microseconds as a rule.

    Raises:
        SimulatorError: a manager has lost its server, so that a tick would abort the process.
    """
    if _lost:
        raise SimulatorError(
            "a Traffic Manager of this process has lost its server, and CARLA's client would "
            "abort at the next tick of any world; go on in a new process"
        )
    for thread in _live.values():
        _await_sleep(thread)


def end(client: carla.Client, port: int) -> None:
    """Stop a manager's thread, which otherwise lives as long as the process.

    Its cars have to be gone for a tick: the manager aborts the client when it loses its vehicles
    and synchronous mode in the same frame.
    """
    if port not in _live:
        return
    _await_sleep(_live[port])
    if _live.pop(port) is None:
        time.sleep(SETTLE_S)
    try:
        manager = client.get_trafficmanager(port)
        manager.set_synchronous_mode(False)  # from here on it waits for nobody
        manager.shut_down()
    except RuntimeError as err:
        logger.debug("Traffic Manager on port %d: %s", port, err)


def abandon(port: int) -> None:
    """Leave a manager whose server has gone asleep for the rest of the process."""
    if port in _live:
        _lost.add(port)


def live_ports() -> frozenset[int]:
    """Ports of the managers that have not ended."""
    return frozenset(_live)


def _await_sleep(thread: int | None) -> None:
    deadline = time.monotonic() + REST_LIMIT_S
    while thread is not None and not _is_asleep(thread) and time.monotonic() < deadline:
        time.sleep(LOOK_S)


def _threads() -> set[int]:
    try:
        return {int(name) for name in os.listdir(_TASKS)}
    except OSError:
        return set()


def _newest(threads: set[int]) -> int | None:
    """The manager's thread among those that began when it was made, which is the last one."""
    own = [thread for thread in threads if _read(thread, "comm").strip() not in _SERVICE_THREADS]
    return max(own, default=None)


def _is_asleep(thread: int) -> bool:
    """Whether a thread is asleep or has ended."""
    fields = _read(thread, "stat").rpartition(b")")[2].split()
    return not fields or fields[0] == b"S"


def _read(thread: int, name: str) -> bytes:
    try:
        return (_TASKS / str(thread) / name).read_bytes()
    except OSError:
        return b""
