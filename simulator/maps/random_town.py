"""Towns made from a seed: a ring of streets around a bent grid with some of its streets left out.

Every number is drawn with `random.Random.random`, the one method whose sequence Python promises
to keep, so that a seed gives the same town everywhere.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, pairwise

import networkx as nx

from simulator.maps.layout import Crossing, Layout, Profile, Street

PREFIX = "random:"
MAX_SEED = 2**31 - 1

_COLUMNS = (4, 6)
_ROWS = (4, 5)
_BLOCK_M = (72.0, 118.0)
_JITTER_M = 7.0  # of inner crossings, either way
_REMOVED = (0.15, 0.4)  # share of the inner streets
_LIT = 0.7  # share of the crossings with lights where no avenue passes
_WIDE_LIT = 0.75  # and where one does
_CORNER_ROOM_M = 0.5  # of pavement between two streets of a crossing, at least
_REACH_M = (8.0, 14.0)  # of crossings: CARLA's have 7.5 (Town02) to 11 (Town01, Town03)
_WIDE_REACH_M = (11.0, 18.0)
_CORNER_M = (10.0, 28.0)  # radius of corners
_WIDE_CORNER_M = (30.0, 42.0)
_BEND = 0.35  # share of the long inner streets that swing out
_BEND_FROM_M = 115.0  # shorter ones would begin to swing inside of a crossing
_RING_RADIUS_M = 24.0
_RING_REACH_M = 13.0
_QUAY_M = (55.0, 85.0)  # from the ring out to the street outside of it
_ROUNDABOUT = 0.6  # share of the towns that have one, where a crossing fits
_HILLY = 0.6
_HILL_M = 6.0
_GRADE = 0.04  # mean of the steepest street; its middle is half as steep again

_LANE = Profile((3.5,), (3.5,), 2.5, 2.5, 30)
_NARROW = Profile((3.25,), (3.25,), 2.0, 2.0, 30)
_STREET = Profile((4.0,), (4.0,), 3.0, 3.0, 40)
_AVENUE = Profile((3.5, 3.5), (3.5, 3.5), 3.0, 3.0, 50, centre="solid solid")
_MAIN = Profile((4.0,), (4.0,), 3.0, 3.0, 50)
_BOULEVARD = Profile((3.75, 3.75), (3.75, 3.75), 3.0, 3.0, 60, centre="solid solid")
_CIRCLE = Profile((5.0,), (), 3.0, 0.0, 30, centre="none")
# as in CARLA's Town03: a lane of parked cars, a hard shoulder, a lane in the middle for left turns
_PARKED = Profile((3.5,), (3.5,), 2.0, 2.0, 40, shoulder_m=0.6, parking_m=3.5)
_PARKED_AVENUE = Profile(
    (3.5, 3.5), (3.5, 3.5), 2.0, 2.0, 50, "solid solid", shoulder_m=0.6, parking_m=3.5
)
_SHOULDERED = Profile((3.5, 3.5), (3.5, 3.5), 2.0, 2.0, 60, "solid solid", shoulder_m=3.1)
_TURNING = Profile(
    (3.5, 3.5), (3.5, 3.5), 2.0, 2.0, 60, "broken solid", shoulder_m=2.5, turning_m=3.5
)
_INNER = (_LANE, _STREET, _NARROW, _PARKED, _AVENUE, _PARKED_AVENUE, _TURNING)
_OUTER = (_MAIN, _PARKED, _BOULEVARD, _SHOULDERED, _TURNING)

_SIDES = {(1, 0): "east", (0, 1): "north", (-1, 0): "west", (0, -1): "south"}

Node = tuple[int, int]  # column, row
Point = tuple[float, float]  # m


class SeedError(ValueError):
    """A name starts like that of a random town and is none."""


def seed_of(name: str) -> int | None:
    """The seed of `random:SEED`, or None for another kind of name.

    Raises:
        SeedError: what follows the colon is not a seed.
    """
    if not name.startswith(PREFIX):
        return None
    text = name.removeprefix(PREFIX)
    if not re.fullmatch(r"0|[1-9][0-9]{0,9}", text) or int(text) > MAX_SEED:
        raise SeedError(
            f"unknown town {name!r}; expected {PREFIX}SEED with a whole number from 0 to {MAX_SEED}"
        )
    return int(text)


def random_town(seed: int) -> Layout:
    """A town of two-lane streets and some avenues; the same one for the same seed."""
    dice = _Dice(seed)
    grid = _draw_grid(dice)
    names, circle = _roundabout(grid, dice)
    streets = [_street(chain, grid, names, dice) for chain in _chains(grid.network)]
    crossings = _crossings(grid, names, _heights(grid, dice), dice)
    return Layout(f"{PREFIX}{seed}", crossings, (*streets, *circle))


class _Dice:
    def __init__(self, seed: int) -> None:
        self._source = random.Random(seed)

    def between(self, low: float, high: float) -> float:
        """A random length from `low` to `high`, in whole decimetres."""
        return round(low + (high - low) * self._source.random(), 1)

    def chance(self, share: float) -> bool:
        return self._source.random() < share

    def whole(self, low: int, high: int) -> int:
        """A random whole number from `low` to `high`, both included."""
        return low + int(self._source.random() * (high - low + 1))

    def shuffled(self, edges: Iterable[tuple[Node, Node]]) -> list[tuple[Node, Node]]:
        return [edge for _, edge in sorted((self._source.random(), edge) for edge in edges)]


@dataclass(frozen=True)
class _Grid:
    """Streets as edges between points; a point of two edges is a corner, others are crossings."""

    network: nx.Graph[Node]
    points: dict[Node, Point]
    columns: tuple[Profile, ...]  # of the streets along each column
    rows: tuple[Profile, ...]

    def profile(self, a: Node, b: Node) -> Profile:
        """The profile of the street from `a` to its neighbour `b`."""
        return self.columns[a[0]] if a[0] == b[0] else self.rows[a[1]]

    def is_crossing(self, node: Node) -> bool:
        return len(self.network[node]) > 2

    def is_wide(self, node: Node) -> bool:
        """Whether a street of several lanes meets this point."""
        return any(len(self.profile(node, other).forward) > 1 for other in self.network[node])


def _draw_grid(dice: _Dice) -> _Grid:
    columns, rows = dice.whole(*_COLUMNS), dice.whole(*_ROWS)
    xs = _lines(columns, dice)
    ys = _lines(rows, dice)
    points: dict[Node, Point] = {}
    for column, x in enumerate(xs):
        for row, y in enumerate(ys):
            is_corner = column in (0, columns - 1) and row in (0, rows - 1)
            reach = 0.0 if is_corner else _JITTER_M
            points[column, row] = (
                round(x + dice.between(-reach, reach), 1),
                round(y + dice.between(-reach, reach), 1),
            )
    outer = _OUTER[dice.whole(0, len(_OUTER) - 1)]
    network = _thinned(nx.grid_2d_graph(columns, rows), (columns, rows), dice)
    along_columns, along_rows = _profiles(columns, outer, dice), _profiles(rows, outer, dice)
    if len(outer.forward) > 1:
        # without a way out of the ring nothing leaves its outer lane but by a lane change
        nodes = [(columns - 1, 1), (columns, 1), (columns, rows - 2), (columns - 1, rows - 2)]
        east = round(xs[-1] + dice.between(*_QUAY_M), 1)
        for node, inside in ((nodes[1], nodes[0]), (nodes[2], nodes[3])):
            points[node] = east, points[inside][1]
        nx.add_path(network, nodes)
    return _Grid(network, points, (*along_columns, _STREET), along_rows)


def _lines(count: int, dice: _Dice) -> list[float]:
    gaps = [dice.between(*_BLOCK_M) for _ in range(count - 1)]
    return [round(at, 1) for at in accumulate(gaps, initial=0.0)]


def _profiles(count: int, outer: Profile, dice: _Dice) -> tuple[Profile, ...]:
    """Profiles of parallel streets: the ring's outside, and at most one avenue between."""
    inner: list[Profile] = []
    for _ in range(count - 2):
        has_avenue = any(len(profile.forward) > 1 for profile in inner)
        choices = [p for p in _INNER if len(p.forward) == 1 or not has_avenue]
        inner.append(choices[dice.whole(0, len(choices) - 1)])
    return (outer, *inner, outer)


