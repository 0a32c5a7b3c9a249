"""The doctor: each fault gives one line that says what to do, and the exit code 1."""

from __future__ import annotations

import socket
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

from harness.doctor import machine
from harness.doctor.__main__ import main
from harness.doctor.finding import Finding
from harness.doctor.server import latitudes, seen
from tests.conftest import CarlaServer


def failed(finding: Finding) -> str:
    assert not finding.is_ok
    assert finding.advice
    line = str(finding)
    assert line.startswith("FAIL")
    assert "\n" not in line
    return line


def test_this_machine_is_well(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--no-server", "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[1] for line in lines[:-1]]
    assert names == ["python", "packages", "client", "processor", "memory", "disk", "kernels",
                     "ports"]  # fmt: skip
    assert lines[-1] == "all is well"


@pytest.mark.parametrize("found", [(3, 9, 2), (3, 13, 0), (2, 7, 18)])
def test_another_python_is_told(found: tuple[int, ...]) -> None:
    assert "expected 3.10 or later, below 3.13" in failed(machine.python(found))


def test_a_missing_package_is_named() -> None:
    lines = ["numpy>=1.26,<3", "nowhere-to-be-found>=2", "carla==0.9.16; sys_platform == 'linux'",
             "torch>=2; extra == 'train'"]  # fmt: skip
    line = failed(machine.packages(lambda: lines))
    assert line.endswith("not installed: nowhere-to-be-found; pip install nowhere-to-be-found")


def test_a_checkout_that_was_not_installed_is_told() -> None:
    def nothing() -> list[str]:
        raise PackageNotFoundError

    assert "pip install -e ." in failed(machine.packages(nothing))


def test_little_memory_and_a_full_disk_are_told(tmp_path: Path) -> None:
    assert "0.5 GB available" in failed(machine.memory(0.5))
    assert "0.1 GB free" in failed(machine.disk(tmp_path / "not/yet", 0.1))
    assert machine.memory(8.0).is_ok
    assert machine.disk(tmp_path / "not/yet", 8.0).is_ok


def test_a_cache_of_kernels_that_cannot_be_written_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    taken = tmp_path / "file"
    taken.touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(taken / "below"))
    assert "cannot be written" in failed(machine.kernels())


def test_without_the_client_all_else_is_looked_at(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['carla'] = None; from fusiondrive.door import main; "
        f"main(['doctor', '--out', {str(tmp_path)!r}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 1
    assert "FAIL  client     CARLA's client is not installed; expected: pip install" in done.stdout
    assert "ok    ports" in done.stdout
    assert "FAIL  server     not looked at; mend packages and client first" in done.stdout


def test_instruction_sets_are_named() -> None:
    assert "with avx2 avx512f;" in machine.processor("flags : sse2 avx2 avx512f").text


def test_a_host_without_a_server_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        assert main(["--host", "127.0.0.1", "--port", str(taken.getsockname()[1])]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "FAIL  server     no server at 127.0.0.1:" in lines[-2]
    assert lines[-1] == "1 to mend"


def test_the_sign_of_latitude_is_looked_at() -> None:
    assert latitudes(0.0, 0.0009).is_ok
    assert "wrong side" in failed(latitudes(0.0, -0.0009))


def test_a_picture_of_one_colour_is_told() -> None:
    image = np.full((4, 4, 4), 9, np.uint8)
    assert "one colour" in failed(seen(image, ["rgb"]))
    image[0, 0, 0] = 10
    assert seen(image, ["rgb"]).is_ok


@pytest.mark.heavy
def test_a_running_server_is_looked_at_through_the_client(
    carla_server: CarlaServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    host, port = carla_server("Town02")
    assert main(["--host", host, "--port", str(port), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    for line in (
        "ok    server     CARLA 0.9.16, embedded, look ",
        "ok    versions   client 0.9.16, server 0.9.16",
        "ok    map        Town02, authored:",
        "0.100 s a tick",
        "ok    cameras    rgb semantic_segmentation depth of one frame, 400x300",
        "ok    gnss       latitude grows with y",
    ):
        assert line in said
