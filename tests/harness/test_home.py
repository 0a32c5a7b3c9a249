"""Users without a home, without a name, or with a home that they cannot write to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from fusiondrive import home
from simulator.system import home as simulator_home

ROOT = Path(__file__).parents[2]
HOMES = pytest.mark.parametrize("module", [home, simulator_home], ids=["harness", "simulator"])


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    for module in (home, simulator_home):
        module.temporary_folder.cache_clear()


@pytest.mark.heavy
@pytest.mark.parametrize("module", ["sensors.rig", "scenarios.weather", "harness.run", "simulator"])
def test_carla_can_be_loaded_without_home(module: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    done = subprocess.run(
        [sys.executable, "-c", f"import {module}, carla, os; print(os.environ['HOME'])"],
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_dir()


@HOMES
def test_a_user_without_a_name_gets_a_temporary_home(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(module.pwd, "getpwuid", unknown)
    monkeypatch.setenv("HOME", "")
    module.ensure_home()
    found = Path(os.environ["HOME"])
    assert found == tmp_path / "tmp" / f"fusiondrive-{os.getuid()}"
    assert found.stat().st_mode & 0o777 == 0o700


@HOMES
def test_a_home_that_is_set_stays(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nowhere")
    module.ensure_home()
    assert os.environ["HOME"] == "/nowhere"


@HOMES
def test_code_is_not_loaded_from_a_folder_that_others_can_fill(
    module: ModuleType, tmp_path: Path
) -> None:
    planted = tmp_path / "tmp" / f"fusiondrive-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    assert module.temporary_folder() != planted
    assert module.temporary_folder().stat().st_mode & 0o077 == 0


def test_caches_go_to_the_temporary_folder_where_the_users_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert simulator_home.user_cache("maps") == simulator_home.temporary_folder() / "maps"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert simulator_home.user_cache("maps") == tmp_path / "cache" / "fusiondrive" / "maps"


def test_carlas_client_gets_a_folder_where_home_takes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home.client_files() is None
    (tmp_path / "carlaCache").write_text("no folder")
    assert home.client_files() == home.temporary_folder() / "carlaCache"
