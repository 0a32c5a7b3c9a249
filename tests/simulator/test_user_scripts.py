"""Scripts as users of CARLA write them run unmodified against the embedded server."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent / "user_scripts"


@pytest.fixture
def run(client, carla_server):
    """Call it as `run(script, *arguments)`; gives what the script printed."""
    client.load_world("Town02")
    host, port = carla_server("Town02")

    def start(script: str, *arguments: str) -> str:
        where = ["--host", host, "--port", str(port)]
        done = subprocess.run(
            [sys.executable, str(SCRIPTS / script), *where, *arguments],
            capture_output=True, text=True, timeout=170, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith("done\n"), done.stdout
        return done.stdout

    yield start
    client.load_world("Town02")


def number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    assert found is not None, text
    return int(found[1])


def test_traffic_drives_and_walks(run):
    port = random.Random().randint(20_000, 30_000)
    said = run("traffic.py", "--tm-port", str(port))
    assert number(r"spawned (\d+) vehicles", said) >= 11
    assert number(r"moved: (\d+) vehicles", said) >= 6
    assert number(r"moved: (\d+) walkers", said) >= 3


def test_all_sensors_are_recorded(run, tmp_path):
    said = run("record_sensors.py", "--out", str(tmp_path), "--frames", "6")
    assert number(r"frames: (\d+)", said) == 6
    for folder in tmp_path.iterdir():
        files = sorted(folder.iterdir())
        assert len(files) == 6, folder
        assert all(file.stat().st_size > 50 for file in files), folder
    assert len(list(tmp_path.iterdir())) == 11


def test_weather_changes_and_maps_are_loaded(run):
    said = run("weather_and_maps.py")
    assert 0 < number(r"(\d+) of 30 steps were night", said) < 30
    assert re.search(r"Town02: \d+ spawn points, \d+ traffic lights", said)
    assert re.search(r"Town02_Opt: \d+ spawn points, \d+ traffic lights", said)


def test_a_pilot_follows_lanes(run):
    said = run("follow_lane.py")
    assert number(r"drove (\d+) m", said) > 100
    assert number(r"(\d+) collisions", said) == 0
    assert number(r"at most (\d+) cm", said) < 130


def test_somebody_drives_by_hand_and_looks_through_every_camera(run):
    said = run("manual_drive.py")
    assert len(re.findall(r"^[\w ]+: (\d+) bytes$", said, re.MULTILINE)) == 8
    assert number(r"Cosmos Control Visualization: (\d+) bytes", said) == 320 * 180 * 4
    assert number(r"walked: (\d+) pedestrians", said) >= 3
    assert number(r"drove (\d+) m", said) > 10
    assert number(r"messages: (\d+)", said) > 100
