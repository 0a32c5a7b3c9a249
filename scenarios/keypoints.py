"""Joins a route's keypoints along the lanes: which lane each is on, and the way between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra

from fusiondrive.errors import MapError
from fusiondrive.geometry import wrap_degrees
from fusiondrive.types import Pose
from scenarios.lane_graph import LaneGraph, carriageway

SNAP_LIMIT_M = 3.0
SNAP_SPREAD_M = 1.0  # lanes this much farther than the nearest are candidates as well
SNAP_COST = 3.0  # metres of way that a metre beside the keypoint may save
STOREY_M = 4.0  # lanes this close to a keypoint's height are preferred, as on and under a bridge
WRONG_HEIGHT_M = 30.0  # from here on the height is worth a word
# Rounded keypoints step back a little along their lane; up to here they are taken as passed
# instead of being reached round the block.
STEP_BACK_M = 5.0
# What it costs to pass a keypoint on a lane beside its own, where its own leads elsewhere.
BESIDE_COST_M = 100.0
# A way is implausible that is this many times as long as its keypoints are apart, and this much.
DETOUR_RATIO, DETOUR_SLACK_M = 3.0, 100.0
WRONG_WAY_DEG = 90.0


class Way(NamedTuple):
    """A way from the first keypoint through those that have been joined so far."""

    cost: float  # m
    nodes: tuple[int, ...]
    marks: tuple[int, ...]  # index in `nodes` of each keypoint
    is_eased: bool = False  # a keypoint stepped back or was passed on the lane beside


class KeypointJoiner:
    """Finds the cheapest way through the keypoints of a route.

    A keypoint's yaw picks among the lanes around it those that run within 90 degrees of it; where
    it is NaN, or no lane does (the Leaderboard itself ignores yaw), any lane fits. A keypoint at
    most `STEP_BACK_M` behind its predecessor on one lane counts as passed. One between start and
    goal may be passed on a lane beside its own, as the Leaderboard's planner changes lanes
    anywhere, where this saves more than `BESIDE_COST_M`.
    """

    def __init__(self, graph: LaneGraph, name: str) -> None:
        """Join keypoints on this graph; errors call its map by this name."""
        self._graph = graph
        self._name = name

    def join(self, keypoints: Sequence[Pose], route_id: str) -> Way:
        """Find the way from the first keypoint to the last.

        Raises:
            MapError: fewer than two keypoints, one too far from any lane, or no way between two.
        """
        if len(keypoints) < 2:
            raise MapError(f"route '{route_id}': needs at least 2 keypoints, has {len(keypoints)}")
        layers = [self._snap(pose, number, route_id) for number, pose in enumerate(keypoints)]
        wider = [
            self._beside(pose, layer) | layer
            for pose, layer in zip(keypoints[1:-1], layers[1:-1], strict=True)
        ]
        way = self._join([layers[0], *wider, layers[-1]], route_id)
        is_exact = all(
            way.nodes[mark] in layer for mark, layer in zip(way.marks, layers, strict=True)
        )
        return way._replace(is_eased=not is_exact)

    def _beside(self, pose: Pose, layer: dict[int, float]) -> dict[int, float]:
        """Find the nodes beside a keypoint's candidates, on other lanes of their direction."""
        graph = self._graph
        own = {int(graph.lane_of[node]) for node in layer}
        ways = {carriageway(graph.lanes[lane]) for lane in own}
        cost = min(layer.values()) + BESIDE_COST_M
        nodes: dict[int, float] = {}
        for lane in {lane for way in ways for lane in self._graph.carriageways[way]} - own:
            first, last = graph.spans[lane]
            gaps = np.linalg.norm(graph.points[first : last + 1, :2] - (pose.x, pose.y), axis=1)
            nodes[first + int(np.argmin(gaps))] = cost
        return nodes

    def _snap(self, pose: Pose, number: int, route_id: str) -> dict[int, float]:
        """Find the nodes that a keypoint may mean, with their costs in metres."""
        graph = self._graph
        nearest = float(graph.tree.query((pose.x, pose.y))[0])
        where = f"route '{route_id}': keypoint {number} at ({pose.x:.1f}, {pose.y:.1f})"
        if not nearest <= SNAP_LIMIT_M:
            raise MapError(
                f"{where} is {nearest:.1f} m from the nearest driving lane of '{self._name}'; "
                f"at most {SNAP_LIMIT_M:.0f} m is accepted (is this route for another map?)"
            )
        best: dict[int, tuple[float, int]] = {}
        around = sorted(graph.tree.query_ball_point((pose.x, pose.y), SNAP_LIMIT_M + 1.0))
        level = [n for n in around if abs(graph.points[n, 2] - pose.z) <= STOREY_M]
        around = level or around
        turns = wrap_degrees(graph.yaws[around] - pose.yaw)
        aligned = [n for n, turn in zip(around, turns, strict=True) if abs(turn) <= WRONG_WAY_DEG]
        for node in aligned or around:
            gap = float(np.hypot(*(graph.points[node, :2] - (pose.x, pose.y))))
            lane = int(graph.lane_of[node])
            if lane not in best or gap < best[lane][0]:
                best[lane] = (gap, node)
        limit = min(gap for gap, _ in best.values()) + SNAP_SPREAD_M
        return {node: gap * SNAP_COST for gap, node in best.values() if gap <= limit}

    def _join(self, layers: list[dict[int, float]], route_id: str) -> Way:
        """Find the cheapest way through one candidate of every keypoint."""
        ways = {node: Way(cost, (node,), (0,)) for node, cost in layers[0].items()}
        for number, layer in enumerate(layers[1:], start=1):
            reached = self._advance(ways, layer)
            for node, way in self._stay(ways, layer, is_goal=number == len(layers) - 1).items():
                if node not in reached or way.cost < reached[node].cost:
                    reached[node] = way
            if not reached:
                raise MapError(
                    f"route '{route_id}': no way from keypoint {number - 1} to {number} "
                    f"along the lanes of '{self._name}'"
                )
            ways = reached
        return min(ways.values(), key=lambda way: way.cost)

    def _advance(self, ways: dict[int, Way], layer: dict[int, float]) -> dict[int, Way]:
        """Extend the ways to the candidates of the next keypoint."""
        sources = sorted(ways)
        lengths, parents = dijkstra(self._graph.weights, indices=sources, return_predecessors=True)
        reached: dict[int, Way] = {}
        for target, snap_cost in layer.items():
            totals = [ways[s].cost + lengths[row, target] for row, s in enumerate(sources)]
            row = int(np.argmin(totals))
            if np.isfinite(totals[row]):
                before = ways[sources[row]]
                nodes = (*before.nodes, *_walk_back(parents[row], sources[row], target)[1:])
                marks = (*before.marks, len(nodes) - 1)
                reached[target] = Way(totals[row] + snap_cost, nodes, marks)
        return reached

    def _stay(
        self, ways: dict[int, Way], layer: dict[int, float], *, is_goal: bool
    ) -> dict[int, Way]:
        """Keep the ways that have passed the next keypoint already, because it steps back a little.

        A goal that does so ends the way there; what it misses costs as much as in snapping.
        """
        points = self._graph.points[:, :2]
        kept: dict[int, Way] = {}
        for target, snap_cost in layer.items():
            near = [n for n in ways if np.linalg.norm(points[n] - points[target]) <= STEP_BACK_M]
            if not near:
                continue
            lengths = dijkstra(self._graph.weights, indices=target, limit=STEP_BACK_M)
            for node in near:
                if not 0.0 < lengths[node] <= STEP_BACK_M:
                    continue
                way = ways[node]
                nodes = way.nodes
                if is_goal and target in nodes[1:]:
                    nodes = nodes[: len(nodes) - nodes[::-1].index(target)]
                cost = way.cost + SNAP_COST * float(lengths[node]) + snap_cost
                marks = tuple(min(mark, len(nodes) - 1) for mark in (*way.marks, way.marks[-1]))
                if node not in kept or cost < kept[node].cost:
                    kept[node] = Way(cost, nodes, marks)
        return kept


