from collections.abc import Callable

import carla
import numpy as np
import pytest

from fusiondrive.errors import MapError
from fusiondrive.types import Command, Pose
from scenarios.route_files import DATA_DIR, load_routes, map_identity
from scenarios.routes import RoutePlanner
from scenarios.tracker import RouteTracker
from simulator.maps import load_town
from tests.conftest import shared_path


def official(town: str) -> carla.Map:
    return carla.Map(town, shared_path("maps", f"{town}.xodr").read_text())


@pytest.fixture(scope="module")
def town02() -> carla.Map:
    return official("Town02")


@pytest.fixture(scope="module")
def planner(town02: carla.Map) -> RoutePlanner:
    return RoutePlanner(town02)


def authored(name: str) -> carla.Map:
    return carla.Map(name, load_town(name).xodr)


@pytest.mark.parametrize("source", [official, authored])
@pytest.mark.parametrize("town", ["Town01", "Town02", "Town03"])
def test_ready_made_routes_are_dense_and_hold_every_command(
    town: str, source: Callable[[str], carla.Map]
) -> None:
    carla_map = source(town)
    planner = RoutePlanner(carla_map)
    specs = load_routes(town, map_identity(carla_map))
    commands: set[int] = set()
    for spec in specs:
        route = planner.plan(spec.keypoints, spec.route_id)
        steps = np.linalg.norm(np.diff(route.points, axis=0), axis=1)
        assert steps.max() < 1.2
        assert 150 <= route.length_m <= 800
        commands |= set(route.commands.tolist())
    assert len(specs) == (25 if town == "Town01" else 75)
    assert commands == {int(command) for command in Command}


def test_left_turn_heads_left_and_begins_before_the_junction(planner: RoutePlanner) -> None:
    # NEAT's Town02 route 0: from (165, 192) heading east, left into the road heading north
    start, goal = Pose(165.1, 191.63, yaw=0.0), Pose(193.68, 170.0, yaw=-90.0)
    route = planner.plan((start, goal), "left")
    first = int(np.argmax(route.in_junction))
    turning = route.commands == Command.LEFT
    assert turning[route.in_junction].all()
    assert 10 < route.cumulative_m[first] - route.cumulative_m[np.argmax(turning)] <= 18.5
    turned = (route.yaws[-1] - route.yaws[0] + 180) % 360 - 180
    assert turned == pytest.approx(-90, abs=3)


@pytest.mark.parametrize(
    ("start", "goal", "command"),
    [
        (Pose(175.0, -204.0, yaw=180.0), Pose(140.0, -201.0, yaw=180.0), Command.STRAIGHT),
        (Pose(77.0, -22.0, yaw=92.0), Pose(65.0, -7.0, yaw=180.0), Command.RIGHT),  # no other way
        (Pose(-80.0, 190.0, yaw=36.0), Pose(-40.0, 206.0, yaw=0.0), Command.FOLLOW),
    ],
)
def test_every_way_through_a_junction_is_announced_but_not_a_mere_bend(
    start: Pose, goal: Pose, command: Command
) -> None:
    route = RoutePlanner(official("Town03")).plan((start, goal), "through")
    inside = route.commands[route.in_junction]
    assert len(inside)
    assert set(inside.tolist()) == {int(command)}


def test_far_keypoint_is_named(planner: RoutePlanner) -> None:
    with pytest.raises(MapError, match=r"route 'r': keypoint 1 at \(900.0, 0.0\) is .* m from"):
        planner.plan((Pose(165.1, 191.63), Pose(900.0, 0.0)), "r")


def test_lane_change_is_a_smooth_shift_at_a_cost() -> None:
    planner = RoutePlanner(official("Town03"))
    (before, after), _ = max(
        planner.graph.changes.items(), key=lambda item: item[0][1] - planner.graph.spans[0].first
    )
    ends = [planner.graph.points[node] for node in (before, after)]
    yaw = float(planner.graph.yaws[before])
    poses = [Pose(float(x), float(y), float(z), yaw=yaw) for x, y, z in ends]
    route = planner.plan(poses, "change")
    assert planner.count_lane_changes(poses, "c") == 1
    assert np.linalg.norm(np.diff(route.points[:, :2], axis=0), axis=1).max() < 1.3
    assert route.length_m < 25


def test_tracker_walks_a_loop_once_and_never_jumps(planner: RoutePlanner) -> None:
    spec = load_routes("Town02", "carla")[0]
    there = planner.plan(spec.keypoints, "there")
    loop = planner.plan([*spec.keypoints, *spec.keypoints], "loop")
    tracker = RouteTracker(loop)
    seen = [tracker.advance(x, y).distance_m for x, y, _ in loop.points]
    assert np.diff(seen).min() >= 0
    assert np.diff(seen).max() < 2.5
    assert seen[-1] == pytest.approx(loop.length_m, abs=1.0)
    fresh = RouteTracker(loop)
    x, y, _ = there.points[-1]  # far along, and again later: neither may be jumped to
    assert fresh.advance(x, y).distance_m <= 15.0


def test_unknown_map_without_routes_is_an_error() -> None:
    with pytest.raises(MapError, match="no ready-made routes for Town99"):
        load_routes("Town99", "carla")
    assert list(DATA_DIR.glob("routes_Town02_carla.xml"))
