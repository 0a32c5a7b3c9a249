from typing import Any

import numpy as np
import pytest

from fusiondrive.types import (
    ActorKind,
    ActorState,
    Command,
    Control,
    EpisodeContext,
    LightState,
    Observation,
    Pose,
    Progress,
    Route,
    StopLine,
    WorldState,
)
from policies.corridor import HazardKind
from policies.expert import ExpertConfig, ExpertPolicy
from scenarios.tracker import RouteTracker

VIEW = Observation(np.zeros((3, 4, 3), dtype=np.uint8), 0.0, Command.FOLLOW, (10.0, 0.0))


def make_route(turn_radius_m: float | None = None) -> Route:
    """120 m east, or 60 m east, a right turn of a quarter circle, and 60 m south (y grows)."""
    straight = np.stack([np.arange(0.0, 60.0), np.zeros(60)], axis=1)
    if turn_radius_m is None:
        points = np.stack([np.arange(0.0, 120.0), np.zeros(120)], axis=1)
    else:
        angles = np.arange(0.0, np.pi / 2, 1.0 / turn_radius_m)
        arc = turn_radius_m * np.stack([np.sin(angles), 1 - np.cos(angles)], axis=1)
        after = np.stack([np.zeros(60), np.arange(1.0, 61.0)], axis=1)
        points = np.concatenate([straight, arc + np.array((60.0, 0.0))])
        points = np.concatenate([points, after + points[-1]])
    steps = np.diff(points, axis=0)
    yaws = np.rad2deg(np.arctan2(steps[:, 1], steps[:, 0]))
    count = len(points)
    return Route(
        route_id="r",
        points=np.concatenate([points, np.zeros((count, 1))], axis=1),
        yaws=np.append(yaws, yaws[-1]),
        commands=np.full(count, Command.FOLLOW, dtype=np.int8),
        in_junction=np.zeros(count, dtype=bool),
        lane_widths=np.full(count, 4.0),
        cumulative_m=np.concatenate([[0.0], np.cumsum(np.linalg.norm(steps, axis=1))]),
    )


def actor(x: float, y: float, *, walker: bool = False, velocity: float = 0.0) -> ActorState:
    kind = ActorKind.PEDESTRIAN if walker else ActorKind.VEHICLE
    extent = (0.2, 0.2, 0.9) if walker else (2.4, 1.0, 0.8)
    return ActorState(7, "x", kind, Pose(x, y), (0.0, velocity, 0.0), (0.0, 0.0, 0.8), extent)


class Bicycle:
    """Kinematic car, ten substeps a step; enough to close the loop without a server."""

    def __init__(self, route: Route) -> None:
        self.x, self.y = route.points[0, :2]
        self.yaw = float(np.deg2rad(route.yaws[0]))
        self.speed = 0.0

    def state(self) -> ActorState:
        velocity = (self.speed * np.cos(self.yaw), self.speed * np.sin(self.yaw), 0.0)
        pose = Pose(self.x, self.y, yaw=float(np.rad2deg(self.yaw)))
        center, extent = (0.0, 0.0, 0.7), (2.4, 1.0, 0.7)
        return ActorState(1, "ego", ActorKind.VEHICLE, pose, velocity, center, extent)

    def step(self, control: Control) -> None:
        for _ in range(10):
            accel = 4.5 * control.throttle * max(0.0, 1 - self.speed / 25) - 8 * control.brake
            self.speed = max(0.0, self.speed + accel * 0.01)
            rate = self.speed * np.tan(np.deg2rad(70) * control.steer) / 2.9
            self.yaw += rate * 0.01
            self.x += (self.speed * np.cos(self.yaw) - 1.45 * rate * np.sin(self.yaw)) * 0.01
            self.y += (self.speed * np.sin(self.yaw) + 1.45 * rate * np.cos(self.yaw)) * 0.01


def tracked(route: Route, ego: ActorState) -> Progress:
    return RouteTracker(route).advance(ego.pose.x, ego.pose.y)


def drive(route: Route, steps: int = 400, **world: object) -> list[ActorState]:
    """Drive until the goal is within 3 m; a list of the ego's states."""
    policy, car, states, tracker = ExpertPolicy(), Bicycle(route), [], RouteTracker(route)
    policy.reset(EpisodeContext("Town", route, seed=0))
    for frame in range(steps):
        states.append(car.state())
        if np.hypot(car.x - route.points[-1, 0], car.y - route.points[-1, 1]) < 3.0:
            break
        progress = tracker.advance(car.x, car.y)
        state = WorldState(frame, frame * 0.1, states[-1], progress=progress, **world)  # type: ignore[arg-type]
        car.step(policy.act(VIEW, state))
    return states


