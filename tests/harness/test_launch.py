"""Processes that we start run our code, whatever lies in the working directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import launch
from simulator.system import launch as simulator_launch

ROOT = Path(__file__).parents[2]
NAMES = (*launch.PACKAGES, "simulator", "numpy", "carla", "numba", "random", "types", "errors")


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the user')")
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        launch.command("simulator", "--help"),
        launch.command("policies.training.short_drives", "--help"),
        simulator_launch.command("simulator", "--help"),
    ],
    ids=["server", "drives", "simulator"],
)
def test_a_child_takes_nothing_from_the_working_directory(
    command: list[str], foreign: Path
) -> None:
    done = subprocess.run(command, cwd=foreign, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage: python -m" in done.stdout


def test_our_packages_find_each_other_beside_files_of_their_names(foreign: Path) -> None:
    (foreign / "harness.py").unlink()
    for name in ("numpy", "carla", "numba", "random", "types", "errors"):
        (foreign / f"{name}.py").unlink()
    (foreign / "my_policy.py").write_text("NAME = 'plug-in'")
    code = "import harness, sensors, results, my_policy; print(sensors.__file__, my_policy.NAME)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=foreign,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [str(ROOT / "sensors" / "__init__.py"), "plug-in"], done.stderr


def test_the_simulator_of_a_user_stays_the_users(foreign: Path) -> None:
    (foreign / "simulator.py").write_text("NAME = 'mine'")
    code = "import harness, simulator; print(simulator.NAME)"
    for name in NAMES:
        if name != "simulator":
            (foreign / f"{name}.py").unlink()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=foreign, env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == "mine", done.stderr
