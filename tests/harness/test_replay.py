"""Replay: episodes are found, driven as they were, and the first difference is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fusiondrive.errors import ConfigError
from harness.config import RunConfig, load_config
from harness.kept_config import FOLDER, config_text, keep_config, kept_configs
from harness.messages import Driven
from harness.replay.__main__ import main
from harness.replay.kept import config_of, find_episode, narrowed
from harness.replay.verify import Verifier, row_difference
from harness.run import main as run_main
from harness.scoring import NOTHING_DRIVEN, Outcome
from results.frame import load_frame, to_rows
from results.identity import OUTCOME_FIELDS
from results.row import EpisodeRow
from results.run_folder import TRACES
from results.store import RowStore
from results.trace import TraceRow, to_frame
from tests.conftest import CarlaServer
from tests.results.test_store import row
from tests.results.test_trace import STEP, write

ROOT = Path(__file__).parents[2]
PUBLISHED = sorted((ROOT / "results/published").glob("hazards_town03.parquet"))
ROUTE = """<routes><route id="0" town="Town02"><waypoint x="177" y="-2" yaw="-180"/>
<waypoint x="165" y="-2" yaw="-180"/></route></routes>"""
# What a published row says of its drive beside route and seed, which need no look-up.
SETTINGS = ("town", "weather", "input", "fuser", "arm", "policy", "traffic", "collision_mode",
            "hazards", "speed_kmh", "thermal", "latency")  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        {"arms": ["rgb", "oracle:blanked"], "weather": ["fog:40", "night"], "seeds": 3},
        {"input": "fused", "fuser": "average", "thermal": "fog_ratio=0.1,noise=4"},
        {"hazards": "all", "speed_kmh": 50, "route": "03", "traffic": "20+30"},
        {"suite": "appendix_b", "routes": 25},
        {"route_set": "validation"},
        {"route_file": "mine.xml", "weather": "own.yaml", "policy": "constant"},
    ],
    ids=lambda settings: "+".join(settings),
)
def test_what_a_run_keeps_of_its_configuration_drives_the_same(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    config = load_config(None, {**settings, "out": tmp_path})
    path = keep_config(config)
    (kept,) = kept_configs(tmp_path)
    for name in {*OUTCOME_FIELDS, "routes", "route", "seeds", "timeouts"} & set(dict(config)):
        before, now = getattr(config, name), getattr(kept, name)
        assert now == (before.absolute() if isinstance(before, Path) else before), name
    assert keep_config(config) == path
    assert config_text(kept) == config_text(config)


def test_a_configuration_of_another_version_is_one_line(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "0.yaml").write_text("town: [Town02]\ngravity: 9.81\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="driven with another version: unknown config key 'grav"):
        kept_configs(tmp_path)


def run_of(folder: Path, *rows: EpisodeRow) -> Path:
    with RowStore(folder) as store:
        for item in rows:
            store.append(item)
    return folder


def test_an_episode_is_found_by_identity_or_by_the_name_of_its_trace(tmp_path: Path) -> None:
    first, second = row(), row(seed=1)
    run = run_of(tmp_path, first, second)
    trace = write(
        run / TRACES / f"Town02_r00_fog_empty_rgb_expert_s1_{second.identity[:6]}.parquet"
    )
    for wanted in (f"h{second.identity}", second.identity[:8], trace.name, trace.stem, str(trace)):
        found = find_episode(run, wanted)
        assert (found.row, found.trace) == (second, trace)
    assert find_episode(run, first.identity).trace is None


@pytest.mark.parametrize("wanted", ["h0000000000000000", "", "h", "Town02"])
def test_an_episode_that_is_not_there_is_one_line_with_those_that_are(
    wanted: str, tmp_path: Path
) -> None:
    run = run_of(tmp_path, row())
    with pytest.raises(ConfigError, match=f"which has 1: h{row().identity}") as caught:
        find_episode(run, wanted)
    assert "\n" not in str(caught.value)


def test_a_row_finds_the_configuration_that_drove_it(tmp_path: Path) -> None:
    driven = row(seed=2, policy="constant")
    run = run_of(tmp_path, driven)
    for policy, retries in (("constant", 1), ("expert", 2)):
        keep_config(RunConfig(weather=("clear", "fog"), policy=policy, seeds=3, out=tmp_path,
                              retries=retries))  # fmt: skip
    (found,) = find_episode(run, driven.identity).configs
    assert (found.policy, found.weather, found.route, found.seed_list) == (
        "constant", ("fog",), "00", (2,),
    )  # fmt: skip


def test_the_ceiling_is_driven_in_its_own_weather() -> None:
    config = load_config(None, {"arms": ["rgb", "clear"], "weather": "fog"})
    found = narrowed(config, row(weather="clear", policy="cilrs"))
    assert found is not None
    assert (found.arms, found.weather) == (("clear",), ("fog",))


def test_published_rows_say_how_to_drive_them() -> None:
    rows = to_rows(load_frame(PUBLISHED))
    assert len(rows) == 525
    ways = {tuple(getattr(item, name) for name in SETTINGS): item for item in rows}
    assert len(ways) > 10
    assert all(narrowed(config_of(item), item) is not None for item in ways.values())


def test_what_is_made_of_published_rows_does_not_go_beside_them(tmp_path: Path) -> None:
    (file,) = PUBLISHED
    identity = to_rows(load_frame(file))[0].identity
    assert find_episode(file, identity).folder == Path()
    run = run_of(tmp_path, row())
    for named in (run, run / "rows.jsonl", run / "rows.parquet"):
        assert find_episode(named, row().identity).folder == run


def test_a_row_of_a_file_that_nothing_names_is_refused() -> None:
    with pytest.raises(ConfigError, match="its run kept no configuration that names it"):
        config_of(row(weather="mine", weather_digest="0123456789ab"))


def verified(kept: pd.DataFrame, steps: Sequence[TraceRow]) -> Verifier:
    verifier = Verifier(kept)
    for step in steps:
        verifier.compare(step)
    verifier.finish()
    return verifier


STEPS = [replace(STEP, step=number, x=0.1 * number) for number in range(5)]
KEPT = to_frame([asdict(step) for step in STEPS])


def test_equal_steps_are_equal_whatever_the_clock_says() -> None:
    later = [replace(step, wall_step_ms=7.0, identity="h1") for step in STEPS]
    found = verified(KEPT, later)
    assert (found.difference, found.steps) == (None, 5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"x": 0.30000001}, "step 3: x was 0.30000000000000004, is 0.30000001"),
        ({"hash_policy": "beef"}, "step 3: hash_policy was , is beef"),
        ({"perceived_mps": 1.5}, "step 3: perceived_mps was missing, is 1.5"),
    ],
)
def test_the_first_difference_is_named(change: dict[str, Any], said: str) -> None:
    steps = [replace(step, **change) if step.step >= 3 else step for step in STEPS]
    found = verified(KEPT, steps)
    assert (str(found.difference), found.steps) == (said, 3)


def test_a_drive_that_ends_earlier_or_later_differs() -> None:
    assert str(verified(KEPT, STEPS[:4]).difference) == "the end: steps was 5, is 4"
    assert str(verified(KEPT[:4], STEPS).difference) == "the end: steps was 4, is 5 or more"


def test_the_servers_own_ids_in_traces_of_old_are_not_compared() -> None:
    old = KEPT.drop(columns=["identity", "hash_world", "hash_policy"])
    assert verified(old, [replace(step, stop_lines="[1]") for step in STEPS]).difference is None
    assert verified(KEPT, [replace(step, stop_lines="[1]") for step in STEPS]).difference


def test_a_row_is_compared_without_what_is_of_the_clock() -> None:
    driven = Driven(replace(NOTHING_DRIVEN, outcome=Outcome.SUCCESS), 10, 0, 0, 1.0, None)
    found = row_difference(row(), driven)
    assert str(found) == "the row: reached_2m was missing, is False"


def driven_short(server: CarlaServer, folder: Path, *flags: str) -> tuple[Path, list[str]]:
    """Let the expert drive a short route; gives the run's folder and flags that name the server."""
    host, port = server("Town02")
    run, file = folder / "run", folder / "short.xml"
    file.write_text(ROUTE, encoding="utf-8")
    here = ["--host", host, "--port", str(port)]
    command = ["--route-file", str(file), *flags, "--policy", "expert", "--backend", "external"]
    assert run_main([*command, *here, "--out", str(run)]) == 0
    return run, here