@pytest.mark.parametrize("radius_m", [5.0, 8.0, 20.0])
def test_turns_are_slow_and_stay_near_the_lane_centre(radius_m: float) -> None:
    route = make_route(radius_m)
    states = drive(route)
    places = np.array([(s.pose.x, s.pose.y) for s in states])
    gaps = np.linalg.norm(places[:, None] - route.points[None, :, :2], axis=2).min(axis=1)
    speeds = np.array([s.speed_mps for s in states])
    assert np.hypot(*(places[-1] - route.points[-1, :2])) < 3.0
    assert gaps.max() < 0.9  # to the nearest route point, which is up to 0.5 m off
    assert speeds.max() == pytest.approx(35 / 3.6, abs=0.8)
    turning = (places[:, 0] > 60) & (places[:, 1] < radius_m)
    assert np.median(speeds[turning]) < max(np.sqrt(2.0 * radius_m) + 0.8, 4.6)


@pytest.mark.parametrize(
    ("world", "stop_x"),
    [
        ({"vehicles": (actor(60.0, 0.3),)}, 60.0 - 2.4),
        ({"walkers": (actor(60.0, 0.8, walker=True),)}, 60.0),
        ({"stop_lines": (StopLine(3, 60.0, 0.0, 0.0, LightState.RED),)}, 60.0),
    ],
)
def test_stops_before_what_is_in_the_way(world: dict[str, Any], stop_x: float) -> None:
    last = drive(make_route(), **world)[-1]
    bumper = last.pose.x + 2.4
    assert last.speed_mps < 0.1
    assert stop_x - 6.0 < bumper < stop_x - 0.2


@pytest.mark.parametrize(
    "world",
    [
        {"vehicles": (actor(60.0, 3.5),)},  # on the next lane
        {"walkers": (actor(60.0, 3.2, walker=True),)},  # on the pavement
        {"stop_lines": (StopLine(3, 60.0, 0.0, 180.0, LightState.RED),)},  # for the other way
        {"stop_lines": (StopLine(3, 60.0, 0.0, 0.0, LightState.GREEN),)},
    ],
)
def test_does_not_stop_for_what_is_beside_the_way(world: dict[str, Any]) -> None:
    states = drive(make_route(), **world)
    assert states[-1].pose.x > 115.0
    assert min(s.speed_mps for s in states[40:-30]) > 7.0


def test_brakes_for_a_walker_who_steps_into_the_road() -> None:
    route, policy = make_route(), ExpertPolicy()
    policy.reset(EpisodeContext("Town", route, seed=0))
    ego = ActorState(
        1, "e", ActorKind.VEHICLE, Pose(10.0, 0.0), (9.0, 0.0, 0.0), (0.0, 0.0, 0.7), (2.4, 1, 0.7)
    )
    walker = actor(25.0, 3.5, walker=True, velocity=-1.5)
    state = WorldState(1, 0.1, ego, walkers=(walker,), progress=tracked(route, ego))
    control = policy.act(VIEW, state)
    assert control.brake > 0.2
    assert policy.hazard is not None
    assert policy.hazard.kind is HazardKind.WALKER


def test_the_speed_that_a_route_asks_for_is_driven_on_that_route_alone() -> None:
    route, policy = make_route(), ExpertPolicy()
    ego = actor(30.0, 0.0)

    def wanted_mps(speed_mps: float | None) -> float:
        policy.reset(EpisodeContext("Town", route, seed=0, speed_mps=speed_mps))
        policy.act(VIEW, WorldState(0, 0.0, ego, progress=tracked(route, ego)))
        return policy.wanted_mps

    assert wanted_mps(50.0 / 3.6) == pytest.approx(50.0 / 3.6)
    assert wanted_mps(None) == pytest.approx(35.0 / 3.6)


def test_lights_can_be_ignored() -> None:
    route, policy = make_route(), ExpertPolicy(ExpertConfig(obey_lights=False))
    policy.reset(EpisodeContext("Town", route, seed=0))
    line = StopLine(3, 10.0, 0.0, 0.0, LightState.RED)
    ego = Bicycle(route).state()
    state = WorldState(1, 0.1, ego, stop_lines=(line,), progress=tracked(route, ego))
    assert policy.act(VIEW, state).throttle > 0.3
