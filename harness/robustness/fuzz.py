"""`python -m harness.robustness.fuzz`: hostile messages to a server while another client ticks."""

from __future__ import annotations

import argparse
import contextlib
import socket
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from time import perf_counter, sleep
from typing import Any

from fusiondrive.errors import SimulatorError
from fusiondrive.text import lenient_output
from harness.robustness.embedded import EmbeddedServer, PlainClient, plain_client
from harness.robustness.messages import Messages
from harness.robustness.ticker import Ticker
from harness.robustness.verdict import Check, at_most, conclude, equal, grows_at_most

ANSWER_WAIT_S = 30.0
HALF_OPEN = 40  # connections with half a message that stay open at any time
CLEAN_EVERY = 500  # messages: the actors that were spawned by chance go
LOG_WAIT_S = 2.0
WARM_UP = 0.1  # share of the messages before memory counts
LONGEST_TICK_S = 3.5  # a stalled reader may hold the world for three seconds
# kind -> how many of a hundred messages
MIX = {
    "call": 62, "unknown": 4, "truncated": 8, "garbage": 8, "huge": 5, "foreign": 5,
    "greeting": 4, "half_open": 4,
}  # fmt: skip
CLOSED = "closing the connection of"
UNKNOWN = "unknown method"
_TRACES = ("Traceback", 'File "')


class Fuzz:
    """Sends messages of all kinds and counts what comes back."""

    def __init__(self, address: tuple[str, int], seed: int) -> None:
        self.address = address
        self.messages = Messages(seed)
        self.sent: Counter[str] = Counter()
        self.faults: list[str] = []
        self.slowest = (0.0, "")  # s, method
        self._client = PlainClient(address, ANSWER_WAIT_S)
        self._half_open: list[socket.socket] = []
        self._actions: dict[str, Callable[[], None]] = {
            "call": self._call, "unknown": self._unknown, "greeting": self._greet,
            "half_open": self._leave_open,
            "truncated": lambda: self._throw(self.messages.truncated()),
            "garbage": lambda: self._throw(self.messages.garbage()),
            "huge": lambda: self._throw(self.messages.huge()),
            "foreign": lambda: self._throw(self.messages.foreign()),
        }  # fmt: skip

    def send(self) -> None:
        """One message."""
        kind = self.messages.rng.choices(list(MIX), list(MIX.values()))[0]
        self.sent[kind] += 1
        try:
            self._actions[kind]()
        except (OSError, SimulatorError) as err:
            self.faults.append(f"{kind}: {err}")
            self._client.close()
            with contextlib.suppress(OSError):  # the caller looks whether the server lives
                self._client = PlainClient(self.address, ANSWER_WAIT_S)
        if sum(self.sent.values()) % CLEAN_EVERY == 0:
            self.clean()

    def clean(self) -> None:
        """Destroy what was spawned, and give the ticking client its settings back."""
        settings = [True, False, [True, 0.05], True, 0.01, 10, 0.0, True, 3000.0, 2000.0, True]
        with plain_client(self.address) as client:
            for actor_id in self.messages.own:
                client.call("destroy_actor", actor_id)
            client.call("set_episode_settings", settings)
        self.messages.own.clear()

    def finish(self) -> None:
        """Hang up everywhere."""
        self.clean()
        self._client.close()
        for sock in self._half_open:
            sock.close()

    def _call(self) -> None:
        number = sum(self.sent.values())
        method, data = self.messages.call(number)
        began = perf_counter()
        self._client.send(data)
        kind, answered, error, result = self._client.receive()
        self.slowest = max(self.slowest, (perf_counter() - began, method))
        if (kind, answered) != (1, number) or error is not None:
            self.faults.append(f"{method}: answered {error!r} to {answered}")
        if any(trace in str(result)[:2000] for trace in _TRACES):
            self.faults.append(f"{method}: a stack trace in {str(result)[:200]}")
        self.messages.own += _spawned(method, result)

    def _unknown(self) -> None:
        self._client.send(self.messages.unknown(1))
        if self._client.receive()[2] is None:
            self.faults.append("an unknown method was answered without an error")

    def _throw(self, data: bytes) -> None:
        """Send something bad and leave; the server hangs up on it, or notices that it is half."""
        with socket.create_connection(self.address, ANSWER_WAIT_S) as sock:
            try:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                return  # it hung up before the last byte
            with contextlib.suppress(ConnectionError):
                while sock.recv(1 << 16):
                    pass

    def _greet(self) -> None:
        host, port = self.address
        with (
            contextlib.suppress(ConnectionError),
            socket.create_connection((host, port + 1), ANSWER_WAIT_S) as sock,
        ):
            sock.sendall(self.messages.greeting())

    def _leave_open(self) -> None:
        sock = socket.create_connection(self.address, ANSWER_WAIT_S)
        sock.sendall(self.messages.truncated())
        self._half_open.append(sock)
        if len(self._half_open) > HALF_OPEN:
            self._half_open.pop(0).close()


