"""Frozen benchmarks: what is locked, what is refused, what rows carry; no server."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fusiondrive.errors import ConfigError
from harness import benchmark_check
from harness.benchmark_check import NAME, comparison, freeze
from harness.benchmark_lock import (
    Lock,
    differing,
    parts_of_settings,
    parts_of_town,
    read_lock,
    write_lock,
)
from harness.messages import TownFacts
from harness.models import Part, check_parts
from harness.route_facts import RouteFacts
from harness.run import main
from harness.suites import load_parts
from results.store import RowStore
from results.table import make_tables
from scenarios.suite import LOCK, SUITES_DIR, suite
from tests.results.test_tables import row

CANDIDATE = "fusiondrive-1-rc"
LOCKED = Lock("fusiondrive-9", {"look": "1", "policy cilrs": "beef", "arm dehaze": "aa"})
FACTS = TownFacts(
    *("Town03", "authored:x", "embedded", 1, "0.9.16"),
    tuple(RouteFacts(f"{i:02d}", f"digest{i}", 300.0) for i in range(30)),
)


@pytest.fixture(scope="module")
def parts() -> tuple[Part, ...]:
    return check_parts(load_parts(None, {"suite": CANDIDATE}))


def test_a_part_that_differs_is_named_with_both_values() -> None:
    with pytest.raises(
        ConfigError, match="not fusiondrive-9: policy cilrs is cafe, and was beef when"
    ):
        LOCKED.check({"look": "1", "policy cilrs": "cafe"})
    with pytest.raises(ConfigError, match="map of Town03 is x, and was no part when"):
        LOCKED.check({"map of Town03": "x"})
    LOCKED.check({"look": "1"})


def test_arms_of_a_users_own_are_free_and_those_of_the_benchmark_are_not() -> None:
    LOCKED.check({"arm student": "bb"})
    with pytest.raises(ConfigError, match="arm dehaze is bb, and was aa"):
        LOCKED.check({"arm dehaze": "bb"})


def test_the_label_is_of_all_parts_and_not_of_their_order() -> None:
    turned = Lock(LOCKED.name, dict(reversed([*LOCKED.parts.items()])))
    assert turned.label == LOCKED.label
    assert Lock(LOCKED.name, {**LOCKED.parts, "look": "2"}).label != LOCKED.label
    assert LOCKED.label.startswith("fusiondrive-9:")


def test_what_ships_is_as_it_was_frozen(parts: tuple[Part, ...]) -> None:
    lock = read_lock(suite(CANDIDATE))
    assert lock is not None
    assert not differing(lock, parts_of_settings(suite(CANDIDATE), parts))
    names = set(lock.parts)
    assert {"look", "map of Town03", "25 routes of Town03", "traffic regular in Town03"} <= names
    assert {"weather fog:25", "weather clear", "policy cilrs", "arm oracle"} <= names
    assert {"statistics", "hazards", "judge", "suite", "thermal look"} <= names


def test_a_town_gives_map_routes_engine_and_traffic(parts: tuple[Part, ...]) -> None:
    configs = [part.config for part in parts]
    found = parts_of_town(configs, FACTS)
    assert found["map of Town03"] == "authored:x"
    assert found["traffic regular in Town03"] == "30+40"
    assert (found["engine"], found["look"], found["server"]) == ("embedded", "1", "0.9.16")
    more = replace(FACTS, routes=FACTS.routes[:25])
    assert parts_of_town(configs, more) == found  # routes behind the benchmark's are no part
    other = replace(FACTS, routes=(RouteFacts("00", "other", 300.0), *FACTS.routes[1:]))
    assert parts_of_town(configs, other) != found


@pytest.mark.parametrize(
    "flags", ["--policy-weights f.onnx", "--speed-kmh 50", "--route 3", "--routes 3"]
)
def test_flags_that_would_change_its_drives_are_refused(
    flags: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "run")
    assert main(["--suite", CANDIDATE, "--out", out, *flags.split()]) == 2
    told = capfd.readouterr().err
    assert "is a frozen benchmark: leave" in told
    assert told.count("\n") == 1
    assert not Path(out).exists()


def test_arms_are_chosen_freely() -> None:
    for config in load_parts(None, {"suite": CANDIDATE, "arms": ["rgb", "average"]}):
        assert config.arms == ("rgb", "average")


def test_a_folder_of_other_rows_is_refused(tmp_path: Path) -> None:
    own = row(0, "rgb", "success", benchmark=LOCKED.label)
    LOCKED.check_rows([own], tmp_path)
    with pytest.raises(ConfigError, match="has rows that are of no benchmark, and this is fusio"):
        LOCKED.check_rows([own, row(1, "rgb", "success")], tmp_path)
    with pytest.raises(ConfigError, match="has fusiondrive-8:abc, and this is fusiondrive-9:"):
        LOCKED.check_rows([row(1, "rgb", "success", benchmark="fusiondrive-8:abc")], tmp_path)


def test_rows_keep_their_benchmark_and_tables_say_it(tmp_path: Path) -> None:
    rows = [row(0, "rgb", "success", benchmark=LOCKED.label), row(1, "rgb", "success")]
    with RowStore(tmp_path) as store:
        for item in rows:
            store.append(item)
        assert [item.benchmark for item in store.rows()] == [LOCKED.label, ""]
    text = make_tables(rows)[0].markdown()
    assert f"Frozen benchmark: rows 1 of {LOCKED.label}, 1 of no benchmark." in text
    assert "Frozen benchmark" not in make_tables(rows[1:])[0].markdown()


def test_a_released_lock_is_never_written_anew_and_a_candidates_is(tmp_path: Path) -> None:
    path = tmp_path / f"fusiondrive-9{LOCK}"
    write_lock(LOCKED, path)
    write_lock(LOCKED, path)
    with pytest.raises(ConfigError, match="lock of a released benchmark stays as it is"):
        write_lock(Lock(LOCKED.name, {"look": "2"}), path)
    assert json.loads(path.read_text()) == dict(LOCKED.parts)
    write_lock(Lock("fusiondrive-9-rc", {"look": "2"}), path)


def test_a_release_gets_a_copy_of_the_candidates_suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{CANDIDATE}.yaml").write_bytes((SUITES_DIR / f"{CANDIDATE}.yaml").read_bytes())
    monkeypatch.setattr(benchmark_check, "SUITES_DIR", tmp_path)
    told = freeze(suite(CANDIDATE), LOCKED)
    assert told.endswith(LOCKED.label)
    assert (tmp_path / "fusiondrive-9.yaml").is_file()
    assert json.loads((tmp_path / f"fusiondrive-9{LOCK}").read_text()) == dict(LOCKED.parts)
    assert NAME.fullmatch("fusiondrive-9") is not None
    assert NAME.fullmatch("quick") is None


def test_the_comparison_has_a_line_for_each_part() -> None:
    table = comparison(LOCKED, {"look": "2", "policy cilrs": "beef"})
    assert [(line[0], line[-1]) for line in table.body] == [
        ("look", "different"), ("policy cilrs", "same"), ("arm dehaze", "different"),
    ]  # fmt: skip
    assert table.notes == ("2 parts differ.",)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--benchmark", "quick"], "suite 'quick' is no benchmark: there is no lock beside it"),
        (["--benchmark", "x"], "unknown suite 'x'"),
        (["--write-lock", "mine"], "--write-lock mine: expected such as fusiondrive-2"),
    ],
)
def test_what_is_no_benchmark_is_one_line(
    flags: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert benchmark_check.main(flags) == 2
    told = capfd.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_a_broken_lock_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.lock.json"
    path.write_text("[", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"x\.lock\.json: not a benchmark's lock"):
        read_lock(replace(suite(CANDIDATE), lock=path))
