"""Routes: from keypoints to a dense lane-centre path with commands, and progress along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import carla
import numpy as np
from numpy.typing import NDArray

from fusiondrive.errors import MapError
from fusiondrive.geometry import unwrapped_degrees, wrap_degrees
from fusiondrive.types import Command, Pose, Route
from scenarios.keypoints import KeypointJoiner, implausible
from scenarios.lane_graph import LaneGraph, build_lane_graph, carriageway

MIN_LENGTH_M = 10.0  # a shorter route would begin within a radius of its goal
TURN_THRESHOLD_DEG = 33.0
COMMAND_LEAD_M = 18.0


@dataclass(frozen=True)
class _Path:
    """A polyline with heading, lane width and junction at each point."""

    points: NDArray[np.float64]  # (M, 3)
    yaws: NDArray[np.float64]  # (M,) degrees, unwrapped
    widths: NDArray[np.float64]  # (M,)
    junctions: NDArray[np.int64]  # (M,)
    is_fork: NDArray[np.bool_]  # (M,) inside a junction in which someone has a choice
    ends: tuple[float, float]  # degrees, heading where the first lane begins and the last ends


class RoutePlanner:
    """Plans shortest lane-following paths over the client's map, with few lane changes."""

    def __init__(self, carla_map: carla.Map, resolution_m: float = 1.0) -> None:
        self.name = str(carla_map.name)
        self.resolution_m = resolution_m
        self.graph: LaneGraph = build_lane_graph(carla_map, resolution_m)
        self._joiner = KeypointJoiner(self.graph, self.name)

    def plan(self, keypoints: Sequence[Pose], route_id: str) -> Route:
        """Join the keypoints in order along driving lanes, as `KeypointJoiner` says.

        Raises:
            MapError: fewer than two keypoints, one too far from any lane, or no way between two.
        """
        way = self._joiner.join(keypoints, route_id)
        notes = implausible(self.graph, keypoints, way)
        route = self._to_route(self._trace(way.nodes), route_id)
        ends_in_junction = bool(route.in_junction[0] or route.in_junction[-1])
        planning = 2 if way.is_eased or ends_in_junction else 1
        return replace(route, notes=notes, planning=planning)

    def count_lane_changes(self, keypoints: Sequence[Pose], route_id: str) -> int:
        """Count the lane changes that the shortest way through the keypoints needs."""
        nodes = self._joiner.join(keypoints, route_id).nodes
        return sum(edge in self.graph.changes for edge in pairwise(nodes))

    def _trace(self, nodes: Sequence[int]) -> _Path:
        """Path along a sequence of nodes; a lane change is a smooth shift between the lanes."""
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
        yaws = np.rad2deg(np.unwrap(np.deg2rad(graph.yaws[kept])))
        begin = graph.yaws[graph.spans[int(graph.lane_of[kept[0]])].first]
        end = graph.yaws[graph.spans[int(graph.lane_of[kept[-1]])].last]
        return _Path(
            points=np.asarray(points),
            yaws=yaws,
            widths=graph.widths[kept],
            junctions=junctions,
            is_fork=np.isin(junctions, list(self._forks)),
            ends=(unwrapped_degrees(begin, yaws[0]), unwrapped_degrees(end, yaws[-1])),
        )

    def _exits(self, lane: int, junction: int) -> set[tuple[int, bool]]:
        """Roads and directions by which a carriageway, named by one lane, leaves a junction."""
        graph = self.graph
        frontier = list(graph.carriageways[carriageway(graph.lanes[lane])])
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
    def _forks(self) -> frozenset[int]:
        """Junctions in which at least one way in has several ways out; others are mere bends."""
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
        if arc[-1] < MIN_LENGTH_M:
            raise MapError(
                f"route '{route_id}': its goal is {arc[-1]:.1f} m from its start, where it would "
                f"count as reached at once; give {MIN_LENGTH_M:.0f} m or more (a round trip needs "
                "keypoints on the way)"
            )
        grid = np.linspace(0.0, arc[-1], max(2, round(arc[-1] / self.resolution_m) + 1))
        points = np.stack([np.interp(grid, arc, path.points[keep, i]) for i in range(3)], axis=1)
        nearest = np.clip(np.searchsorted(arc, grid - 0.5 * self.resolution_m), 0, len(arc) - 1)
        yaws = np.interp(grid, arc, path.yaws[keep])
        junctions = path.junctions[keep][nearest]
        commands = _commands(grid, yaws, junctions, path.is_fork[keep][nearest], path.ends)
        return Route(
            route_id=route_id,
            points=points,
            yaws=wrap_degrees(yaws),
            commands=commands,
            in_junction=junctions >= 0,
            lane_widths=path.widths[keep][nearest],
            cumulative_m=grid,
        )


def _commands(
    arc: NDArray[np.float64],
    yaws: NDArray[np.float64],
    junctions: NDArray[np.int64],
    is_fork: NDArray[np.bool_],
    ends: tuple[float, float],
) -> NDArray[np.int8]:
    """Commands along a route: a turn's from `COMMAND_LEAD_M` before a junction to its end.

    Elsewhere the command is `FOLLOW`. A junction with one way out for everybody is a bend of the
    street. In any other junction each way is announced, also that of traffic which has no choice,
    as CARLA's own planner does. Where a route begins or ends inside a junction, its lane's heading
    at that end (`ends`) tells the turn.

    Args:
        arc: distance along the route in metres, (N,).
        yaws: continuous headings in degrees, (N,).
        junctions: junction id of each point, -1 outside, (N,).
        is_fork: whether the point's junction offers a choice, (N,).
        ends: heading of the first lane's beginning and of the last lane's end, in degrees.
    """
    commands = np.full(len(arc), Command.FOLLOW, dtype=np.int8)
    free_from_m = 0.0
    for first, last in _runs(junctions):
        after = yaws[last + 1] if last + 1 < len(yaws) else ends[1]
        turn = after - (yaws[first - 1] if first > 0 else ends[0])
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
    """First and last index of every stretch of the route inside one junction."""
    runs: list[tuple[int, int]] = []
    for index, junction in enumerate(junctions):
        if junction < 0:
            continue
        if runs and runs[-1][1] == index - 1 and junctions[index - 1] == junction:
            runs[-1] = (runs[-1][0], index)
        else:
            runs.append((index, index))
    return runs
