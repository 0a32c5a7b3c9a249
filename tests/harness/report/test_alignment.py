"""Two traces side by side in route position: where they first differ."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from harness.report.alignment import along, divergence
from results.trace import TraceRow, to_frame
from tests.harness.report.made_up import made_rows, steps

ROW = next(row for row in made_rows() if row.outcome == "success")


def aligned(found: list[TraceRow]):
    return along(to_frame([asdict(step) for step in found]))


def test_equal_drives_never_part_and_end_together() -> None:
    one = aligned(steps(ROW))
    found = divergence(one, one)
    assert found.actions is None
    assert found.paths is None
    assert found.end == (200.0, (200, 200))


def test_actions_part_where_steering_differs_and_paths_half_a_metre_later() -> None:
    found = divergence(aligned(steps(ROW)), aligned(steps(ROW, drift_after_m=20.0)))
    assert found.by == "steer"
    assert found.actions is not None
    assert found.actions.route_m == pytest.approx(20.5)
    assert found.paths is not None
    assert found.paths.route_m == pytest.approx(25.5)  # 0.1 m a metre: more than 0.5 m from here


def test_steps_are_those_that_reached_the_place() -> None:
    slow = [
        replace(step, step=2 * step.step + half, route_m=step.route_m + 0.5 * half)
        for step in steps(ROW, drift_after_m=20.0)
        for half in (0, 1)
    ]
    found = divergence(aligned(steps(ROW)), aligned(slow))
    assert found.paths is not None
    first, second = found.paths.steps
    assert second == pytest.approx(2 * first, abs=2)


def test_a_standstill_is_one_point_of_the_route() -> None:
    found = steps(ROW)
    waiting = [*found[:50], *[replace(found[50], throttle=0.0, brake=1.0)] * 80, *found[51:]]
    side = aligned(waiting)
    assert np.all(np.diff(side.position_m) == 0.5)
    assert side.at(np.array([120.0]))["step"][0] == pytest.approx(199.0)


def test_a_car_that_rolls_back_does_not_go_back_on_the_route() -> None:
    found = steps(ROW)
    back = [*found[:50], replace(found[40], steer=1.0), *found[50:]]
    assert aligned(back).columns["steer"].max() == 0.0


def test_a_difference_shorter_than_a_metre_is_none() -> None:
    found = steps(ROW)
    blink = [*found[:50], replace(found[50], steer=0.3), *found[51:]]
    short_one = divergence(aligned(found), aligned(blink))
    assert short_one.actions is not None  # one step at 10 m/s is a metre
    short = [
        replace(step, route_m=step.route_m / 10.0, steer=0.3 if step.step == 50 else 0.0)
        for step in found
    ]
    slow = [replace(step, route_m=step.route_m / 10.0) for step in found]
    assert divergence(aligned(slow), aligned(short)).actions is None


def test_drives_that_end_at_once_still_have_an_end() -> None:
    found = divergence(aligned(steps(ROW)[:1]), aligned(steps(ROW)))
    assert found.end == (0.0, (0, 0))
    assert found.actions is None