def implausible(graph: LaneGraph, keypoints: Sequence[Pose], way: Way) -> tuple[str, ...]:
    """Notes on a way that is hardly the one that was meant; empty where nothing is odd."""
    return (*_heights(graph, keypoints, way), *_detours(graph, keypoints, way))


def _heights(graph: LaneGraph, keypoints: Sequence[Pose], way: Way) -> list[str]:
    """Note on keypoints whose height is not that of any lane there."""
    gaps = [
        (abs(float(graph.points[way.nodes[mark], 2]) - pose.z), number, pose.z)
        for number, (pose, mark) in enumerate(zip(keypoints, way.marks, strict=True))
        if pose.z != 0.0  # files without heights say 0
    ]
    gap_m, number, z = max(gaps, default=(0.0, 0, 0.0))
    if gap_m <= WRONG_HEIGHT_M:
        return []
    return [f"keypoint {number} has z={z:g}, {gap_m:.0f} m off its lane: z was ignored"]


def _detours(graph: LaneGraph, keypoints: Sequence[Pose], way: Way) -> list[str]:
    """Note on ways that are implausibly long for the distance between their keypoints."""
    steps = np.linalg.norm(np.diff(graph.points[list(way.nodes)], axis=0), axis=1)
    arc = np.concatenate(([0.0], np.cumsum(steps)))[list(way.marks)]
    places = np.array([(pose.x, pose.y) for pose in keypoints])
    apart = np.linalg.norm(np.diff(places, axis=0), axis=1)
    excess = np.diff(arc) - (DETOUR_RATIO * apart + DETOUR_SLACK_M)
    found = np.flatnonzero(excess > 0.0)
    if not len(found):
        return []
    leg = int(found[np.argmax(excess[found])])
    others = f" and {len(found) - 1} more such" if len(found) > 1 else ""
    return [
        f"from keypoint {leg} to {leg + 1} it is {apart[leg]:.1f} m, but {np.diff(arc)[leg]:.0f} m "
        f"along the lanes{others}: is keypoint {leg + 1} behind the other, on the other side "
        "of the road, or in a one-way street?"
    ]


def _walk_back(parents: NDArray[np.int32], source: int, target: int) -> list[int]:
    way = [target]
    while way[-1] != source:
        way.append(int(parents[way[-1]]))
    return way[::-1]
