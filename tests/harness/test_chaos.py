"""The chaos run: its plan, its bars, and a small one for real."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from multiprocessing import spawn
from pathlib import Path

import pytest

from fusiondrive.errors import ConfigError
from harness import launch
from harness.robustness.chaos.__main__ import main
from harness.robustness.chaos.campaign import HAND, LOST, ORPHAN, OWN_END
from harness.robustness.chaos.journal import Entry, Journal
from harness.robustness.chaos.judgement import Evidence, judge
from harness.robustness.chaos.ledger import Ledger
from harness.robustness.chaos.options import TRIES_AGAIN, ChaosOptions
from harness.robustness.chaos.plan import Key, Kind, asked, first_compared, plan_harms, write_plan
from harness.robustness.chaos.processes import Role, children, is_connected, process, role_of
from harness.run import parse
from results.row import EpisodeRow

SMALL = ChaosOptions(episodes=50, harms=20, seed=3)


def row(key: Key, **changes: object) -> EpisodeRow:
    values: dict[str, object] = {
        "identity": f"{key.route_id}-{key.seed}", "package_version": "1", "backend": "embedded",
        "simulator_version": "0.9.16", "map": "authored:x", "town": "Town02",
        "route_id": key.route_id, "route_digest": "d" + key.route_id, "route_length_m": 34.0,
        "weather": "clear", "input": "rgb", "fuser": "none", "fuser_label": "",
        "fuser_weights": "none", "policy": "p", "policy_weights": "none", "traffic": "empty",
        "collision_mode": "stop", "seed": key.seed, "outcome": "success", "steps": 110,
        "distance_m": 29.0 + 0.01 * key.seed, "completion": 1.0, "driving_score": 100.0,
    }  # fmt: skip
    return EpisodeRow(**{**values, **changes})  # type: ignore[arg-type]


def failed_row(key: Key, **changes: object) -> EpisodeRow:
    nothing = {"steps": None, "distance_m": None, "completion": None, "driving_score": None}
    return row(key, **{"outcome": "sim_error", "error": "it died", **nothing, **changes})


KEYS = sorted(asked(ChaosOptions(episodes=1000)))
ROWS = [row(key) for key in KEYS]
HARMS = [
    Entry(harm.kind.value, harm.number, seconds=2.0) for harm in plan_harms(ChaosOptions(harms=20))
]


def evidence(**changes: object) -> Evidence:
    values: dict[str, object] = {
        "asked": frozenset(KEYS), "harms": 20, "rows": ROWS, "entries": HARMS,
        "undisturbed": ROWS[:50], "is_at_rest": True,
    }  # fmt: skip
    return Evidence(**{**values, **changes})  # type: ignore[arg-type]


def test_a_run_that_has_lost_nothing_passes() -> None:
    assert [check.name for check in judge(evidence()) if not check.passed] == []


def late(kind: Kind, seconds: float) -> list[Entry]:
    return [*HARMS, Entry(kind.value, 99, seconds=seconds)]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"rows": ROWS[1:]}, "rows lost"),
        ({"entries": [*HARMS, Entry(LOST, seconds=1.0)]}, "rows lost"),
        ({"rows": [*ROWS, ROWS[7]]}, "rows doubled"),
        ({"rows": [*ROWS, row(Key("0", 999))]}, "rows of other episodes"),
        ({"rows": [replace(ROWS[0], steps=99), *ROWS[1:]]}, "steps of the shortest"),
        ({"rows": [*map(failed_row, KEYS[:6]), *ROWS[6:]]}, "finished"),
        ({"rows": [*map(failed_row, KEYS[:6]), *ROWS[6:]]}, "unresolved (sim_error)"),
        ({"entries": HARMS[1:]}, "harms done"),
        ({"entries": late(Kind.KILL_SERVER, 15.1)}, "latest notice of a death"),
        ({"entries": late(Kind.KILL_WORKER, 15.1)}, "latest notice of a death"),
        ({"entries": late(Kind.HANG_SERVER, 60.0)}, "latest notice of a hung server"),
        ({"entries": [*HARMS, Entry(ORPHAN, seconds=61.0)]}, "longest life without its runner"),
        ({"entries": [*HARMS, Entry(OWN_END)]}, "ends of the run without harm to it"),
        ({"entries": [*HARMS, Entry(HAND)]}, "times that a hand was needed"),
        (
            {"rows": [replace(ROWS[0], wall_attempts=TRIES_AGAIN + 2), *ROWS[1:]]},
            "most attempts at an episode",
        ),
        (
            {"rows": [failed_row(KEYS[0], driving_score=50.0), *ROWS[1:]]},
            "simulator errors scored as driving",
        ),
        (
            {"undisturbed": [replace(ROWS[0], distance_m=28.0)]},
            "rows unlike those without harm",
        ),
        ({"is_at_rest": False}, "the same command once more changes no row"),
    ],
)
def test_a_missed_bar_fails(changes: dict[str, object], name: str) -> None:
    assert name in [check.name for check in judge(evidence(**changes)) if not check.passed]


@pytest.mark.parametrize("kind", [Kind.FULL_DISK, Kind.SECOND_RUNNER])
def test_a_harm_that_the_harness_does_not_mend_fails(kind: Kind) -> None:
    entries = [*HARMS, Entry(kind.value, 99, as_promised=False)]
    failed = [check.name for check in judge(evidence(entries=entries)) if not check.passed]
    assert failed == [f"- {kind.value}"]


def test_few_unresolved_episodes_and_one_that_was_driven_later_pass() -> None:
    rows = [failed_row(KEYS[0]), failed_row(KEYS[1]), *ROWS[1:]]
    assert all(check.passed for check in judge(evidence(rows=rows, undisturbed=ROWS[1:9])))


def test_wall_clock_and_commit_are_no_difference() -> None:
    other = replace(ROWS[0], wall_seconds=9.0, wall_attempts=2, commit="abc")
    assert all(check.passed for check in judge(evidence(undisturbed=[other])))


def test_a_seed_gives_the_same_harms_and_another_gives_others() -> None:
    assert plan_harms(SMALL) == plan_harms(SMALL)
    assert plan_harms(SMALL) != plan_harms(replace(SMALL, seed=4))


@pytest.mark.parametrize("count", [1, 8, 9, 30, 220])
def test_as_many_harms_as_asked_for_of_all_kinds_while_there_are_rows_to_come(count: int) -> None:
    harms = plan_harms(ChaosOptions(harms=count))
    assert len(harms) == count
    assert {harm.kind for harm in harms} == set(Kind) or count < len(Kind)
    assert [harm.after_rows for harm in harms] == sorted(harm.after_rows for harm in harms)
    assert harms[-1].after_rows < 1940


def test_the_compared_seeds_are_some_of_those_driven() -> None:
    first, count = first_compared(SMALL)
    assert count == 2
    assert {Key("0", seed) for seed in range(first, first + count)} <= asked(SMALL)


def test_the_plan_is_a_configuration_of_the_harness(tmp_path: Path) -> None:
    options = replace(SMALL, out=tmp_path)
    write_plan(options)
    (config,) = parse(["--config", str(options.config_file)])
    assert config.routes * config.seeds == len(asked(options)) == 50
    assert config.directory == options.run_folder


@pytest.fixture
def rows_file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join(json.dumps({"n": n, "x": "y" * 20}).encode() + b"\n" for n in "abc"))
    return path


@pytest.mark.parametrize("share", [0.001, 0.5, 1.0])
def test_a_row_that_the_chaos_itself_cut_is_not_lost(rows_file: Path, share: float) -> None:
    ledger, before = Ledger(rows_file), rows_file.read_bytes()
    cut = ledger.tear(share)
    assert rows_file.read_bytes() == before[: len(before) - cut]
    assert 1 <= cut <= len(before) // 3
    assert ledger.look() == 0


def test_a_row_that_is_gone_or_changed_is_lost(rows_file: Path) -> None:
    ledger, before = Ledger(rows_file), rows_file.read_bytes()
    rows_file.write_bytes(before + before.replace(b"a", b"d"))
    assert ledger.look() == 0
    rows_file.write_bytes(before[len(before) // 3 :])
    assert ledger.look() > 0


def test_lines_are_counted_as_they_come(rows_file: Path) -> None:
    ledger = Ledger(rows_file)
    assert ledger.count() == 3
    with rows_file.open("ab") as file:
        file.write(b"{}\n{}")
    assert ledger.count() == 4
    ledger.tear(1.0)
    assert ledger.count() == 4


def test_a_journal_goes_on_with_the_same_options_alone(tmp_path: Path) -> None:
    options = replace(SMALL, out=tmp_path / "out")
    entry = Entry(Kind.KILL_RUNNER.value, 4, "12:00:00", 17)
    Journal(options).add(entry)
    assert Journal(options).entries == [entry]
    assert Journal(options).numbers() == {4}
    with pytest.raises(ConfigError, match=r"--harms 20 .*, found one of .*--harms 20"):
        Journal(replace(options, seed=9))


def test_a_folder_with_something_else_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").touch()
    assert main(["--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"error: --out {tmp_path}: expected a new folder")


def test_servers_and_workers_are_told_apart_by_their_command_lines() -> None:
    server = launch.command("simulator", "--port", "2000", "--parent-pid", "1")
    worker = spawn.get_command_line(tracker_fd=5, pipe_handle=6)
    other = ["python", "-c", "from multiprocessing.resource_tracker import main;main(4)"]
    roles = [role_of(list(map(os.fsencode, words))) for words in (server, worker, other)]
    assert roles == [Role.SERVER, Role.WORKER, None]


def test_a_port_has_a_client_from_when_it_connects_until_it_leaves() -> None:
    with socket.create_server(("localhost", 0)) as listening:
        port = listening.getsockname()[1]
        assert not is_connected(port)
        with socket.create_connection(("localhost", port)):
            await_true(lambda: is_connected(port))
            listening.accept()[0].close()
        await_true(lambda: not is_connected(port))


@pytest.mark.heavy
def test_a_process_is_alive_until_it_is_killed_and_no_other_is_taken_for_it() -> None:
    code = "import time; 'multiprocessing.spawn'; time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code]) as child, ExitStack() as at_end:
        at_end.callback(child.kill)  # Popen's own context waits for it, however the test ends
        await_true(lambda: child.pid in [found.pid for found in children(os.getpid())])
        assert child.pid not in [found.pid for found in children(os.getpid(), Role.SERVER)]
        victim = process(child.pid)
        assert victim.is_alive
        assert not victim._replace(started="0").is_alive
        assert victim.send(signal.SIGKILL)
        await_true(lambda: not victim.is_alive)  # though nobody has read its exit code
        assert not victim.send(signal.SIGKILL)


def await_true(claim: Callable[[], bool], limit_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not claim() and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert claim()


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_small_run_outlives_one_harm_of_each_kind(tmp_path: Path) -> None:
    out = tmp_path / "chaos"
    assert main(["--episodes", "25", "--harms", "8", "--compare", "1", "--out", str(out)]) == 0