def _thinned(network: nx.Graph[Node], size: Node, dice: _Dice) -> nx.Graph[Node]:
    """Leave out inner streets; two ways lead from everywhere to everywhere, without a dead end."""

    def is_ring(a: Node, b: Node) -> bool:
        return any(a[k] == b[k] and a[k] in (0, size[k] - 1) for k in (0, 1))

    inner = dice.shuffled(edge for edge in network.edges if not is_ring(*edge))
    wanted = int(len(inner) * dice.between(*_REMOVED))
    for edge in inner:
        if wanted == 0:
            break
        network.remove_edge(*edge)
        if nx.is_biconnected(network):
            wanted -= 1
        else:
            network.add_edge(*edge)
    return network


def _chains(network: nx.Graph[Node]) -> list[tuple[Node, ...]]:
    """The ways from crossing to crossing, each once, around the corners between them."""
    found: dict[tuple[Node, ...], None] = {}
    for start in sorted(node for node in network if len(network[node]) > 2):
        for onward in sorted(network[start]):
            way = [start, onward]
            while len(network[way[-1]]) == 2:
                way += [node for node in network[way[-1]] if node != way[-2]]
            chain = tuple(way)
            if chain[::-1] not in found:
                found[chain] = None
    return list(found)


class _Names:
    """What the crossings are called; a roundabout has one for each of its arms."""

    def __init__(self, centre: Node | None) -> None:
        self.centre = centre

    def of(self, node: Node, onward: Node) -> str:
        """The crossing at `node` from which the street to its neighbour `onward` starts."""
        if node == self.centre:
            return _SIDES[onward[0] - node[0], onward[1] - node[1]]
        return f"c{node[0]}r{node[1]}"


