"""Fixtures that several packages use: an embedded server in a process of its own, foreign data.

A test that uses a server is marked `server` without anybody's doing. One that starts a server by
other means than the fixtures below fails until it carries the mark, so that `make quick` stays
without servers. Files with many tests that take seconds come first.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("FUSIONDRIVE_SHARED") or ROOT.parent / "shared")
SERVER_FIXTURES = {"carla_server", "launch_server", "server"}
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
        self.is_resting = False

    def rest(self) -> None:
        """Wait for ticks of a client: those that it makes by itself cost all tests time."""
        if not self.is_resting:
            self._set_synchronous(True)

    def wake(self) -> None:
        """Make ticks again, as a server does that was just started."""
        if self.is_resting:
            self._set_synchronous(False)

    def _set_synchronous(self, is_synchronous: bool) -> None:
        import carla  # not on every platform on which tests run

        client = carla.Client(*self.address)
        client.set_timeout(60.0)
        world = client.get_world()
        settings = world.get_settings()
        settings.synchronous_mode = self.is_resting = is_synchronous
        world.apply_settings(settings)

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
def running_servers() -> Iterator[dict[tuple[str, Path | None], EmbeddedServer]]:
    """Those that tests share, by town and folder of maps."""
    running: dict[tuple[str, Path | None], EmbeddedServer] = {}
    yield running
    for server in running.values():
        server.stop()


@pytest.fixture(scope="session")
def carla_server(
    running_servers: dict[tuple[str, Path | None], EmbeddedServer],
) -> CarlaServer:
    """Call it as `carla_server(town, maps=None)`; gives (host, port), the same for same arguments.

    A test must not rely on default settings: `client.load_world(town)` restores them.
    """

    def serve(town: str, maps: Path | None = None) -> tuple[str, int]:
        key = (town, maps)
        if key not in running_servers:
            while len(running_servers) >= MAX_SERVERS:
                running_servers.pop(next(iter(running_servers))).stop()
            where = ["--maps", str(maps)] if maps is not None else []
            running_servers[key] = EmbeddedServer("--town", town, *where)
        running_servers[key].wake()
        return running_servers[key].address

    return serve


@pytest.fixture(scope="module", autouse=True)
def idle_servers(
    running_servers: dict[tuple[str, Path | None], EmbeddedServer],
) -> Iterator[None]:
    """Shared servers rest while no module uses them."""
    yield
    for server in running_servers.values():
        server.rest()


@pytest.fixture(scope="session")
def emptied(carla_server: CarlaServer) -> CarlaServer:
    """The same server with its town loaded anew: nobody is left of tests that drove before."""

    def serve(town: str, maps: Path | None = None) -> tuple[str, int]:
        host, port = carla_server(town, maps)
        import carla

        client = carla.Client(host, port)
        client.set_timeout(120.0)
        client.load_world(town)
        return host, port

    return serve


@pytest.fixture(scope="session")
def launch_server() -> type[EmbeddedServer]:
    """For tests that need a server of their own: `launch_server(*arguments)`, then `.stop()`."""
    return EmbeddedServer


def shared_path(*parts: str) -> Path:
    """A file or folder of third parties that is not in the repository; skips where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        where = "beside the checkout, or where the environment variable FUSIONDRIVE_SHARED points"
        pytest.skip(f"no {'/'.join(parts)} in {SHARED}: it is looked for in ../shared {where}")
    return path


@pytest.fixture(scope="session")
def official_maps() -> Path:
    """The directory with CARLA's own OpenDRIVE files."""
    return shared_path("maps", "Town02.xodr").parent


@pytest.fixture(scope="session")
def shared_routes() -> Path:
    """Route files of other benchmarks: NoCrash, NEAT, World on Rails."""
    return shared_path("routes")


def costly_first(items: list[pytest.Item]) -> None:
    """Order files by how many of their tests take seconds; tests of a file keep their order.

    Workers take whole files, one after another: a long one at the end would leave the others idle.
    """
    seconds = Counter(
        item.path
        for item in items
        if not item.get_closest_marker("slow")
        and (item.get_closest_marker("server") or item.get_closest_marker("heavy"))
    )
    items.sort(key=lambda item: -seconds[item.path])


class ServerGuard:
    """Marks tests that use a server; one that starts a server without the mark fails."""

    def __init__(self) -> None:
        self.is_forbidden = False
        sys.addaudithook(self.hear)

    def hear(self, event: str, details: tuple[object, ...]) -> None:
        """Python calls this at each event of `sys.audit`."""
        if event != "subprocess.Popen" or not self.is_forbidden:
            return
        words = details[1] if isinstance(details[1], list | tuple) else ()
        if "simulator" in words and "--help" not in words:
            pytest.fail("starts a server: give the test the mark `server` (@pytest.mark.server)")

    @pytest.hookimpl(tryfirst=True)  # before -m chooses
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if SERVER_FIXTURES & set(getattr(item, "fixturenames", ())):
                item.add_marker("server")
        costly_first(items)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self.is_forbidden = item.get_closest_marker("server") is None
        try:
            return (yield)
        finally:
            self.is_forbidden = False


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(ServerGuard(), "server-guard")
