"""A runner's servers and workers, as /proc shows them; Linux alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
PPID, START = 1, 19  # places in /proc/PID/stat behind the name, see proc(5)
SOCKETS = ("net/tcp", "net/tcp6")
LOCAL, STATE, ESTABLISHED = 1, 3, "01"  # places in their lines, see proc_net(5)


class Role(Enum):
    """What a child of a runner does; the others (multiprocessing's tracker) are never harmed."""

    SERVER = b"simulator"
    WORKER = b"multiprocessing.spawn"


class Process(NamedTuple):
    """A process that no other is taken for, though numbers are given anew."""

    pid: int
    started: str  # clock ticks since the machine's start

    @property
    def is_alive(self) -> bool:
        """Whether it is there, and more than an exit code that nobody has read."""
        stat = _stat(self.pid)
        return bool(stat) and stat[START] == self.started and stat[0] != "Z"

    def value_of(self, flag: bytes) -> bytes:
        """What follows a flag on its command line; empty where nothing does."""
        words = _words(self.pid)
        return words[words.index(flag) + 1] if flag in words[:-1] else b""

    def send(self, number: signal.Signals) -> bool:
        """Send a signal; whether it was there to get it."""
        if not self.is_alive:
            return False
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
            return True
        return False


def process(pid: int) -> Process:
    """The process that has this number now; one that is dead where none has."""
    stat = _stat(pid)
    return Process(pid, stat[START] if stat else "")


def children(parent: int, role: Role | None = None) -> list[Process]:
    """Processes that another has started and that live, the first first.

    Args:
        parent: number of the other.
        role: leaves out those of other roles; None takes servers and workers.
    """
    found = []
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        stat = _stat(int(entry.name))
        if stat and int(stat[PPID]) == parent and stat[0] != "Z":
            its = role_of(_words(int(entry.name)))
            if its is not None and role in (None, its):
                found.append(Process(int(entry.name), stat[START]))
    return sorted(found)


def role_of(words: Sequence[bytes]) -> Role | None:
    """What a runner's child does, by the words of its command line."""
    if Role.SERVER.value in words and b"--parent-pid" in words:
        return Role.SERVER
    return Role.WORKER if any(Role.WORKER.value in word for word in words) else None


def is_connected(port: int) -> bool:
    """Whether somebody is connected to a port of this machine."""
    ending = f":{port:04X}"
    for name in SOCKETS:
        path = PROC / name
        for line in path.read_text(encoding="ascii").splitlines()[1:] if path.exists() else ():
            words = line.split()
            if words[STATE] == ESTABLISHED and words[LOCAL].endswith(ending):
                return True
    return False


def _words(pid: int) -> list[bytes]:
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def _stat(pid: int) -> list[str]:
    """State, parent and so on; empty where there is no such process."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
