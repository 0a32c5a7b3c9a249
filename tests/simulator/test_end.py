"""The end of a server, as its clients live through it."""

from __future__ import annotations

import signal
import subprocess
import sys
from time import monotonic, sleep

import carla
import pytest

from harness.probe import find_free_port
from harness.robustness.chaos.processes import is_connected
from tests.conftest import ROOT, EmbeddedServer

LIMIT_S = 1.0

CLIENT = f"""
import sys, time
import carla

client = carla.Client(sys.argv[1], int(sys.argv[2]))
client.set_timeout(60.0)
world = client.get_world()  # kept: its stream is tried again for ever
client.set_timeout({LIMIT_S})
print("connected", flush=True)
sys.stdin.readline()
time.sleep(3.0 * {LIMIT_S})
print("alive", flush=True)
"""


def connected(address: tuple[str, int]) -> subprocess.Popen[str]:
    """A client in a process of its own; some seconds after a line it says that it is alive."""
    command = [sys.executable, "-c", CLIENT, address[0], str(address[1])]
    pipe = subprocess.PIPE
    found = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
    assert found.stdout is not None
    assert found.stdout.readline() == "connected\n"
    return found


def assert_alive(client: subprocess.Popen[str]) -> None:
    said, _ = client.communicate("\n", timeout=30.0)
    assert said == "alive\n"
    assert client.returncode == 0


@pytest.mark.server
def test_a_client_that_is_told_of_changed_lamps_outlives_its_server(
    launch_server: type[EmbeddedServer],
) -> None:
    """It asks for the lamps in a thread of its own, and aborts where no answer comes."""
    server = launch_server("--town", "track")
    asker = connected(server.address)
    asker.send_signal(signal.SIGSTOP)  # it reads of the lamps when the server is about to end
    client = carla.Client(*server.address)
    client.set_timeout(60.0)
    world = client.get_world()
    world.set_weather(carla.WeatherParameters.ClearNight)
    for _ in range(2):
        world.wait_for_tick()
    server.process.terminate()
    sleep(0.2)
    asker.send_signal(signal.SIGCONT)
    assert_alive(asker)
    assert server.stop() == 0


@pytest.mark.server
def test_a_client_outlives_another_server_on_its_port(
    launch_server: type[EmbeddedServer],
) -> None:
    """It is no client of that one, and is not told to ask for lamps where nobody answers."""
    fixed = ("--town", "track", "--port", str(find_free_port(2)))
    first = launch_server(*fixed)
    left_over = connected(first.address)
    assert first.stop() == 0
    second = launch_server(*fixed)
    assert second.address == first.address
    deadline = monotonic() + 60.0
    while not is_connected(second.address[1] + 1) and monotonic() < deadline:
        sleep(0.05)  # until it has tried its stream again
    assert is_connected(second.address[1] + 1)
    client = carla.Client(*second.address)
    client.set_timeout(60.0)
    world = client.load_world("track")
    world.set_weather(carla.WeatherParameters.ClearNight)
    assert_alive(left_over)
    assert second.stop() == 0
