"""`fusiondrive ping`: one line and an exit code, for health checks."""

from __future__ import annotations

from typing import Any

import pytest

from harness.ping import main
from harness.probe import find_free_port


def test_nobody_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    port = find_free_port()
    assert main(["--host", "127.0.0.1", "--port", str(port)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: no server at 127.0.0.1:{port}")
    assert told.count("\n") == 1


def test_a_port_beyond_the_range_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--port", "0"]) == 2
    assert "--port: expected at least 1, found 0" in capsys.readouterr().err


def test_a_server_that_answers_is_named_with_its_version(
    carla_server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    host, port = carla_server("Town02")
    assert main(["--host", host, "--port", str(port)]) == 0
    assert capsys.readouterr().out == f"CARLA 0.9.16 answers at {host}:{port}\n"
