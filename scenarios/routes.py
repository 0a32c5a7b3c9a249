"""Routes: from keypoints to a dense lane-centre path with commands, and progress along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import carla
import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra

from harness.errors import MapError
from harness.types import Command, Pose, Route
from scenarios.lane_graph import LaneGraph, build_lane_graph
from scenarios.route_files import RouteSpec, load_routes, map_digest, map_identity
from scenarios.tracker import Progress, RouteTracker

__all__ = [
    "Progress",
    "RoutePlanner",
    "RouteSpec",
    "RouteTracker",
    "load_routes",
    "map_digest",
    "map_identity",
]

SNAP_LIMIT_M = 3.0
SNAP_SPREAD_M = 1.0  # lanes this much farther than the nearest are candidates as well
TURN_THRESHOLD_DEG = 33.0
COMMAND_LEAD_M = 18.0
WRONG_WAY_DEG = 90.0


@dataclass(frozen=True)
class _Path:
    """A polyline with what is known at each point."""

    points: NDArray[np.float64]  # (M, 3)
    yaws: NDArray[np.float64]  # (M,) degrees, unwrapped
    widths: NDArray[np.float64]  # (M,)
    junctions: NDArray[np.int64]  # (M,)
    is_fork: NDArray[np.bool_]  # (M,) inside a junction in which someone has a choice


class RoutePlanner:
    """Shortest lane-following paths over the client's map; lane changes only where needed."""

    def __init__(self, carla_map: carla.Map, resolution_m: float = 1.0) -> None:
        self.name = str(carla_map.name)
        self.resolution_m = resolution_m
        self.graph: LaneGraph = build_lane_graph(carla_map, resolution_m)

    def plan(self, keypoints: Sequence[Pose], route_id: str) -> Route:
        """Join the keypoints in order along driving lanes.

        A keypoint's yaw picks among the lanes around it those that run within 90 degrees of it;
        where it is NaN, or no lane does (the Leaderboard itself ignores yaw), any lane fits.

        Raises:
            MapError: fewer than two keypoints, one too far from any lane, or no way between two.
        """
        if len(keypoints) < 2:
            raise MapError(f"route '{route_id}': needs at least 2 keypoints, has {len(keypoints)}")
        layers = [self._snap(pose, number, route_id) for number, pose in enumerate(keypoints)]
        nodes = self._join(layers, route_id)
        return self._to_route(self._trace(nodes), route_id)

    def count_lane_changes(self, keypoints: Sequence[Pose], route_id: str) -> int:
        """How many lane changes the shortest way through the keypoints needs."""
        layers = [self._snap(pose, number, route_id) for number, pose in enumerate(keypoints)]
        return sum(edge in self.graph.changes for edge in pairwise(self._join(layers, route_id)))

    def nearest_lane_distance_m(self, pose: Pose) -> float:
        """Distance from a pose to the nearest lane centre."""
        return float(self.graph.tree.query((pose.x, pose.y))[0])

    def _snap(self, pose: Pose, number: int, route_id: str) -> dict[int, float]:
        """Candidate nodes of a keypoint with their cost in metres."""
        graph = self.graph
        nearest = self.nearest_lane_distance_m(pose)
        where = f"route '{route_id}': keypoint {number} at ({pose.x:.1f}, {pose.y:.1f})"
        if not nearest <= SNAP_LIMIT_M:
            raise MapError(
                f"{where} is {nearest:.1f} m from the nearest driving lane of '{self.name}'; "
                f"at most {SNAP_LIMIT_M:.0f} m is accepted (is this route for another map?)"
            )
        best: dict[int, tuple[float, int]] = {}
        around = sorted(graph.tree.query_ball_point((pose.x, pose.y), SNAP_LIMIT_M + 1.0))
        turns = (graph.yaws[around] - pose.yaw + 180.0) % 360.0 - 180.0
        aligned = [n for n, turn in zip(around, turns, strict=True) if abs(turn) <= WRONG_WAY_DEG]
        for node in aligned or around:
            gap = float(np.hypot(*(graph.points[node, :2] - (pose.x, pose.y))))
            lane = int(graph.lane_of[node])
            if lane not in best or gap < best[lane][0]:
                best[lane] = (gap, node)
        limit = min(gap for gap, _ in best.values()) + SNAP_SPREAD_M
        return {node: gap * 3.0 for gap, node in best.values() if gap <= limit}

    def _join(self, layers: list[dict[int, float]], route_id: str) -> list[int]:
        """Cheapest node sequence through one candidate of every layer."""
        costs = {node: (cost, [node]) for node, cost in layers[0].items()}
        for number, layer in enumerate(layers[1:], start=1):
            sources = sorted(costs)
            lengths, parents = dijkstra(
                self.graph.weights, indices=sources, return_predecessors=True
            )
            reached: dict[int, tuple[float, list[int]]] = {}
            for target, snap_cost in layer.items():
                totals = [costs[s][0] + lengths[row, target] for row, s in enumerate(sources)]
                row = int(np.argmin(totals))
                if np.isfinite(totals[row]):
                    way = _walk_back(parents[row], sources[row], target)
                    path = costs[sources[row]][1] + way[1:]
                    reached[target] = (totals[row] + snap_cost, path)
            if not reached:
                raise MapError(
                    f"route '{route_id}': no way from keypoint {number - 1} to {number} "
                    f"along the lanes of '{self.name}'"
                )
            costs = reached
        return min(costs.values(), key=lambda item: item[0])[1]

    def _trace(self, nodes: list[int]) -> _Path:
        """Points of the node sequence, with lane changes as smooth shifts between the lanes."""
        graph = self.graph
        kept: list[int] = [nodes[0]]
        points: list[NDArray[np.float64]] = [graph.points[nodes[0]]]
        for before, after in pairwise(nodes):
            change = graph.changes.get((before, after))
            if change is None:
                kept.append(after)
                points.append(graph.points[after])
                continue
            start = graph.spans[change[1]].first + before - graph.spans[change[0]].first
            count = after - start
            for step in range(1, count + 1):
                share = step / count
                weight = share * share * (3.0 - 2.0 * share)
                blend = graph.points[before + step] * (1.0 - weight)
                points.append(blend + graph.points[start + step] * weight)
                kept.append(start + step)
        junctions = graph.junctions[kept]
        return _Path(
            points=np.asarray(points),
            yaws=np.rad2deg(np.unwrap(np.deg2rad(graph.yaws[kept]))),
            widths=graph.widths[kept],
            junctions=junctions,
            is_fork=np.isin(junctions, list(self._forks)),
        )

    def _exits(self, lane: int, junction: int) -> set[tuple[int, bool]]:
        """Roads and directions by which a carriageway, given by one of its lanes, leaves."""
        graph = self.graph
        frontier = list(self._carriageways[_carriageway(graph.lanes[lane])])
        exits: set[tuple[int, bool]] = set()
        seen: set[int] = set()
        while frontier:
            for after in graph.successors[frontier.pop()]:
                if after in seen:
                    continue
                seen.add(after)
                if graph.junctions[graph.spans[after].first] == junction:
                    frontier.append(after)
                else:
                    exits.add((graph.lanes[after][0], graph.lanes[after][2] > 0))
        return exits

    @cached_property
    def _carriageways(self) -> dict[tuple[int, int, bool], list[int]]:
        """Lanes side by side in one direction."""
        found: dict[tuple[int, int, bool], list[int]] = {}
        for index, key in enumerate(self.graph.lanes):
            found.setdefault(_carriageway(key), []).append(index)
        return found

    @cached_property
    def _forks(self) -> frozenset[int]:
        """Junctions in which someone has a choice; the others are mere bends."""
        graph = self.graph
        found: set[int] = set()
        for lane, afters in enumerate(graph.successors):
            here = int(graph.junctions[graph.spans[lane].first])
            for after in afters:
                junction = int(graph.junctions[graph.spans[after].first])
                enters = junction >= 0 and junction != here
                if enters and junction not in found and len(self._exits(lane, junction)) > 1:
                    found.add(junction)
        return frozenset(found)

    def _to_route(self, path: _Path, route_id: str) -> Route:
        steps = np.linalg.norm(np.diff(path.points, axis=0), axis=1)
        keep = np.concatenate(([True], steps > 1e-3))
        arc = np.concatenate(([0.0], np.cumsum(steps)))[keep]
        if arc[-1] < 2.0:
            raise MapError(f"route '{route_id}': start and goal are the same place")
        grid = np.linspace(0.0, arc[-1], max(2, round(arc[-1] / self.resolution_m) + 1))
        points = np.stack([np.interp(grid, arc, path.points[keep, i]) for i in range(3)], axis=1)
        nearest = np.clip(np.searchsorted(arc, grid - 0.5 * self.resolution_m), 0, len(arc) - 1)
        yaws = np.interp(grid, arc, path.yaws[keep])
        junctions = path.junctions[keep][nearest]
        commands = _commands(grid, yaws, junctions, path.is_fork[keep][nearest])
        return Route(
            route_id=route_id,
            points=points,
            yaws=(yaws + 180.0) % 360.0 - 180.0,
            commands=commands,
            in_junction=junctions >= 0,
            lane_widths=path.widths[keep][nearest],
            cumulative_m=grid,
        )


