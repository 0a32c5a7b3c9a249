"""Takes turns in the loop of a checkout's benchmark; `harness.benchmark_pair` starts it.

It runs in the checkout that is measured, which may be older than this file: it imports nothing but
`harness.benchmark` there, and wraps the policy that this makes. A line `N` on standard input is a
turn of N steps; its answer is one line of JSON on standard output. The end of the input ends it.
"""

from __future__ import annotations

import json
import os
import sys
import time
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

ENDLESS = "1000000000"


class _Used(NamedTuple):
    """What has been used up to a moment, in seconds."""

    wall_s: float
    client_s: float
    server_s: float


class _Turns:
    """Stands before a policy: counts its steps, and waits between turns."""

    def __init__(self, policy: Any, answers: Any) -> None:
        self._act, self._reset, self._answers = policy.act, policy.reset, answers
        self._server: int | None = None
        self._left, self._asked, self._digest = 0, 0, 0
        self._is_whole = True  # no episode began within the turn
        self._began: _Used | None = None

    def reset(self, context: Any) -> None:
        """An episode begins: its set-up is no part of a step, so this turn does not count."""
        self._is_whole = False
        self._reset(context)

    def act(self, observation: Any, *others: Any) -> Any:
        """Answer for the turn that has ended, if one has, and await the next one."""
        if self._left == 0:
            self._next_turn()
        self._left -= 1
        if self._asked < 0:
            self._digest = zlib.crc32(observation.image, self._digest)
        return self._act(observation, *others)

    def _next_turn(self) -> None:
        if self._server is None:
            self._server = _child_of(os.getpid())
        if self._began is not None:
            now = self._used()
            spent = {name: getattr(now, name) - getattr(self._began, name) for name in now._fields}
            spent |= {"steps": abs(self._asked), "pictures": self._digest}
            self._answers.write(json.dumps({**spent, "is_whole": self._is_whole}) + "\n")
            self._answers.flush()
        line = sys.stdin.readline()
        if not line.strip():
            raise KeyboardInterrupt  # the benchmark removes its actors and stops its server
        self._asked = int(line)
        self._left = abs(self._asked)
        self._is_whole, self._began = True, self._used()

    def _used(self) -> _Used:
        assert self._server is not None, "set before the first turn"
        return _Used(time.perf_counter(), time.process_time(), _processor_s(self._server))


def _processor_s(pid: int) -> float:
    """Processor time of a process so far, in all of its threads, in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _child_of(pid: int) -> int:
    """The process that this one has started: the server."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has just ended
        if int(fields[1]) == pid and fields[0] != "Z":
            return int(path.parent.name)
    raise SystemExit("the benchmark has started no server")


def main() -> int:
    """Run the checkout's benchmark with the options given, a turn at a time."""
    benchmark: Any = import_module("harness.benchmark")  # the checkout's, whatever its types
    answers, sys.stdout = sys.stdout, sys.stderr
    make_policy = benchmark.make_policy

    def make(*args: Any, **options: Any) -> Any:
        policy: Any = make_policy(*args, **options)
        turns = _Turns(policy, answers)
        policy.act, policy.reset = turns.act, turns.reset
        return policy

    benchmark.make_policy = make
    return int(benchmark.main([*sys.argv[1:], "--steps", ENDLESS]))


if __name__ == "__main__":
    sys.exit(main())
