"""Candidates for routes: ways between two random places of a map, with what tells them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from fusiondrive.errors import MapError
from fusiondrive.geometry import wrap_degrees
from fusiondrive.types import Command, Pose, Route
from scenarios.routes import RoutePlanner
from scenarios.spec import RouteSpec

MIN_LENGTH_M = 150.0
MAX_LENGTH_M = 800.0
CLEARANCE_M = 14.0  # of start and goal from the nearest junction
CELL_M = 10.0
ATTEMPTS_PER_CANDIDATE = 40

Cell = tuple[int, int, int]  # place and rough heading


@dataclass(frozen=True)
class Candidate:
    """A possible route."""

    keypoints: tuple[Pose, ...]
    route: Route
    cells: frozenset[Cell]
    turns: Counter[int]  # junctions by Command


def draw_candidates(
    planner: RoutePlanner, rng: np.random.Generator, wanted: int
) -> list[Candidate]:
    """Draw candidates of 150 m to 800 m without a change of lane and with a junction at least.

    Raises:
        MapError: the map has no place for a start outside junctions.
    """
    graph = planner.graph
    junction_points = graph.points[graph.junctions >= 0, :2]
    ends = np.flatnonzero(graph.junctions < 0)
    if len(junction_points):
        gaps, _ = cKDTree(junction_points[::4]).query(graph.points[ends, :2])
        ends = ends[gaps > CLEARANCE_M]
    if len(ends) < 2:
        raise MapError(f"'{planner.name}': no place for a route's start outside junctions")
    found: list[Candidate] = []
    for _ in range(wanted * ATTEMPTS_PER_CANDIDATE):
        if len(found) == wanted:
            break
        start, goal = (int(node) for node in rng.choice(ends, size=2, replace=False))
        candidate = _candidate(planner, start, goal)
        if candidate is not None:
            found.append(candidate)
    return found


def candidate_of(route: Route, spec: RouteSpec) -> Candidate:
    """A route that is there already, as a candidate."""
    cells = frozenset(
        (int(x // CELL_M), int(y // CELL_M), int((yaw + 405.0) // 90.0) % 4)
        for (x, y, _), yaw in zip(route.points, route.yaws, strict=True)
    )
    changes = np.flatnonzero(np.diff(route.commands)) + 1
    firsts = np.concatenate(([0], changes))
    turns = Counter(int(command) for command in route.commands[firsts] if command != Command.FOLLOW)
    return Candidate(spec.keypoints, route, cells, turns)


def ground_gain(item: Candidate, covered: Mapping[Cell, int]) -> float:
    """How much ground a route adds: what is not yet covered, less what repeats.

    The ground counts as a share of the route, so that short and long routes are treated alike.
    """
    fresh = sum(1.0 if cell not in covered else -0.3 * covered[cell] for cell in item.cells)
    return fresh / len(item.cells)


def _candidate(planner: RoutePlanner, start: int, goal: int) -> Candidate | None:
    keypoints = (_pose_of(planner, start), _pose_of(planner, goal))
    try:
        route = planner.plan(keypoints, "candidate")
    except MapError:
        return None  # no way between the two on this map: draw another pair
    if not MIN_LENGTH_M <= route.length_m <= MAX_LENGTH_M:
        return None
    if planner.count_lane_changes(keypoints, "candidate"):
        return None  # the policies' commands have no lane change
    candidate = candidate_of(route, RouteSpec("candidate", planner.name, keypoints))
    return candidate if candidate.turns else None


def _pose_of(planner: RoutePlanner, node: int) -> Pose:
    x, y, z = (round(float(value), 3) for value in planner.graph.points[node])
    yaw = wrap_degrees(float(planner.graph.yaws[node]))
    return Pose(x, y, z, yaw=round(yaw, 3))
