"""A command outlives a process that CARLA's client aborts or hangs, and loses nothing."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fusiondrive.errors import SimulatorError
from harness import supervision
from harness.supervision import Pulse, Silence, supervise
from harness.watchdog import EXIT_HUNG, Watched

HANGS = """
import threading
from harness.watchdog import Watched, watch
with watch(Watched("tick", "localhost", 2000, limit_s=1.0)):
    threading.Event().wait()
"""
FORGETS_TO_CLOSE = """
import sys
import numpy as np
from harness.env import CarlaDrivingEnv, EnvConfig
from harness.server import ServerSpec
server = ServerSpec("external", sys.argv[1], int(sys.argv[2]))
env = CarlaDrivingEnv(EnvConfig(server=server, traffic="4+0"))
env.reset(seed=1)
env.step(np.zeros(3, np.float32))
"""
OUTLIVES_ITS_SERVER = """
import os, sys
import numpy as np
from harness.config import Timeouts
from harness.env import CarlaDrivingEnv, EnvConfig
from fusiondrive.errors import SimulatorError
from harness.server import ServerSpec
from fusiondrive.types import CameraSpec
server = ServerSpec("external", sys.argv[1], int(sys.argv[2]))
brief = Timeouts(tick_s=2.0, connect_s=2.0)
small = CameraSpec(width=32, height=24)
env = CarlaDrivingEnv(EnvConfig(server=server, traffic="2+0", timeouts=brief, camera=small))
env.reset(seed=1)
os.kill(int(sys.argv[3]), 9)
try:
    env.step(np.zeros(3, np.float32))
except SimulatorError as err:
    print("step:", err)
env.close()
again = EnvConfig(server=ServerSpec("external", sys.argv[4], int(sys.argv[5])), camera=small)
try:
    CarlaDrivingEnv(again).reset(seed=1)
except SimulatorError as err:
    print("reset:", err)
"""


def pieces(folder: Path) -> int:
    return len(list(folder.iterdir()))


def abort_after_each_piece(folder: Path, pulse: Pulse) -> int:
    pulse.beat()
    (folder / str(pieces(folder))).touch()
    if pieces(folder) < 3:
        os.abort()
    return 0


def abort_at_once(folder: Path, pulse: Pulse) -> int:
    os.abort()


def refuse(folder: Path, pulse: Pulse) -> int:
    (folder / str(pieces(folder))).touch()
    return supervision.EXIT_BAD_INPUT


def hang_once(folder: Path, pulse: Pulse) -> int:
    if not pieces(folder):
        (folder / "0").touch()
        time.sleep(600.0)
    return 0


@pytest.mark.heavy
def test_a_new_child_goes_on_where_the_last_piece_ends(tmp_path, capfd):
    assert supervise(abort_after_each_piece, (tmp_path,), lambda: pieces(tmp_path)) == 0
    assert pieces(tmp_path) == 3
    assert capfd.readouterr().err.count("died (signal SIGABRT); a new one goes on") == 2


@pytest.mark.heavy
def test_children_that_do_not_get_on_are_given_up(tmp_path):
    with pytest.raises(SimulatorError, match=r"died 4 times in a row, last: signal SIGABRT"):
        supervise(abort_at_once, (tmp_path,), lambda: pieces(tmp_path))


@pytest.mark.heavy
def test_bad_input_is_not_tried_again(tmp_path):
    assert supervise(refuse, (tmp_path,), lambda: pieces(tmp_path)) == 2
    assert pieces(tmp_path) == 1


@pytest.mark.heavy
def test_a_silent_child_is_replaced(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(supervision, "SILENCE_S", 5.0)
    assert supervise(hang_once, (tmp_path,), lambda: pieces(tmp_path)) == 0
    said = capfd.readouterr().err
    assert "no sign of life for" in said
    assert "died (signal SIGKILL); a new one goes on" in said


def test_time_in_which_all_was_stopped_is_no_silence(monkeypatch):
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    silence = Silence(Pulse())
    now += 3600.0  # Ctrl-Z, lunch, fg
    assert not silence.is_too_long()
    assert silence.seconds <= 2.0


@pytest.mark.heavy
def test_a_call_that_never_returns_ends_the_process_with_one_line():
    done = subprocess.run(
        [sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == EXIT_HUNG
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: the client hangs: waited ")
    assert "to tick at localhost:2000, last seen: nothing" in line


def test_the_wait_for_a_manager_begins_with_the_servers_answer():
    is_answered = False
    call = Watched("tick", "localhost", 2000, 60.0, lambda: is_answered)
    call.age(5.0)
    is_answered = True
    call.age(1.0)
    assert (call.waited_s, call.answered_s) == (6.0, 1.0)


def test_a_script_that_forgets_to_close_ends_cleanly(carla_server):
    host, port = carla_server("Town02")
    command = [sys.executable, "-c", FORGETS_TO_CLOSE, host, str(port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "terminate" not in done.stderr


@pytest.mark.slow
def test_a_manager_whose_server_died_is_left_asleep(launch_server, carla_server):
    """CARLA's client aborts when it wakes; before, closing the environment did so."""
    doomed = launch_server("--town", "Town02")
    addresses = [*doomed.address, doomed.process.pid, *carla_server("Town02")]
    command = [sys.executable, "-c", OUTLIVES_ITS_SERVER, *map(str, addresses)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    doomed.stop()
    assert done.returncode == 0, done.stderr
    assert "step: could not tick" in done.stdout
    assert "reset: a Traffic Manager of this process has lost its server" in done.stdout
