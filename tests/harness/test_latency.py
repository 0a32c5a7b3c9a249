"""Latency: when a control acts, what is charged, and what a row says of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fusiondrive.errors import ConfigError
from fusiondrive.timing import StageClock
from fusiondrive.types import Control
from harness.config import load_config
from harness.latency import ControlDelay
from harness.models import check_latency
from harness.replay.__main__ import main as replay_main
from harness.run import main
from policies import make_policy
from results.identity import Identity
from results.reading import read_rows
from results.run_folder import TRACES
from results.table import make_tables
from results.trace import load_trace
from scenarios.latency import read_latency
from tests.conftest import CarlaServer
from tests.harness.test_replay import driven_short, run_of
from tests.results.test_store import IDENTITY, row

HELD = Control(brake=1.0)
CHOSEN = [Control(throttle=0.1 * (number + 1), steer=0.05 * number) for number in range(6)]


def acted(latency: str, chosen: list[Control] = CHOSEN) -> list[Control]:
    delay = ControlDelay(latency, StageClock())
    return [delay.acting(control) for control in chosen]


def test_without_latency_a_control_acts_at_once() -> None:
    delay = ControlDelay("", StageClock())
    assert [delay.acting(control) for control in CHOSEN] == CHOSEN
    assert (delay.last_ms, delay.mean_ms) == (None, None)


@pytest.mark.parametrize(("latency", "steps"), [("100", 1), ("200", 2), ("500", 5)])
def test_whole_steps_shift_the_controls_and_the_brake_holds_until_then(
    latency: str, steps: int
) -> None:
    assert acted(latency) == [HELD] * steps + CHOSEN[:-steps]


def test_part_of_a_step_mixes_two_controls_by_their_shares() -> None:
    first, second, *_ = acted("30")
    assert (first.throttle, first.brake) == pytest.approx((0.07, 0.3))
    assert (second.throttle, second.steer) == pytest.approx((0.3 * 0.1 + 0.7 * 0.2, 0.7 * 0.05))


def test_more_than_a_step_mixes_the_two_before() -> None:
    third = acted("130")[2]
    assert third.throttle == pytest.approx(0.3 * 0.1 + 0.7 * 0.2)


def test_the_gear_is_that_of_the_later_control() -> None:
    backwards = Control(throttle=0.5, reverse=True)
    _, second, third = acted("40", [Control(), backwards, Control()])
    assert (second.reverse, third.reverse) == (True, False)


def measured_delay(times_ms: list[float]) -> tuple[ControlDelay, list[Control]]:
    clock = StageClock()
    clock.totals_s = {"policy": 7.0, "tick": 9.0}  # of an earlier episode
    delay = ControlDelay("real", clock)
    found = []
    for control, time_ms in zip(CHOSEN, times_ms, strict=False):
        clock.totals_s["policy"] += 0.0005 * time_ms
        clock.totals_s["fusion"] = clock.totals_s.get("fusion", 0.0) + 0.0005 * time_ms
        clock.totals_s["tick"] += 1.0
        found.append(delay.acting(control))
    return delay, found


def test_real_charges_fuser_and_policy_and_nothing_else() -> None:
    delay, found = measured_delay([20.0, 40.0])
    assert (delay.last_ms, delay.mean_ms) == pytest.approx((40.0, 30.0))
    assert found[0].throttle == pytest.approx(0.8 * 0.1)


def test_a_control_that_a_newer_one_has_overtaken_never_acts() -> None:
    _, found = measured_delay([10.0, 250.0, 10.0, 10.0])
    assert found[1] == CHOSEN[0]
    assert found[2].throttle == pytest.approx(0.1 * 0.1 + 0.9 * 0.3)
    assert found[3].throttle == pytest.approx(0.1 * 0.3 + 0.9 * 0.4)


@pytest.mark.parametrize(
    ("text", "read"),
    [("none", ""), ("", ""), ("0", ""), ("real", "real"), ("80", "80"), ("80.50", "80.5")],
)
def test_a_latency_has_one_spelling(text: str, read: str) -> None:
    assert read_latency(text) == read
    assert load_config(None, {"latency": text}).latency == read


@pytest.mark.parametrize("text", ["fast", "-1", "nan", "inf", "6000", "80ms"])
def test_another_latency_is_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="expected none, real or 0 to 5000 milliseconds"):
        read_latency(text)
    assert main([f"--latency={text}"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_latency_is_part_of_the_identity_only_where_there_is_one() -> None:
    assert replace(IDENTITY, latency="").digest() == IDENTITY.digest()
    assert Identity(**vars(replace(IDENTITY, latency="80"))).digest() != IDENTITY.digest()


def test_tables_keep_latencies_apart_and_name_them() -> None:
    rows = [row(), row(latency="80"), row(latency="real")]
    table = make_tables(rows)[0]
    traffic = [line[table.header.index("traffic")] for line in table.body]
    assert traffic == ["empty", "empty, latency 80 ms", "empty, latency real"]


def test_the_traffic_manager_cannot_be_held_back() -> None:
    config = load_config(None, {"latency": "80", "policy": "autopilot"})
    with pytest.raises(ConfigError, match="its controls cannot be held back"):
        check_latency(config, make_policy("autopilot"))


def test_a_drive_of_the_wall_clock_is_not_verified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = row(latency="real")
    assert replay_main([str(run_of(tmp_path, kept)), kept.identity, "--verify"]) == 2
    assert "no drive repeats that; leave --verify out" in capsys.readouterr().err


@pytest.mark.heavy
def test_rows_and_traces_say_what_was_charged_and_a_fixed_latency_repeats(
    carla_server: CarlaServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for latency in ("150", "real"):
        run, here = driven_short(carla_server, tmp_path, "--latency", latency)
    fixed, real = read_rows(run / "rows.jsonl")
    assert (fixed.latency, fixed.latency_ms) == ("150", 150.0)
    assert real.latency == "real"
    assert real.latency_ms is not None
    assert real.latency_ms > 0.0
    (trace,) = (run / TRACES).glob(f"*{fixed.identity[:6]}.parquet")
    steps = load_trace(trace)
    assert steps["delay_ms"].isna().tolist()[:2] == [True, False]
    assert steps["brake"].iloc[1] == 1.0
    capfd.readouterr()
    assert replay_main([str(run), fixed.identity, "--verify", *here]) == 0
    assert "steps equal in" in capfd.readouterr().out
