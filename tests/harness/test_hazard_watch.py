"""What is recorded of a hazard, step by step; no server."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fusiondrive.types import (
    ActorKind,
    ActorState,
    CameraSpec,
    CollisionEvent,
    Command,
    Pose,
    Progress,
    WorldState,
)
from harness.hazard_watch import HazardWatch
from results.hazards import HazardRecord
from scenarios.hazards.course import HazardCourse
from scenarios.hazards.placement import PlacedHazard
from scenarios.hazards.roadside import Verge
from scenarios.hazards.script import Phase
from tests.harness.test_criteria import ROUTE

STEP_S = 0.1
CAR = ActorState(
    7, "vehicle.x", ActorKind.VEHICLE, Pose(82.4, 0.0), (0.0,) * 3, (0.0, 0.0, 0.8), (2.4, 1.0, 0.8)
)


def course() -> HazardCourse:
    """A car that has broken down with its rear at 80 m."""
    placed = PlacedHazard("ParkedObstacle", 0, 80.0, Verge(1.75, 3.3, None))
    made = HazardCourse(ROUTE, [placed], cast(Any, SimpleNamespace()))
    (script,) = made.scripts
    script.phase, script.actor_ids, script.main_id = Phase.ACTING, [7], 7
    return made


def state(time_s: float, bumper_m: float, speed_mps: float, **changes: Any) -> WorldState:
    ego = replace(CAR, actor_id=1, pose=Pose(bumper_m - 2.4, 0.0), velocity=(speed_mps, 0.0, 0.0))
    at_m = bumper_m - 2.4
    progress = Progress(int(at_m), 0.0, at_m, 0.0, Command.FOLLOW, (0.0, 0.0))
    return WorldState(round(10 * time_s), time_s, ego, (CAR,), progress=progress, **changes)


def watch(speeds_mps: list[float], begin_m: float, *, hits: bool = False) -> HazardRecord:
    """The record of a drive with these speeds, one a step."""
    watched = HazardWatch(course(), CameraSpec(), STEP_S)
    bumper_m = begin_m
    for number, speed in enumerate(speeds_mps):
        bumper_m += STEP_S * speed
        contact = CollisionEvent(number, 7, "vehicle.x", ActorKind.VEHICLE, 900.0, bumper_m, 0.0)
        collisions = (contact,) if hits and number == len(speeds_mps) - 1 else ()
        seen = state(STEP_S * number, bumper_m, speed, collisions=collisions)
        watched.observe(seen, 0.0749)
    (record,) = watched.records
    return record


def test_braking_is_where_the_car_slows_by_1_mps2() -> None:
    record = watch([10.0, 10.0, 10.0, 9.5, 9.0], 50.0)
    assert record.seen_m == pytest.approx(29.0)
    assert record.braked_m == pytest.approx(80.0 - 53.95)
    assert record.speed_mps == 10.0
    assert record.stopping_m == pytest.approx(5.0 + 100.0 / 14.0)
    assert record.transmission == pytest.approx(0.4026, abs=1e-3)  # exp(-0.0749 x 12.14)
    assert record.min_ttc_s == pytest.approx((80.0 - 53.95) / 9.5, abs=0.15)
    assert record.is_met
    assert not record.was_hit


def test_a_blow_is_no_braking() -> None:
    record = watch([10.0, 10.0, 10.0, 2.0], 76.5, hits=True)
    assert (record.was_hit, record.impact_mps, record.braked_m) == (True, 10.0, None)


def test_rolling_out_is_no_braking() -> None:
    assert watch([10.0, 9.95, 9.9, 9.85], 50.0).braked_m is None


def test_what_is_too_far_to_be_seen_has_not_been_seen() -> None:
    record = watch([10.0, 10.0], 20.0)
    assert (record.seen_m, record.is_met) == (None, True)
