"""Fixtures that several packages use: an embedded server in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OFFICIAL_MAPS = ROOT.parent / "shared/maps"
MAX_SERVERS = 2  # alive at once; a town takes some hundred MB

CarlaServer = Callable[..., tuple[str, int]]


class EmbeddedServer:
    """`python -m simulator` on two free ports."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "simulator", "--port", "0"]
        parent = ["--parent-pid", str(os.getpid())]
        self.process = subprocess.Popen(
            [*command, *parent, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline().split()  # "listening on HOST:PORT"
        if line[:2] != ["listening", "on"]:
            pytest.fail(f"the server ended with code {self.process.wait(10)}: {arguments}")
        host, port = line[2].rsplit(":", 1)
        self.address = (host, int(port))

    def stop(self) -> int:
        """End it; gives its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(10)
        finally:
            self.process.kill()
            assert self.process.stdout is not None
            self.process.stdout.close()


@pytest.fixture(scope="session")
def carla_server() -> Iterator[CarlaServer]:
    """Call it as `carla_server(town, maps=None)`; gives (host, port), the same for same arguments.

    A test must not rely on default settings: `client.load_world(town)` restores them.
    """
    running: dict[tuple[str, Path | None], EmbeddedServer] = {}

    def serve(town: str, maps: Path | None = None) -> tuple[str, int]:
        key = (town, maps)
        if key not in running:
            while len(running) >= MAX_SERVERS:
                running.pop(next(iter(running))).stop()
            where = ["--maps", str(maps)] if maps is not None else []
            running[key] = EmbeddedServer("--town", town, *where)
        return running[key].address

    yield serve
    for server in running.values():
        server.stop()


@pytest.fixture(scope="session")
def launch_server() -> type[EmbeddedServer]:
    """For tests that need a server of their own: `launch_server(*arguments)`, then `.stop()`."""
    return EmbeddedServer


@pytest.fixture(scope="session")
def official_maps() -> Path:
    """The directory with CARLA's own OpenDRIVE files."""
    if not (OFFICIAL_MAPS / "Town02.xodr").is_file():
        pytest.skip(f"no official maps in {OFFICIAL_MAPS}")
    return OFFICIAL_MAPS
