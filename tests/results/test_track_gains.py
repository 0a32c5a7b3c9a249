"""Track tests: arms in pairs, on the same runs alone, with alarms beside them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from fusiondrive.errors import ConfigError
from results.track_command import main, read_track_rows, summaries
from results.track_gains import gain_table
from results.track_row import IDENTITY, TrackRow

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "results/published/track_privileged.parquet"
EARLIER: dict[str, object] = {
    **dict.fromkeys(IDENTITY, ""),
    **{"identity": "", "version": 1, "seed": 0, "look": 1, "thermal_look": 2, "speed_kmh": 40},
    **{"fuser_label": "", "is_privileged": False, "detector": "mine", "detector_weights": "w"},
}


def row(arm: str, test: str, outcome: str, speed: int = 40, **changes: object) -> TrackRow:
    thermal = "fog_ratio=0.5" if arm in ("oracle", "thermal") else ""
    values = {"arm": arm, "test": test, "outcome": outcome, "speed_kmh": speed, "thermal": thermal}
    speeds = {"impact_kmh": 0.0 if outcome == "avoided" else float(speed)}
    return TrackRow.from_dict({**EARLIER, "weather": "night:glare", **values, **speeds, **changes})


def arm(name: str, avoided: set[str], alarms: int = 0) -> list[TrackRow]:
    tests = [f"T{n}" for n in range(8)]
    found = [row(name, test, "avoided" if test in avoided else "hit") for test in tests]
    free = ["false_alarm"] * alarms + ["quiet"] * (2 - alarms)
    return found + [row(name, f"free-{n}", outcome) for n, outcome in enumerate(free)]


def lines(rows: list[TrackRow]) -> dict[tuple[str, ...], dict[str, str]]:
    table = gain_table(rows)
    found = [dict(zip(table.header, line, strict=True)) for line in table.body]
    return {(item["gain"], item["arm"], item["minus"]): item for item in found}


def test_pairs_are_counted_and_tested_by_hand() -> None:
    six = {f"T{n}" for n in range(6)}
    rows = [*arm("rgb", set()), *arm("oracle_rgb", {"T7"}), *arm("oracle", six, alarms=1)]
    found = lines(rows)
    assert set(found) == {
        ("total", "oracle_rgb", "rgb"),
        ("total", "oracle", "rgb"),
        ("infrared", "oracle", "oracle_rgb"),
    }
    total = found["total", "oracle", "rgb"]
    assert (total["pairs"], total["arm : other"], total["p"]) == ("8", "6 : 0", "0.031")  # 2 / 2^6
    assert total["points [95 %]"].startswith("+75 [")
    infrared = found["infrared", "oracle", "oracle_rgb"]
    assert (infrared["arm : other"], infrared["p"]) == ("6 : 1", "0.12")  # 2 (1 + 7) / 2^7
    assert infrared["alarms of free runs"] == "1/2 : 0/2"
    assert float(total["p (Holm)"]) == pytest.approx(3 * 0.03125, rel=0.02)


def test_speeds_of_a_test_are_no_independent_tests() -> None:
    speeds = (20, 30, 40, 50, 60, 70)
    rows = [row("rgb", "T0", "hit", speed) for speed in speeds]
    rows += [row("oracle", "T0", "avoided", speed) for speed in speeds]
    found = lines(rows)["total", "oracle", "rgb"]
    assert (found["p"], found["p by tests"]) == ("0.031", "1")


def test_only_runs_of_both_are_pairs_and_broken_ones_are_none() -> None:
    rows = [row("rgb", "T0", "hit"), row("rgb", "T1", "hit"), row("rgb", "T2", "sim_error")]
    rows += [row("dehaze", "T1", "avoided"), row("dehaze", "T2", "avoided")]
    assert lines(rows)["total", "dehaze", "rgb"]["pairs"] == "1"


def test_settings_of_the_thermal_camera_do_not_mix() -> None:
    rows = [row("rgb", "T0", "hit"), row("oracle", "T0", "avoided")]
    rows += [row("oracle", "T0", "hit", thermal="fog_ratio=1.0")]
    table = gain_table(rows)
    assert [(line[1], line[7]) for line in table.body] == [
        ("fog_ratio=0.5", "1 : 0"),
        ("fog_ratio=1.0", "0 : 0"),
    ]


def test_one_arm_has_no_pairs() -> None:
    assert len(summaries(read_track_rows(PUBLISHED))) == 1


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (tmp_path / "none.parquet", ROOT / "results/published/fog_controls.parquet"):
        with pytest.raises(
            ConfigError, match=r"expected rows\.parquet of `python -m harness\.track`"
        ):
            read_track_rows(path)
    other = [row("rgb", "T0", "hit"), row("rgb", "T0", "hit", detector_weights="x")]
    pd.DataFrame([item.to_dict() for item in other]).to_parquet(tmp_path / "two.parquet")
    assert main([str(tmp_path / "two.parquet")]) == 2
    assert "rows of several detectors cannot be compared: mine w, mine x" in capsys.readouterr().err