FUSED = ("--input", "fused", "--fuser", "average")


@pytest.mark.heavy
def test_a_drive_is_proved_equal_and_a_changed_trace_is_told(
    carla_server: CarlaServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run, here = driven_short(carla_server, tmp_path, *FUSED)
    (trace,) = (run / TRACES).glob("*.parquet")
    capfd.readouterr()
    assert main([str(run), trace.stem, "--verify", *here]) == 0
    said = capfd.readouterr().out
    assert f"{len(pd.read_parquet(trace))} steps equal in" in said
    assert "row equal in" in said

    changed = pd.read_parquet(trace)
    changed.loc[7, "hash_thermal"] = "0"
    changed.to_parquet(trace, index=False)
    assert main([str(run), trace.stem, "--verify", *here]) == 1
    assert "different at step 7: hash_thermal was 0, is " in capfd.readouterr().out

    assert main([str(run), trace.stem, *here]) == 0
    written = {path.suffix for path in (run / "replays").rglob(f"{trace.stem}.*")}
    assert written == {".parquet", ".mp4"}


@pytest.mark.heavy
def test_an_episode_that_cannot_be_driven_as_it_was_is_refused(
    carla_server: CarlaServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    host, port = carla_server("Town02")
    run = run_of(tmp_path, row())
    here = ["--host", host, "--port", str(port)]
    assert main([str(run), row().identity, "--verify", *here]) == 2
    said = capfd.readouterr().err
    assert "cannot be driven as it was: package_version was '1', is '" in said
