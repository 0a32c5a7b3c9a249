"""The end of a server, as its clients live through it."""

from __future__ import annotations

import signal
import subprocess
import sys
from time import sleep

import carla
import pytest

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
