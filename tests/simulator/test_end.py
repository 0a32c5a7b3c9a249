"""The end of a server, as its clients live through it."""

from __future__ import annotations

import signal
import subprocess
import sys
from time import sleep

import carla
import pytest

from harness.probe import find_free_port
from tests.conftest import ROOT, EmbeddedServer

LIMIT_S = 1.0

CLIENT = f"""
import sys, time
import carla

client = carla.Client(sys.argv[1], int(sys.argv[2]))
client.set_timeout(60.0)
client.get_world()
client.set_timeout({LIMIT_S})
print("connected", flush=True)
time.sleep(3.0 * {LIMIT_S})
print("alive", flush=True)
"""


@pytest.mark.server
def test_a_client_that_is_told_of_changed_lamps_outlives_its_server(
    launch_server: type[EmbeddedServer],
) -> None:
    """It asks for the lamps in a thread of its own, and aborts where no answer comes."""
    server = launch_server("--town", "track")
    command = [sys.executable, "-c", CLIENT, server.address[0], str(server.address[1])]
    asker = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert asker.stdout is not None
    assert asker.stdout.readline() == "connected\n"
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
    assert asker.stdout.readline() == "alive\n"
    assert asker.wait(10) == 0
    assert server.stop() == 0


STALE = f"""
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


@pytest.mark.server
def test_a_client_outlives_another_server_on_its_port(
    launch_server: type[EmbeddedServer],
) -> None:
    """It is no client of that one, and is not told to ask for lamps where nobody answers."""
    fixed = ("--town", "track", "--port", str(find_free_port(2)))
    first = launch_server(*fixed)
    host, port = first.address
    command = [sys.executable, "-c", STALE, host, str(port)]
    left_over = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert left_over.stdout is not None
    assert left_over.stdout.readline() == "connected\n"
    assert first.stop() == 0
    second = launch_server(*fixed)
    assert second.address == (host, port)
    client = carla.Client(host, port)
    client.set_timeout(60.0)
    world = client.load_world("track")
    world.set_weather(carla.WeatherParameters.ClearNight)
    sleep(2.0)  # it has tried again meanwhile
    said, _ = left_over.communicate("\n", timeout=30.0)
    assert said == "alive\n"
    assert left_over.returncode == 0
    assert second.stop() == 0