def _carriageway(lane: tuple[int, int, int]) -> tuple[int, int, bool]:
    """Road, section and direction of a lane."""
    return lane[0], lane[1], lane[2] > 0


def _walk_back(parents: NDArray[np.int32], source: int, target: int) -> list[int]:
    way = [target]
    while way[-1] != source:
        way.append(int(parents[way[-1]]))
    return way[::-1]


def _commands(
    arc: NDArray[np.float64],
    yaws: NDArray[np.float64],
    junctions: NDArray[np.int64],
    is_fork: NDArray[np.bool_],
) -> NDArray[np.int8]:
    """A command from `COMMAND_LEAD_M` before each junction to its end; `FOLLOW` elsewhere.

    A junction with one way out for everybody is a bend of the street. In any other each way is
    announced, also that of traffic which has no choice, as CARLA's own planner does.
    """
    commands = np.full(len(arc), Command.FOLLOW, dtype=np.int8)
    free_from_m = 0.0
    for first, last in _runs(junctions):
        turn = yaws[min(last + 1, len(yaws) - 1)] - yaws[max(first - 1, 0)]
        if not is_fork[first]:
            continue
        command = Command.STRAIGHT
        if abs(turn) > TURN_THRESHOLD_DEG:
            command = Command.RIGHT if turn > 0 else Command.LEFT
        begin_m = max(arc[first] - COMMAND_LEAD_M, free_from_m)
        commands[(arc >= begin_m) & (arc <= arc[last])] = command
        free_from_m = float(arc[last]) + 1e-6
    return commands


def _runs(junctions: NDArray[np.int64]) -> list[tuple[int, int]]:
    """First and last index of every stretch inside one junction."""
    runs: list[tuple[int, int]] = []
    for index, junction in enumerate(junctions):
        if junction < 0:
            continue
        if runs and runs[-1][1] == index - 1 and junctions[index - 1] == junction:
            runs[-1] = (runs[-1][0], index)
        else:
            runs.append((index, index))
    return runs
