"""A server that hangs: its silence is no answer, and nobody waits for it longer than needed."""

from __future__ import annotations

import multiprocessing
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from fusiondrive.errors import FusionDriveError, SimulatorError
from fusiondrive.types import CameraSpec
from harness import slot as slots
from harness.config import RunConfig, Timeouts
from harness.env_config import EnvConfig
from harness.guard import AgentClock
from harness.messages import Describe
from harness.probe import engine_of, find_free_port, look_of, read_profile
from harness.server import ServerSpec
from harness.simulation import Simulation
from harness.slot import Slot
from harness.worker import WorkerSetup, work
from scenarios.spec import EpisodeSpec
from tests.conftest import EmbeddedServer

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


@pytest.mark.heavy
def test_a_worker_that_awaits_a_server_ends_with_its_runner(tmp_path: Path) -> None:
    """Its server has gone with the runner, and a start may take four minutes."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    setup = WorkerSetup(
        configs=(RunConfig(),),
        host="localhost",
        port=find_free_port(2),
        start_timeout_s=240.0,
        log_file=tmp_path / "worker.log",
        clock=AgentClock(),
    )
    worker = context.Process(target=work, args=(setup, theirs))
    worker.start()
    theirs.close()
    try:
        ours.send(Describe("Town02"))
        worker.join(5.0)
        assert worker.is_alive()
        ours.close()  # as the end of the runner does it
        worker.join(30.0)
        assert worker.exitcode == 0
    finally:
        worker.kill()


@pytest.mark.server
def test_a_server_that_hangs_at_the_end_of_a_drive_is_noticed_there(
    launch_server: type[EmbeddedServer],
) -> None:
    """Before, each actor that was to be removed waited for it, and nobody heard of it."""
    server = launch_server("--town", "Town02")
    brief = Timeouts(connect_s=1.0, tick_s=3.0, frame_s=3.0)
    spec = ServerSpec("external", *server.address)
    config = EnvConfig(server=spec, camera=CameraSpec(width=32, height=24), timeouts=brief)
    with Simulation(config) as simulation:
        route = simulation.routes("Town02")[0].route_id
        episode = EpisodeSpec("Town02", route, "clear", "rgb", "none", "expert", seed=0)
        simulation.begin(episode)
        server.process.send_signal(signal.SIGSTOP)
        with pytest.raises(SimulatorError, match="no answer"):
            simulation.begin(episode)
        assert simulation.drive is None
        server.process.send_signal(signal.SIGCONT)
    assert server.stop() == 0
