"""The client's map as a directed graph of lane-centre points about 1 m apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import carla
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

from fusiondrive.carla_types import pose_of
from fusiondrive.errors import MapError

LANE_CHANGE_LENGTH_M = 20.0
LANE_CHANGE_MIN_LENGTH_M = 8.0
LANE_CHANGE_COST_M = 40.0  # added to the length, so that a change is made only where it is needed
LANE_CHANGE_SPACING_M = 4.0

LaneKey = tuple[int, int, int]  # road, section, lane


class LaneSpan(NamedTuple):
    """The nodes `first .. last` (inclusive) of one lane, in driving order."""

    first: int
    last: int


@dataclass(frozen=True)
class LaneGraph:
    """A directed graph of lane-centre points; the weights of its edges are metres."""

    points: NDArray[np.float64]  # (N, 3) m
    yaws: NDArray[np.float64]  # (N,) degrees
    widths: NDArray[np.float64]  # (N,) m
    junctions: NDArray[np.int64]  # (N,) junction id, -1 outside
    lane_of: NDArray[np.int64]  # (N,) index into `lanes`
    lanes: tuple[LaneKey, ...]
    spans: tuple[LaneSpan, ...]
    successors: tuple[tuple[int, ...], ...]  # lane index -> lane indices
    changes: dict[tuple[int, int], tuple[int, int]]  # edge -> (lane before, lane after)
    weights: csr_matrix  # (N, N)
    tree: cKDTree  # over points[:, :2]

    @cached_property
    def carriageways(self) -> dict[tuple[int, int, bool], list[int]]:
        """Indices of the lanes that lie side by side in one direction, by carriageway."""
        found: dict[tuple[int, int, bool], list[int]] = {}
        for index, key in enumerate(self.lanes):
            found.setdefault(carriageway(key), []).append(index)
        return found


def carriageway(lane: LaneKey) -> tuple[int, int, bool]:
    """The carriageway of a lane: its road, its section and whether its lane id is positive."""
    return lane[0], lane[1], lane[2] > 0


def build_lane_graph(carla_map: carla.Map, resolution_m: float = 1.0) -> LaneGraph:
    """Sample every driving lane and connect lanes as `get_topology` says.

    Args:
        carla_map: the client's map.
        resolution_m: distance between the points of a lane in metres.

    Raises:
        MapError: the map has no driving lanes.
    """
    starts, links = _lane_starts(carla_map)
    if not starts:
        raise MapError(f"map '{carla_map.name}' has no driving lanes")
    lanes = tuple(starts)
    index_of = {lane: index for index, lane in enumerate(lanes)}
    rows: list[tuple[float, float, float, float, float, int, int]] = []
    spans: list[LaneSpan] = []
    for lane_index, lane in enumerate(lanes):
        first = len(rows)
        rows.extend(_lane_rows(starts[lane], resolution_m, lane_index))
        spans.append(LaneSpan(first, len(rows) - 1))
    table = np.asarray(rows, dtype=np.float64)
    successors = tuple(
        tuple(sorted(index_of[after] for after in links.get(lane, set()))) for lane in lanes
    )
    neighbours = _neighbours(starts, index_of)
    changes = _lane_changes(spans, neighbours, table, resolution_m)
    return LaneGraph(
        points=table[:, :3].copy(),
        yaws=table[:, 3].copy(),
        widths=table[:, 4].copy(),
        junctions=table[:, 5].astype(np.int64),
        lane_of=table[:, 6].astype(np.int64),
        lanes=lanes,
        spans=tuple(spans),
        successors=successors,
        changes=changes,
        weights=_weights(table, spans, successors, changes),
        tree=cKDTree(table[:, :2]),
    )


def _lane_key(waypoint: carla.Waypoint) -> LaneKey:
    return (waypoint.road_id, waypoint.section_id, waypoint.lane_id)


def _lane_starts(
    carla_map: carla.Map,
) -> tuple[dict[LaneKey, carla.Waypoint], dict[LaneKey, set[LaneKey]]]:
    """First waypoint of every lane and the lanes that follow it, from pairs of lane starts."""
    starts: dict[LaneKey, carla.Waypoint] = {}
    links: dict[LaneKey, set[LaneKey]] = {}
    for before, after in carla_map.get_topology():
        starts.setdefault(_lane_key(before), before)
        starts.setdefault(_lane_key(after), after)
        links.setdefault(_lane_key(before), set()).add(_lane_key(after))
    return {key: starts[key] for key in sorted(starts)}, links


def _walk_lane(start: carla.Waypoint, resolution_m: float) -> Iterator[carla.Waypoint]:
    """Waypoints of one lane of one section, without the later ones of `next_until_lane_end`."""
    lane = _lane_key(start)
    yield start
    while True:
        following = [w for w in start.next(resolution_m) if _lane_key(w) == lane]
        if not following:
            return
        start = following[0]
        yield start


def _lane_rows(
    start: carla.Waypoint, resolution_m: float, lane_index: int
) -> list[tuple[float, float, float, float, float, int, int]]:
    rows = []
    last: tuple[float, float] | None = None
    for waypoint in _walk_lane(start, resolution_m):
        pose = pose_of(waypoint.transform)
        if last is not None and np.hypot(pose.x - last[0], pose.y - last[1]) < 0.05:
            continue
        last = (pose.x, pose.y)
        junction = waypoint.junction_id if waypoint.is_junction else -1
        rows.append((pose.x, pose.y, pose.z, pose.yaw, waypoint.lane_width, junction, lane_index))
    return rows


def _neighbours(
    starts: dict[LaneKey, carla.Waypoint], index_of: dict[LaneKey, int]
) -> list[tuple[int, int]]:
    """Pairs of lanes that lie side by side in the same driving direction, outside junctions."""
    pairs: list[tuple[int, int]] = []
    for lane, waypoint in starts.items():
        if waypoint.is_junction:
            continue
        for beside in (waypoint.get_left_lane(), waypoint.get_right_lane()):
            if beside is None or beside.lane_type != carla.LaneType.Driving:
                continue
            if beside.lane_id * waypoint.lane_id > 0 and _lane_key(beside) in index_of:
                pairs.append((index_of[lane], index_of[_lane_key(beside)]))
    return pairs


def _lane_changes(
    spans: list[LaneSpan],
    neighbours: list[tuple[int, int]],
    table: NDArray[np.float64],
    resolution_m: float,
) -> dict[tuple[int, int], tuple[int, int]]:
    """Edges that leave one lane and arrive further along its neighbour.

    The lanes of a section share the coordinate s, which tells how far along the neighbour.
    """
    changes: dict[tuple[int, int], tuple[int, int]] = {}
    longest = round(LANE_CHANGE_LENGTH_M / resolution_m)
    shortest = round(LANE_CHANGE_MIN_LENGTH_M / resolution_m)
    spacing = max(1, round(LANE_CHANGE_SPACING_M / resolution_m))
    for before, after in neighbours:
        count = min(
            spans[before].last - spans[before].first, spans[after].last - spans[after].first
        )
        for offset in range(0, count - shortest + 1, spacing):
            arrival = min(offset + longest, count)
            edge = (spans[before].first + offset, spans[after].first + arrival)
            if table[edge[1], 4] > 2.0 and table[edge[0], 4] > 2.0:
                changes[edge] = (before, after)
    return changes


def _weights(
    table: NDArray[np.float64],
    spans: list[LaneSpan],
    successors: tuple[tuple[int, ...], ...],
    changes: dict[tuple[int, int], tuple[int, int]],
) -> csr_matrix:
    sources: list[int] = []
    targets: list[int] = []
    for lane, span in enumerate(spans):
        sources.extend(range(span.first, span.last))
        targets.extend(range(span.first + 1, span.last + 1))
        for after in successors[lane]:
            sources.append(span.last)
            targets.append(spans[after].first)
    extra = [0.0] * len(sources) + [LANE_CHANGE_COST_M] * len(changes)
    sources.extend(edge[0] for edge in changes)
    targets.extend(edge[1] for edge in changes)
    gaps = np.linalg.norm(table[targets, :3] - table[sources, :3], axis=1)
    lengths = np.maximum(gaps, 1e-3) + np.asarray(extra)
    return csr_matrix((lengths, (sources, targets)), shape=(len(table), len(table)))
