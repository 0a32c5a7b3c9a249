"""The same rows from every engine, also where a worker, a job or the command itself is killed."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.server import RunningServer, ServerSpec
from results import run_folder

pytestmark = [pytest.mark.slow, pytest.mark.server, pytest.mark.timeout(3600)]

ROOT = Path(__file__).parents[2]
LIMIT_S = 1800.0
ROUTES = """<routes>
<route id="0" town="Town02"><waypoint x="177" y="-2" yaw="-180"/>
<waypoint x="157" y="-2" yaw="-180"/></route>
<route id="1" town="Town02"><waypoint x="170" y="-2" yaw="-180"/>
<waypoint x="145" y="-2" yaw="-180"/></route>
</routes>"""
# The cheapest drives that there are.
CONFIG = """
town: Town02
weather: [clear, fog]
policy: expert
route_file: {file}
timeouts: {{server_start_s: {start_s}}}
"""
DRIVES = 4

for package in ("ray", "submitit"):  # found, not imported: `make test` collects this file, too
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is in the extra of its engine", allow_module_level=True)


class Folder:
    """A run's folder, and how to drive into it."""

    def __init__(self, config: Path, out: Path) -> None:
        self.config, self.out = config, out

    @contextmanager
    def started(self, *flags: str) -> Iterator[subprocess.Popen[str]]:
        """The command, in a session of its own; ended if it is not."""
        command = [sys.executable, "-m", "harness.run", "--config", str(self.config)]
        run = subprocess.Popen(
            [*command, "--out", str(self.out), *flags],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield run
        finally:
            if run.poll() is None:
                run.terminate()
                run.communicate(timeout=120)

    def drive(self, *flags: str, meanwhile: Callable[[int], None] | None = None) -> str:
        """Drive to the end; what the command said."""
        with self.started(*flags) as run:
            if meanwhile is not None:
                meanwhile(run.pid)
            said, _ = run.communicate(timeout=LIMIT_S)
        assert run.returncode == 0, said
        print(said)
        return said

    def await_rows(self, count: int) -> None:
        """Wait until the run's file has some rows."""
        await_that(lambda: len(self.lines()) >= count)

    def lines(self) -> list[dict[str, Any]]:
        """Rows as the file has them, in its order, without what differs between equal drives."""
        path = self.out / "rows.jsonl"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        rows = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
        return [{k: v for k, v in row.items() if not k.startswith("wall_")} for row in rows]

    def traces(self) -> list[str]:
        """Names of the traces that were kept."""
        return sorted(path.name for path in (self.out / run_folder.TRACES).iterdir())


def await_that(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


def descendants(pid: int) -> Iterator[tuple[int, str]]:
    """Processes below one, with their command lines."""
    found = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    for line in found.stdout.splitlines():
        child, _, command = line.strip().partition(" ")
        yield int(child), command
        yield from descendants(int(child))


def kill_one(pid: int, name: str) -> None:
    """Kill a process below one, by a part of its command line, once it is there."""
    found: list[int] = []

    def is_there() -> bool:
        found[:] = [child for child, command in descendants(pid) if name in command]
        return bool(found)

    await_that(is_there)
    os.kill(found[-1], signal.SIGKILL)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engines")
    file, config = folder / "routes.xml", folder / "run.yaml"
    file.write_text(ROUTES, encoding="utf-8")
    config.write_text(CONFIG.format(file=file, start_s=240), encoding="utf-8")
    return config


@pytest.fixture(scope="module")
def local(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """What the local engine has driven with one worker."""
    folder = Folder(config, tmp_path_factory.mktemp("local"))
    folder.drive()
    assert len({row["identity"] for row in folder.lines()}) == len(folder.lines()) == DRIVES
    assert {row["outcome"] for row in folder.lines()} == {"success"}
    return folder


def assert_equal(found: Folder, expected: Folder) -> None:
    assert found.lines() == expected.lines()
    assert found.traces() == expected.traces()


def test_ray_brings_the_same_rows_though_a_worker_is_killed(
    config: Path, local: Folder, tmp_path: Path
) -> None:
    folder = Folder(config, tmp_path)

    def kill(pid: int) -> None:
        folder.await_rows(1)
        kill_one(pid, "ray::RemoteSlot.poll")  # it has an episode under way

    said = folder.drive("--engine", "ray", "--workers", "2", meanwhile=kill)
    assert "the Ray worker on node" in said
    assert_equal(folder, local)


def test_slurm_jobs_bring_the_same_rows_though_one_is_killed(
    config: Path, local: Folder, tmp_path: Path
) -> None:
    folder = Folder(config, tmp_path)

    def both_drive() -> bool:
        claimed = list(folder.out.glob("slurm/001/claimed/*"))
        return len(claimed) - len(folder.lines()) >= 2

    def kill(pid: int) -> None:
        folder.await_rows(1)
        await_that(both_drive)
        kill_one(pid, "submitit.core._submit")

    flags = ("--engine", "slurm", "--slurm-cluster", "local", "--workers", "2")
    said = folder.drive(*flags, meanwhile=kill)
    assert "a job died while it was driving" in said
    assert_equal(folder, local)
    before = (folder.out / "rows.jsonl").read_bytes()
    assert "submitted" not in folder.drive(*flags)  # nothing is left
    assert (folder.out / "rows.jsonl").read_bytes() == before


def test_jobs_of_a_killed_command_go_on_and_are_taken_over(
    config: Path, local: Folder, tmp_path: Path
) -> None:
    folder = Folder(config, tmp_path)
    flags = ("--engine", "slurm", "--slurm-cluster", "local", "--workers", "1")
    with folder.started(*flags) as run:
        folder.await_rows(1)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    said = folder.drive(*flags)
    assert "taking over 1 jobs of an earlier command" in said
    assert "submitted" not in said
    assert_equal(folder, local)


def test_a_run_goes_on_without_the_one_of_two_servers_that_was_killed(
    config: Path, local: Folder, tmp_path: Path
) -> None:
    impatient = tmp_path / "impatient.yaml"
    impatient.write_text(
        config.read_text(encoding="utf-8").replace("server_start_s: 240", "server_start_s: 20"),
        encoding="utf-8",
    )
    folder = Folder(impatient, tmp_path / "out")
    spec = ServerSpec(town="Town02")
    with RunningServer(spec) as kept, RunningServer(spec) as lost:

        def kill(pid: int) -> None:
            folder.await_rows(1)
            lost.stop()

        hosts = [f"{server.host}:{server.port}" for server in (kept, lost)]
        said = folder.drive("--backend", "external", "--hosts", *hosts, meanwhile=kill)
    assert f"{hosts[1]} does not come back; the run goes on without it" in said
    assert_equal(folder, local)