def _spawned(method: str, result: Any) -> list[int]:
    """Ids of the actors that a call made."""
    with contextlib.suppress(TypeError, IndexError, KeyError):
        if method in ("spawn_actor", "spawn_actor_with_parent") and result[0][0] == 1:
            return [int(result[0][1][0])]
        if method == "apply_batch":
            return [int(one[0][1]) for one in result if one[0][0] == 1 and one[0][1] > 0]
    return []


def fuzz(count: int, seed: int, town: str) -> list[Check]:
    """Send `count` messages; returns what was found."""
    began = perf_counter()
    with EmbeddedServer("--town", town) as server, Ticker(server.address) as ticker:
        run = Fuzz(server.address, seed)
        before_mb = server.rss_mb()
        for number in range(count):
            run.send()
            if number == int(WARM_UP * count):
                run.clean()
                before_mb = server.rss_mb()
            if not (server.is_alive and ticker.is_alive):
                break
        if server.is_alive:
            run.finish()
        seen = ticker.finish()
        sleep(LOG_WAIT_S)  # the server notices the last half-open connections
        log = server.log()
        after_mb = server.rss_mb() if server.is_alive else float("inf")
        alive = server.is_alive
    for text in [*run.faults[:10], *([] if alive else log[-30:])]:
        print(text, file=sys.stderr)
    bad = sum(run.sent[k] for k in ("truncated", "garbage", "huge", "foreign", "half_open"))
    return [
        equal("messages", sum(run.sent.values()), count),
        equal("server lives", alive, True),
        equal("calls without a proper answer", len(run.faults), 0),
        Check("ticks of the other client", str(seen.get("ticks", 0)), "> 0", bool(seen)),
        Check("its images", str(seen.get("images", 0)), "> 0", seen.get("images", 0) > 0),
        Check("slowest answer", f"{run.slowest[0]:.3g} s, {run.slowest[1]}", "", True),
        at_most("its longest tick", seen.get("longest_s", float("inf")), LONGEST_TICK_S, " s"),
        equal("log lines for bad connections", sum(CLOSED in line for line in log), bad),
        equal("for unknown methods", sum(UNKNOWN in line for line in log), run.sent["unknown"]),
        equal("stack traces in the log", sum("Traceback" in line for line in log), 0),
        grows_at_most("memory", before_mb, after_mb),
        Check("time", f"{perf_counter() - began:.0f} s", "", True),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run; the exit code is 1 if a check fails."""
    lenient_output()
    parser = argparse.ArgumentParser(prog="python -m harness.robustness.fuzz", description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--town", default="Town02")
    given = parser.parse_args(arguments)
    return conclude("fuzz", fuzz(given.messages, given.seed, given.town))


if __name__ == "__main__":
    sys.exit(main())