def _roundabout(grid: _Grid, dice: _Dice) -> tuple[_Names, tuple[Street, ...]]:
    """Choose the crossing that is a roundabout, if any, and draw its circle."""
    fits = [node for node in sorted(grid.network) if _has_room(grid, node)]
    if not fits or not dice.chance(_ROUNDABOUT):
        return _Names(None), ()
    centre = fits[dice.whole(0, len(fits) - 1)]
    sides = tuple(_SIDES.values())
    circle = tuple(
        Street(start, end, _CIRCLE, "roundabout", circle_radius_m=_RING_RADIUS_M)
        for start, end in zip(sides, (*sides[1:], sides[0]), strict=True)
    )
    return _Names(centre), circle


def _has_room(grid: _Grid, node: Node) -> bool:
    if len(grid.network[node]) < 4 or grid.is_wide(node):
        return False
    return all(
        math.dist(grid.points[node], grid.points[other]) > _RING_RADIUS_M + 56.0
        for other in grid.network[node]
    )


def _street(chain: tuple[Node, ...], grid: _Grid, names: _Names, dice: _Dice) -> Street:
    # the narrowest of its parts, so that no crossing is too small for it
    profile = min((grid.profile(*edge) for edge in pairwise(chain)), key=lambda p: len(p.forward))
    wide = len(profile.forward) > 1
    via = tuple(grid.points[node] for node in chain[1:-1])
    radius = dice.between(*(_WIDE_CORNER_M if wide else _CORNER_M))
    start, end = grid.points[chain[0]], grid.points[chain[-1]]
    is_plain = len(chain) == 2 and names.centre not in chain and not wide
    if is_plain and math.dist(start, end) > _BEND_FROM_M and dice.chance(_BEND):
        side = 1.0 if dice.chance(0.5) else -1.0
        via, radius = _bend(start, end, side), round(0.2 * math.dist(start, end), 1)
    ends = names.of(chain[0], chain[1]), names.of(chain[-1], chain[-2])
    return Street(*ends, profile, "", via, radius)


def _bend(start: Point, end: Point, side: float) -> tuple[Point, ...]:
    """Points of a way that swings out to one side in its middle; its ends keep their heading."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    steps = ((0.25, 0.0), (0.42, 0.11), (0.58, 0.11), (0.75, 0.0))
    return tuple(
        (
            round(start[0] + dx * ahead - dy * aside * side, 2),
            round(start[1] + dy * ahead + dx * aside * side, 2),
        )
        for ahead, aside in steps
    )


def _heights(grid: _Grid, dice: _Dice) -> dict[Node, float]:
    """One hill, no street of it too steep."""
    nodes = sorted(grid.network)
    peak = grid.points[nodes[dice.whole(0, len(nodes) - 1)]]
    width = dice.between(90.0, 200.0)
    high = dice.between(1.0, _HILL_M) if dice.chance(_HILLY) else 0.0
    raw = {n: high * math.exp(-((math.dist(grid.points[n], peak) / width) ** 2)) for n in nodes}
    steepest = max(
        abs(raw[a] - raw[b]) / math.dist(grid.points[a], grid.points[b])
        for a, b in grid.network.edges
    )
    scale = min(1.0, _GRADE / steepest) if steepest else 0.0
    return {node: round(z * scale, 1) for node, z in raw.items()}


def _crossings(
    grid: _Grid, names: _Names, heights: dict[Node, float], dice: _Dice
) -> dict[str, Crossing]:
    found: dict[str, Crossing] = {}
    for node in sorted(grid.network):
        (x, y), z = grid.points[node], heights[node]
        if node == names.centre:
            for (east, north), side in _SIDES.items():
                at = x + east * _RING_RADIUS_M, y + north * _RING_RADIUS_M
                found[side] = Crossing(*at, z, reach_m=_RING_REACH_M)
        elif grid.is_crossing(node):
            is_wide = grid.is_wide(node)
            has_lights = dice.chance(_WIDE_LIT if is_wide else _LIT)
            reach = dice.between(*(_WIDE_REACH_M if is_wide else _REACH_M))
            widest = max(grid.profile(node, other).half_width_m for other in grid.network[node])
            reach = max(reach, round(widest + _CORNER_ROOM_M, 1))
            found[f"c{node[0]}r{node[1]}"] = Crossing(x, y, z, has_lights, reach)
    return found
