"""The rules of the criteria on recorded world states; no server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusiondrive.types import (
    ActorKind,
    ActorState,
    CollisionEvent,
    LightState,
    Pose,
    Route,
    StopLine,
    WorldState,
)
from harness.criteria import EventKind, LanePlace, Step
from harness.criteria.blocked import BlockedCriterion
from harness.criteria.collision import CollisionCriterion
from harness.criteria.lane import CarlaLaneQuery, LaneCriterion
from harness.criteria.lights import RedLightCriterion
from harness.criteria.route import RouteCriterion
from harness.scoring import Outcome, Score, judge_trace
from scenarios.hazards.kinds import BICYCLES
from scenarios.tracker import RouteTracker


def make_route(length_m: int = 100) -> Route:
    """Straight along x."""
    count = length_m + 1
    points = np.zeros((count, 3))
    points[:, 0] = np.arange(count)
    return Route(
        "straight",
        points,
        np.zeros(count),
        np.full(count, 4, dtype=np.int8),
        np.zeros(count, dtype=bool),
        np.full(count, 3.5),
        points[:, 0].copy(),
    )


ROUTE = make_route()


def state_at(
    x: float = 0.0, time_s: float = 0.0, speed: float = 5.0, **others: object
) -> WorldState:
    y = float(others.pop("y", 0.0))  # type: ignore[arg-type]
    ego = ActorState(
        1, "vehicle.test", ActorKind.VEHICLE, Pose(x, y), (speed, 0.0, 0.0), (0.0, 0.0, 0.7),
        (2.0, 1.0, 0.7),
    )  # fmt: skip
    return WorldState(round(time_s * 10), time_s, ego, **others)  # type: ignore[arg-type]


def step_of(state: WorldState) -> Step:
    pose = state.ego.pose
    return Step(state, RouteTracker(ROUTE).advance(pose.x, pose.y))


def hit(
    other_id: int = 7, impulse: float = 900.0, x: float = 0.0, kind: ActorKind = ActorKind.VEHICLE
) -> CollisionEvent:
    return CollisionEvent(0, other_id, "vehicle.other", kind, impulse, x, 0.0)


def count_collisions(*moments: tuple[float, CollisionEvent], speed: float = 5.0) -> int:
    criterion = CollisionCriterion()
    found = []
    for time_s, contact in moments:
        state = state_at(time_s=time_s, speed=speed, collisions=(contact,))
        found += criterion.update(step_of(state))
    return len(found)


def test_impulse_must_exceed_400_unless_a_pedestrian_is_hit() -> None:
    assert count_collisions((0.0, hit(impulse=400.0))) == 0
    assert count_collisions((0.0, hit(impulse=401.0))) == 1
    assert count_collisions((0.0, hit(impulse=1.0, kind=ActorKind.PEDESTRIAN))) == 1


def test_a_cyclist_is_a_person_though_its_bicycle_is_a_vehicle() -> None:
    assert count_collisions((0.0, replace(hit(impulse=90.0), other_type=BICYCLES[0]))) == 1
    assert count_collisions((0.0, replace(hit(impulse=90.0), other_type="vehicle.vespa"))) == 0


def test_a_standing_ego_does_not_collide() -> None:
    assert count_collisions((0.0, hit()), speed=0.05) == 0


def test_speed_of_the_step_before_counts_when_the_impact_stops_the_car() -> None:
    criterion = CollisionCriterion()
    criterion.update(step_of(state_at(speed=8.0)))
    assert criterion.update(step_of(state_at(time_s=0.1, speed=0.0, collisions=(hit(),))))


def test_same_actor_within_5_s_or_any_within_5_m_is_one_collision() -> None:
    far = hit(x=20.0)
    assert count_collisions((0.0, hit()), (4.9, far)) == 1
    assert count_collisions((0.0, hit()), (5.1, far)) == 2
    assert count_collisions((0.0, hit()), (9.0, hit(other_id=8, x=4.9))) == 1
    assert count_collisions((0.0, hit(other_id=0)), (1.0, hit(other_id=0, x=9.0))) == 2


class ScriptedLanes:
    """Yields prepared places instead of asking a map."""

    def __init__(self, places: Iterator[LanePlace]) -> None:
        self.places = places

    def locate(self, pose: Pose) -> LanePlace:
        return next(self.places)


INSIDE, OUTSIDE = LanePlace(False, 0.0, False), LanePlace(False, 0.6, False)
WRONG, JUNCTION = LanePlace(False, 0.0, True), LanePlace(True, 0.6, True)


def lane_events(*runs: tuple[LanePlace, float]) -> dict[EventKind, int]:
    places = [place for place, seconds in runs for _ in range(round(seconds * 10))]
    criterion = LaneCriterion(ScriptedLanes(iter(places)))
    events = [
        event.kind
        for index in range(len(places))
        for event in criterion.update(step_of(state_at(x=index * 0.5, time_s=index / 10)))
    ]
    return {kind: events.count(kind) for kind in events}


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        (((OUTSIDE, 0.5), (INSIDE, 1.0)), 0),  # five steps span 0.4 s
        (((OUTSIDE, 0.6), (INSIDE, 1.0)), 1),
        (((OUTSIDE, 1.0), (INSIDE, 1.9), (OUTSIDE, 1.0)), 1),
        (((OUTSIDE, 1.0), (INSIDE, 2.1), (OUTSIDE, 1.0)), 2),
        (((JUNCTION, 3.0),), 0),
        (((OUTSIDE, 1.0), (WRONG, 1.0)), 1),
    ],
)
def test_lane_infractions_last_half_a_second_and_merge_below_two(
    runs: tuple[tuple[LanePlace, float], ...], expected: int
) -> None:
    assert lane_events(*runs).get(EventKind.LANE_INFRACTION, 0) == expected


def test_off_road_and_wrong_way_are_told_apart() -> None:
    found = lane_events((OUTSIDE, 1.0), (INSIDE, 3.0), (WRONG, 1.0))
    assert found == {
        EventKind.LANE_INFRACTION: 2,
        EventKind.OFF_ROAD: 1,
        EventKind.WRONG_WAY: 1,
    }


def test_metres_outside_are_the_path_driven_there() -> None:
    criterion = LaneCriterion(ScriptedLanes(iter([INSIDE, OUTSIDE, OUTSIDE, INSIDE])))
    for index in range(4):
        criterion.update(step_of(state_at(x=float(index), time_s=index / 10)))
    assert criterion.outside_m == pytest.approx(2.0)


def test_offline_map_tells_lane_edge_and_direction(official_maps: Path) -> None:
    carla = pytest.importorskip("carla")
    town = carla.Map("Town02", (official_maps / "Town02.xodr").read_text())
    lanes = CarlaLaneQuery(town)
    waypoint = next(w for w in town.generate_waypoints(20.0) if not w.is_junction)
    pose = waypoint.transform
    x, y, yaw = pose.location.x, pose.location.y, pose.rotation.yaw
    side = pose.get_right_vector()  # beyond the right edge there is no driving lane
    gap = 0.5 * waypoint.lane_width + 0.8
    assert lanes.locate(Pose(x, y, yaw=yaw)) == LanePlace(False, 0.0, False)
    assert lanes.locate(Pose(x, y, yaw=yaw + 180.0)).wrong_way
    outside = lanes.locate(Pose(x + gap * side.x, y + gap * side.y, yaw=yaw))
    assert outside.outside_m == pytest.approx(0.8, abs=0.15)


def red_light_events(*states: LightState, y: float = 0.0) -> int:
    criterion = RedLightCriterion()
    found = []
    for index, light in enumerate(states):
        line = StopLine(3, 3.0 + 0.5, y, 0.0, light)
        x = float(index)  # the bumper, 2 m ahead, meets the line between the states 1 and 2
        found += criterion.update(step_of(state_at(x=x, time_s=index / 10, stop_lines=(line,))))
    return len(found)


def test_red_light_counts_once_when_the_bumper_crosses_in_lane() -> None:
    red, green = LightState.RED, LightState.GREEN
    assert red_light_events(red, red, red, red) == 1
    assert red_light_events(green, green, green) == 0
    assert red_light_events(red, red) == 0  # stopped before the line
    assert red_light_events(green, green, red) == 0  # turned red within the step
    assert red_light_events(red, red, red, y=3.5) == 0  # the neighbouring lane's line


def blocked_events(seconds: float, **others: Any) -> int:
    criterion = BlockedCriterion()
    steps = round(seconds * 10) + 1
    states = (state_at(time_s=i / 10, speed=0.0, **others) for i in range(steps))
    return sum(len(criterion.update(step_of(state))) for state in states)


def test_blocked_after_90_s_without_a_red_light() -> None:
    assert blocked_events(89.9) == 0
    assert blocked_events(95.0) == 1
    assert blocked_events(95.0, at_red_light=True) == 0
    line = StopLine(1, 12.0, 0.5, 0.0, LightState.RED)
    assert blocked_events(95.0, stop_lines=(line,)) == 0
    assert blocked_events(95.0, stop_lines=(replace(line, state=LightState.GREEN),)) == 1


def test_time_limit_is_five_kilometres_an_hour_plus_20_s() -> None:
    criterion = RouteCriterion(ROUTE)  # 100 m: 92 s
    assert not criterion.update(step_of(state_at(time_s=10.0)))
    assert not criterion.update(step_of(state_at(time_s=101.9)))
    assert criterion.update(step_of(state_at(time_s=102.0)))[0].kind is EventKind.TIMEOUT


def test_deviation_beyond_30_m() -> None:
    assert not RouteCriterion(ROUTE).update(step_of(state_at(x=2.0, y=29.9)))
    event = RouteCriterion(ROUTE).update(step_of(state_at(x=2.0, y=30.1)))[0]
    assert event.kind is EventKind.DEVIATION


class NoLanes:
    """Everything is road."""

    def locate(self, pose: Pose) -> LanePlace:
        return INSIDE


def drive(until_x: float, mode: str = "stop", **at: CollisionEvent) -> Score:
    """A constant 5 m/s drive; keyword `x30=hit` puts a collision at x = 30."""
    states = []
    for index in range(round(until_x * 2) + 1):
        x = index * 0.5
        contact = at.get(f"x{x:.0f}") if x == round(x) else None
        contacts = (contact,) if contact else ()
        states.append(state_at(x=x, time_s=x / 5.0, collisions=contacts))
    return judge_trace(states, ROUTE, NoLanes(), collision_mode=mode)


def test_success_knows_every_radius_and_ends_at_five_metres() -> None:
    score = drive(104.0)
    assert score.outcome is Outcome.SUCCESS
    assert (score.reached_10m, score.reached_5m, score.reached_2m) == (True, True, True)
    assert score.distance_m == pytest.approx(95.0)
    assert score.duration_s == pytest.approx(19.0)
    assert score.driving_score == pytest.approx(100.0)


def test_collision_ends_the_episode_in_stop_mode_only() -> None:
    stopped = drive(104.0, x30=hit(x=30.0))
    assert stopped.outcome is Outcome.COLLISION
    assert stopped.distance_m == pytest.approx(30.0)
    assert stopped.driving_score == pytest.approx(30.0 * 0.6)
    went_on = drive(104.0, "continue", x30=hit(x=30.0), x60=hit(8, x=60.0))
    assert went_on.outcome is Outcome.COLLISION
    assert went_on.collisions[ActorKind.VEHICLE] == 2
    assert went_on.driving_score == pytest.approx(36.0)


def test_a_collision_behind_the_goal_is_not_scored() -> None:
    score = drive(104.0, x97=hit(x=97.0))
    assert score.outcome is Outcome.SUCCESS
    assert sum(score.collisions.values()) == 0


def test_stopping_four_metres_before_the_goal_is_success_without_two_metres() -> None:
    states = [state_at(x=i * 0.5, time_s=i / 10) for i in range(193)]
    states += [state_at(x=96.0, time_s=19.2 + i / 10, speed=0.0) for i in range(1, 80)]
    score = judge_trace(states, ROUTE, NoLanes())
    assert (score.outcome, score.reached_5m, score.reached_2m) == (Outcome.SUCCESS, True, False)
