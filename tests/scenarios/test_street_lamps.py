"""Street lamps that stay dark, by the client's light manager."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT, CarlaServer

SCRIPT = """
import gc, sys
import carla
from scenarios.street_lamps import DarkStreets

client = carla.Client(sys.argv[1], int(sys.argv[2]))
client.set_timeout(60.0)
world = client.get_world()
world.wait_for_tick()
with DarkStreets(world):
    world.wait_for_tick()
del world, client
gc.collect()
print("alive")
"""


@pytest.mark.server
def test_a_process_outlives_the_connection_whose_lamps_it_switched(
    emptied: CarlaServer,
) -> None:
    host, port = emptied("Town02")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, host, str(port)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr[-500:]
