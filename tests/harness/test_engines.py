"""Engines: what is refused before anything starts, who claims an episode, what jobs leave."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from fusiondrive.errors import ConfigError, SimulatorError
from harness.checks import check_machine
from harness.config import RunConfig
from harness.engines import ENGINES, make_engine, ray, slurm
from harness.engines.remote_slot import NodeFacts
from harness.engines.rounds import RoundFacts, new_round, rounds
from harness.run import main
from harness.run import parse as parse_parts
from harness.runner import Starvation

ROOT = Path(__file__).parents[2]


def parse(flags: str) -> RunConfig:
    (config,) = parse_parts(flags.split())
    return config


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--engine ray --port 2000", "engine ray takes free ports of its nodes; leave port out"),
        ("--engine slurm --backend docker", r"--backend external --hosts HOST:PORT"),
        ("--engine ray --show", "show has a window on this machine alone"),
        ("--ray-address auto", "ray_address is a setting of engine ray, and the engine is local"),
        ("--engine ray --slurm-minutes 9", "slurm_minutes is a setting of engine slurm, and the e"),
        ("--hosts a:2000 b:2000", "hosts are external servers, and the backend is embedded"),
        ("--backend external --hosts a b --port 2000", "leave port out"),
        ("--backend external --hosts a b --workers 3", "2 hosts drive 2 episodes side by side"),
        ("--backend external --hosts a:99999 b", "host a:99999: expected a port from 1 to 65535"),
        ("--backend external --hosts a a", "host given twice: a, a"),
        ("--backend external --workers 2", "name several with --hosts"),
        ("--backend external --hosts localhost:1", "no server at localhost:1"),
    ],
)
def test_what_does_not_go_together_is_refused(flags: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_machine(parse(flags))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nonsense", "ray address 'nonsense': expected HOST:PORT, ray://HOST:PORT or auto"),
        ("localhost:1", "no Ray cluster at localhost:1 .*; start one with 'ray start --head'"),
        ("ray://localhost:1", "no Ray cluster at ray://localhost:1"),
        ("localhost:99999", "no Ray cluster at localhost:99999"),
    ],
)
def test_an_address_without_ray_is_refused_at_once(address: str, message: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(ConfigError, match=message):
        make_engine(parse(f"--engine ray --ray-address {address}")).check()


@pytest.mark.heavy
def test_a_service_that_is_not_ray_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setattr(ray, "PROBE_S", 3.0)
    with socket.create_server(("localhost", 0)) as service:
        threading.Thread(target=service.accept, daemon=True).start()
        address = f"localhost:{service.getsockname()[1]}"
        with pytest.raises(ConfigError, match=f"Ray cluster at {address}") as caught:
            make_engine(parse(f"--engine ray --ray-address {address}")).check()
    assert "\n" not in str(caught.value)


def test_slurm_without_its_commands_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"needs the command sbatch, .*--slurm-cluster local"):
        make_engine(parse("--engine slurm")).check()


@pytest.mark.parametrize(("engine", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_package_that_is_missing_is_named_with_its_extra(
    engine: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = {"ray": ray, "slurm": slurm}[engine]
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=rf"needs {package}, .*'fusiondrive\[{engine}\]'"):
        make_engine(parse(f"--engine {engine}")).check()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("qos", "expected NAME=VALUE"),
        ("time=60", "use --slurm-minutes"),
        ("--mem=8G", "use --slurm-memory-gb"),
    ],
)
def test_options_of_sbatch_that_cannot_be_are_refused(option: str, message: str) -> None:
    jobs = pytest.importorskip("harness.engines.slurm_jobs", exc_type=ImportError)
    config = RunConfig(engine="slurm", slurm_option=(option,))
    with pytest.raises(ConfigError, match=message):
        jobs.parameters(config)


def test_any_option_of_sbatch_reaches_submitit() -> None:
    jobs = pytest.importorskip("harness.engines.slurm_jobs", exc_type=ImportError)
    options = ("account=lab", "setup=module load a", "setup=module load b", "--reservation=r1")
    given = jobs.parameters(RunConfig(engine="slurm", workers=7, slurm_option=options))
    assert given["slurm_account"] == "lab"
    assert given["slurm_setup"] == ["module load a", "module load b"]
    assert given["slurm_additional_parameters"] == {"reservation": "r1"}
    assert (given["slurm_array_parallelism"], given["timeout_min"]) == (7, 240)


@pytest.mark.heavy
def test_the_command_ends_with_one_line_and_code_2(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ray")
    flags = "--policy expert --engine ray --ray-address localhost:1 --out"
    assert main([*flags.split(), str(tmp_path)]) == 2
    assert len(capfd.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "rows.jsonl").exists()


@pytest.mark.heavy
def test_neither_engines_nor_statistics_are_imported_before_they_are_needed() -> None:
    late = "{'ray', 'submitit', 'pandas', 'scipy.stats'}"
    code = f"import sys, harness.run; print(*{late} & {{*sys.modules}})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == ""


def test_every_engine_of_the_configuration_can_be_made() -> None:
    for name in ENGINES:
        assert make_engine(parse(f"--engine {name}"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"package_version": "9"}, "node n has fusiondrive 9, and this machine 0.1.0"),
        ({"commit": "b"}, "node n has the source of commit b, and this machine that of a"),
        ({"lacking": ("/w.onnx",)}, "node n has no /w.onnx: put it there under the same path"),
    ],
)
def test_a_node_that_would_drive_otherwise_is_refused(
    change: dict[str, object], message: str
) -> None:
    place = pytest.importorskip("harness.engines.ray_place", exc_type=ImportError)
    origin = place.Origin((), Path(), "", "0.1.0", "a")
    same = NodeFacts("n", "0.1.0", "a")
    origin.check(same)
    origin.check(replace(same, commit="unknown"))
    with pytest.raises(ConfigError, match=message):
        origin.check(replace(same, **change))  # type: ignore[arg-type]


def test_one_job_alone_gets_an_episode_until_it_gives_it_back(tmp_path: Path) -> None:
    first = new_round(tmp_path)
    (again,) = rounds(tmp_path)
    assert first.claim("aa")
    assert not again.claim("aa")
    assert again.claim("bb")
    assert first.claimed() == {"aa", "bb"}
    first.release("aa")
    assert again.claim("aa")


def test_another_command_finds_the_jobs_of_a_round_that_is_not_over(tmp_path: Path) -> None:
    first = new_round(tmp_path)
    assert first.noted() == RoundFacts()
    facts = RoundFacts("key", "slurm", ("12_0", "12_1"))
    first.note(facts)
    second = new_round(tmp_path)
    assert [item.folder.name for item in rounds(tmp_path)] == ["001", "002"]
    assert rounds(tmp_path)[0].noted() == facts
    first.end()
    assert [item.is_over for item in rounds(tmp_path)] == [True, False]
    assert second.folder == tmp_path / "slurm" / "002"


def test_places_that_never_become_free_end_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("harness.runner.time.monotonic", lambda: now[0])
    starvation = Starvation()
    now[0] = 599.0
    starvation.look(is_fed=True)
    now[0] = 1198.0
    starvation.look(is_fed=False)
    now[0] = 1200.0
    with pytest.raises(SimulatorError, match="waited 600 s for a place to drive"):
        starvation.look(is_fed=False)
