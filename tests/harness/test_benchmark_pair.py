"""Two checkouts in turn: what is refused, what the report says, and one real comparison."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import benchmark, benchmark_pair
from harness.benchmark import OVERHEAD_STAGES, Timing, report
from harness.benchmark_pair import HERE, Side, Turn, main
from harness.benchmark_pair import report as pair_report


def test_a_folder_without_a_benchmark_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    assert "expected a checkout with harness/benchmark.py, found none" in capsys.readouterr().err


def test_too_few_rounds_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(HERE), "--rounds", "1"]) == 2
    assert "rounds: expected at least 2, found 1" in capsys.readouterr().err


def test_ratios_are_of_the_rounds_and_processor_time_is_of_both_processes() -> None:
    own = Side("own", (Turn(10.0, 4.0, 6.0, 0), Turn(20.0, 4.0, 6.0, 0), Turn(10.0, 4.0, 6.0, 0)))
    other = Side(
        "other", (Turn(15.0, 5.0, 7.0, 0), Turn(24.0, 5.0, 7.0, 0), Turn(11.0, 5.0, 7.0, 0))
    )
    told = pair_report(own, other, is_same=True)
    assert "speed of own over other: 1.200 (median of 3 rounds; quartiles 1.150 and 1.350)" in told
    assert "processor time of other over own: 1.200" in told
    assert "in the first 40 steps is the same" in told


def test_overhead_is_what_is_neither_picture_nor_driver() -> None:
    stages = {"tick": 5.0, "images": 3.0, "policy": 1.5, **dict.fromkeys(OVERHEAD_STAGES, 0.125)}
    timing = Timing(100, 1.0, stages, None, None, None)
    assert timing.overhead == pytest.approx(0.05)
    assert "overhead (world, judge, hazards, rest): 5.0% of a step" in report(timing)


@pytest.mark.server
def test_a_checkout_sees_what_it_sees_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark_pair, "WARM_UP_STEPS", 8)
    few = ["--rounds", "2", "--steps", "3"]
    driven = ["--policy", "expert", "--arm", "rgb", "--weather", "clear"]
    assert main([str(HERE), *few, "--", *driven]) == 0
    told = capsys.readouterr().out
    assert "in the first 8 steps is the same" in told
    assert "median of 2 rounds" in told


@pytest.mark.parametrize("asked", [("--arm", "oracle"), ("--policy", "cilrs")])
def test_what_needs_a_camera_is_refused_without_one(
    asked: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark.main(["--no-camera", *asked]) == 2
    assert f"'{asked[1]}' needs a camera: leave {asked[0]}" in capsys.readouterr().err
