"""A server that hangs: its silence is no answer, and nobody waits for it longer than needed."""

from __future__ import annotations

import multiprocessing
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

import pytest

from fusiondrive.errors import FusionDriveError, SimulatorError
from harness import slot as slots
from harness.config import RunConfig
from harness.probe import engine_of, look_of, read_profile
from harness.slot import Slot

WAIT_S = 0.2


@dataclass
class SilentServer:
    """Takes connections, as the kernel does for a stopped process, and says nothing."""

    host: str
    port: int

    def start(self) -> None:
        return

    def failure(self) -> FusionDriveError | None:
        return None

    def rss_mb(self) -> float | None:
        return None

    def stop(self) -> None:
        return


@pytest.fixture
def silent() -> Iterator[SilentServer]:
    with socket.create_server(("localhost", 0)) as listening:
        yield SilentServer(*listening.getsockname()[:2])


@pytest.mark.parametrize("ask", [engine_of, look_of, read_profile])
def test_silence_says_nothing_of_what_a_server_is(
    ask: Callable[[str, int, float], object], silent: SilentServer
) -> None:
    """Before, it was taken for Unreal, and its drives had another identity."""
    with pytest.raises(SimulatorError, match="no answer"):
        ask(silent.host, silent.port, WAIT_S)


def obey(connection: Connection) -> None:
    """Leave in order as soon as somebody asks for it."""
    connection.recv()


@pytest.mark.heavy
def test_a_worker_of_a_server_that_hangs_is_not_asked_to_give_it_back(
    silent: SilentServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would wait for that server, and the runner for it, while other servers die unnoticed."""
    monkeypatch.setattr(slots, "ANSWER_WAIT_S", WAIT_S)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    worker = context.Process(target=obey, args=(theirs,))
    worker.start()
    slot = Slot([RunConfig()], 0)
    slot.server, slot.is_ready = silent, True
    slot._process, slot._connection = worker, ours
    slot.shut_down()
    assert worker.exitcode == -signal.SIGKILL
