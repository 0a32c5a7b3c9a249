"""Counterfactuals: errors, needed and false brakings by hand, pairs with rgb, and correlation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fusiondrive.errors import ConfigError
from harness.perception.plot import draw
from results.counterfactual_drives import by_arm, correlations
from results.counterfactual_table import correlation_table, distance_table, error_table
from results.counterfactuals import TYPES, came_by_distance, measure, read_rows, write_rows
from results.row import EpisodeRow
from tests.results.test_tables import row as make_row

USUAL: dict[str, Any] = {
    **{"level": "fog", "range_m": 59.5, "arm_weights": "none", "policy": "cilrs"},
    **{"policy_weights": "abc", "town": "random:7", "look": 1, "thermal": "", "thermal_look": None},
    **{"pose_set": "def", "commit": "unknown", "hazard": "", "speed_mps": 8.0},
    **{"expert_steer": 0.0, "expert_throttle": 0.0, "clear_steer": 0.0, "steer": 0.0},
    **{"clear_throttle": 0.0, "throttle": 0.0},
}


def row(pose: int, arm: str, brake: float, **changes: Any) -> dict[str, Any]:
    """Two poses a drive; the expert and the clear-day answer brake for a walker at 12 m."""
    needed = {"expert_brake": 0.5, "clear_brake": 0.5, "cause": "walker", "gap_m": 12.0}
    place = {"pose": f"random:7/{pose // 2:03d}/{pose:04d}", "drive": f"random:7/{pose // 2:03d}"}
    return {**USUAL, **place, "arm": arm, "brake": brake, **needed, **changes}


CALM = {"expert_brake": 0.0, "clear_brake": 0.0, "cause": "", "gap_m": None}


def frame(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(rows).astype(TYPES)


def two_arms() -> pd.DataFrame:
    """Of four needed brakings rgb misses two, the oracle none; rgb brakes once without need."""
    rgb = [row(pose, "rgb", 0.5 * (pose < 2)) for pose in range(4)]
    rgb += [row(4, "rgb", 0.2, **CALM), row(5, "rgb", 0.0, throttle=0.25, **CALM)]
    oracle = [row(pose, "oracle", 0.5, thermal="fog_ratio=0.5", thermal_look=2)
              for pose in range(4)]  # fmt: skip
    oracle += [row(4, "oracle", 0.0, **CALM), row(5, "oracle", 0.0, steer=-0.12, **CALM)]
    return frame(*rgb, *oracle)


def test_errors_and_brakings_are_those_of_a_hand_count() -> None:
    rgb, oracle = measure(two_arms())
    assert rgb.pedal == pytest.approx((0.5 + 0.5 + 0.2 + 0.25) / 6)
    assert oracle.steer == pytest.approx(0.02)
    assert (rgb.came.share, rgb.came.n) == (0.5, 4)
    assert (oracle.came.share, oracle.came.n) == (1.0, 4)
    assert (rgb.false.share, rgb.false.n) == (0.5, 2)
    assert rgb.met == (1.0, 4)


def test_an_arm_is_paired_with_rgb_on_the_same_poses() -> None:
    rgb, oracle = measure(two_arms())
    assert rgb.came_gain is None
    assert oracle.came_gain is not None
    assert oracle.came_gain.mean == pytest.approx(50.0)
    assert oracle.pedal_gain is not None
    assert oracle.pedal_gain.mean == pytest.approx(-1.45 / 6)


def test_intervals_are_over_drives_or_towns() -> None:
    by_drive, by_town = (measure(two_arms(), cluster)[0] for cluster in ("drive", "town"))
    assert by_drive.pedal_interval.low < by_drive.pedal < by_drive.pedal_interval.high
    assert by_town.pedal_interval.low == pytest.approx(by_town.pedal)  # one town: nothing varies


def test_a_braking_that_the_clear_day_answer_does_not_meet_is_not_needed() -> None:
    rows = [row(pose, "rgb", 0.0, clear_brake=0.5 * (pose == 0)) for pose in range(4)]
    (rgb,) = measure(frame(*rows))
    assert rgb.came == (0.0, 1)
    assert rgb.met == (0.25, 4)


def test_brakings_are_sorted_by_distance_and_those_for_lights_left_out() -> None:
    rows = [
        row(0, "rgb", 0.5, gap_m=3.0),
        row(1, "rgb", 0.0, gap_m=3.5),
        row(2, "rgb", 0.5, gap_m=25.0),
        row(3, "rgb", 0.5, gap_m=3.0, cause="light"),
    ]
    shares = came_by_distance(frame(*rows))
    assert [(item.share, item.n) for item in shares] == [
        *((0.5, 2), (None, 0), (None, 0), (1.0, 1), (None, 0)),
    ]


def test_an_arm_without_all_poses_is_refused() -> None:
    rows = two_arms()
    with pytest.raises(ConfigError, match="'oracle' has 5 poses, 'rgb' 6"):
        measure(rows.drop(rows.index[-1]))


def test_rows_without_rgb_are_refused() -> None:
    rows = two_arms()
    with pytest.raises(ConfigError, match="expected rows of the arm 'rgb'"):
        measure(rows[rows["arm"] == "oracle"])


def test_tables_say_what_is_privileged_and_what_is_compared() -> None:
    text = error_table(two_arms()).markdown()
    assert "| fog     | cilrs    | oracle |       6 |" in text.replace("| 6       |", "|       6 |")
    assert "privileged" in text
    assert "meets 100 % (of 4) of the expert's brakings" in text
    assert "100 % (of 4)" in distance_table(two_arms()).markdown()


def test_rows_come_back_from_their_file(tmp_path: Path) -> None:
    write_rows(two_arms(), tmp_path / "rows.parquet")
    found = read_rows(tmp_path)
    assert measure(found) == measure(two_arms())


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(ConfigError, match=r"expected rows of .*, found no column"):
        read_rows(tmp_path)


def test_the_plot_has_a_panel_for_each_setting() -> None:
    fog = two_arms()
    night = fog.assign(level="night:glare").astype(TYPES)
    one, two = draw(fog), draw(pd.concat([fog, night]).astype(TYPES))
    assert two.shape[0] == 2 * one.shape[0]
    assert one.std() > 0.0


def drive(arm: str, success: bool, number: int) -> EpisodeRow:
    outcome = "success" if success else "collision"
    return make_row(number, "rgb", outcome, policy_weights="abc", arm=arm)


def test_arms_with_smaller_errors_that_drive_better_correlate_negatively() -> None:
    rows = frame(*[
        row(pose, arm, 0.5, steer=error)
        for arm, error in (("rgb", 0.3), ("dehaze", 0.2), ("oracle", 0.1))
        for pose in range(4)
    ])  # fmt: skip
    drives = [
        drive(arm, number < good, number)
        for arm, good in (("rgb", 1), ("dehaze", 2), ("oracle", 4))
        for number in range(4)
    ]
    found = by_arm(rows, drives)
    rho = {name: value for name, value, _ in correlations(found)}
    assert [item.drives for item in found] == [4, 4, 4]
    assert rho["steering error"] == pytest.approx(-1.0)
    assert "over 3 lines: -1.00" in correlation_table(rows, drives).markdown()


def test_too_few_arms_that_were_driven_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected three arms or more"):
        correlation_table(two_arms(), [drive("rgb", True, 0)])
