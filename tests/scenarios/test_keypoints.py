"""Keypoints that are not quite where they should be."""

import math
from dataclasses import replace
from itertools import pairwise

import carla
import numpy as np
import pytest

from fusiondrive.errors import MapError
from fusiondrive.types import Command, Pose
from scenarios.route_files import load_routes
from scenarios.routes import RoutePlanner
from simulator.maps import load_town


def authored(name: str) -> carla.Map:
    return carla.Map(name, load_town(name).xodr)


@pytest.fixture(scope="module")
def planner() -> RoutePlanner:
    return RoutePlanner(authored("Town02"))


def on_lane(planner: RoutePlanner, first: Pose, *ahead_m: float) -> list[Pose]:
    """Keypoints on the straight street of the first; negative steps are behind it."""
    return [first, *(replace(first, x=first.x - step) for step in ahead_m)]


START = Pose(177.0, -2.0, yaw=-180.0)  # authored Town02: a street that runs west


@pytest.mark.parametrize("step_m", [0.3, 0.7, 2.0, 4.9])
def test_a_short_step_back_is_merged(planner: RoutePlanner, step_m: float) -> None:
    straight = planner.plan(on_lane(planner, START, 57.0), "0")
    stepping = planner.plan(on_lane(planner, START, 27.0, 27.0 - step_m, 57.0), "0")
    np.testing.assert_allclose(stepping.points, straight.points, atol=1e-6)
    assert not stepping.notes
    assert straight.planning == 1


def test_a_goal_that_steps_back_ends_the_route_there(planner: RoutePlanner) -> None:
    route = planner.plan(on_lane(planner, START, 30.0, 57.0, 56.0), "0")
    assert route.length_m == pytest.approx(56.0, abs=0.6)
    assert route.planning == 2


def test_equal_keypoints_change_nothing(planner: RoutePlanner) -> None:
    route = planner.plan(on_lane(planner, START, 0.0, 27.0, 27.0, 57.0, 57.0), "0")
    assert route.length_m == pytest.approx(57.0, abs=0.6)


def test_a_long_step_back_is_driven_round_the_block_with_a_note(planner: RoutePlanner) -> None:
    route = planner.plan(on_lane(planner, START, 27.0, 15.0, 57.0), "0")
    assert route.length_m > 300.0
    assert "from keypoint 1 to 2 it is 12.0 m, but" in route.notes[0]


def test_a_keypoint_on_the_other_side_of_the_road_is_noted(planner: RoutePlanner) -> None:
    points = on_lane(planner, START, 27.0, 57.0)
    points[1] = replace(points[1], y=2.0, yaw=0.0)
    route = planner.plan(points, "0")
    assert "on the other side of the road" in route.notes[0]


def test_a_height_far_off_is_noted_and_ignored(planner: RoutePlanner) -> None:
    points = on_lane(planner, START, 27.0, 57.0)
    points[1] = replace(points[1], z=500.0)
    route = planner.plan(points, "0")
    assert route.length_m == pytest.approx(57.0, abs=0.6)
    assert route.notes == ("keypoint 1 has z=500, 500 m off its lane: z was ignored",)


def test_a_route_within_its_goals_radius_is_refused(planner: RoutePlanner) -> None:
    for ahead_m in (0.0, 4.0, -4.0, 9.0):
        with pytest.raises(MapError, match="reached at once"):
            planner.plan(on_lane(planner, START, ahead_m), "0")


def pose_at(point: np.ndarray, yaw: float) -> Pose:
    x, y, z = (float(value) for value in point)
    return Pose(x, y, z, yaw=float(yaw))


def test_a_route_that_ends_within_a_turn_is_announced_as_the_turn() -> None:
    planner = RoutePlanner(authored("Town02"))
    (spec, *_) = load_routes("Town02", "authored")
    whole = planner.plan(spec.keypoints, "0")
    turns = np.flatnonzero(whole.in_junction & (whole.commands == Command.LEFT))
    first = int(turns[0])
    goal = first + 4  # little of the turn is driven
    assert whole.in_junction[first : goal + 1].all()
    end = pose_at(whole.points[goal], whole.yaws[goal])
    cut = planner.plan([spec.keypoints[0], end], "0")
    assert cut.commands[-1] == Command.LEFT


def test_a_keypoint_may_be_passed_on_the_lane_beside_where_its_own_leads_elsewhere() -> None:
    """Leaderboard routes put keypoints on lanes from which only a lane change leads on."""
    planner = RoutePlanner(authored("Town03"))
    graph = planner.graph
    lanes = [lane for lane, spans in enumerate(graph.spans) if graph.junctions[spans.first] < 0]
    for lane in lanes:
        road, section, number = graph.lanes[lane]
        beside = [m for m in graph.carriageways[(road, section, number > 0)] if m != lane]
        onward = [m for other in beside for m in graph.successors[other]]
        onward = [m for m in onward if m not in graph.successors[lane]]
        if not onward:
            continue
        first, last = graph.spans[lane]
        exits = graph.successors[onward[0]]
        nodes = (first + 2, last - 1, graph.spans[exits[0]].first + 5) if exits else ()
        poses = [pose_at(graph.points[n], graph.yaws[n]) for n in nodes]
        if len(poses) == 3 and last - first > 40:
            route = planner.plan(poses, "0")
            apart = sum(math.dist((a.x, a.y), (b.x, b.y)) for a, b in pairwise(poses))
            assert route.length_m < apart + 30.0
            assert route.planning == 2
            return
    pytest.fail("Town03 has no such lane")
