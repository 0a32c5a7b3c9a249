"""Where street furniture and plants go."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulator.scenery.buildings import GARDEN, House
from simulator.scenery.drivable import KERB_HEIGHT_M, RoadField
from simulator.scenery.furniture import SIGN_FACES, Street
from simulator.scenery.kerbs import Kerb
from simulator.scenery.meshes import turn
from simulator.scenery.plots import Plots
from simulator.scenery.vegetation import BUSH, Plant, random_plant
from simulator.types import F64, Pose, SignalSpec

LAMP_EVERY_M = 27.0
_KERB_GAP_M = 0.6
_POLE_CLEARANCE_M = 0.3  # maps put some poles at the very edge of a lane
_TREE_EVERY_M = (9.0, 15.0)
_CORNER_M = 11.0  # trees keep off junctions, for the view around the corner
_SMALL_EVERY_M = (16.0, 34.0)
_WIDE_WALK_M = 2.2
_ISLAND_M2 = (80.0, 1800.0)
_SEEN_M = 40.0  # from the street


def stand_signals(street: Street, plots: Plots, signals: Sequence[SignalSpec]) -> None:
    """Poles of the traffic lights; they go where the map says, before all else."""
    for signal in signals:
        pose = signal.pose
        clear = plots.field.value(plots.field.driving, pose.x, pose.y) > _POLE_CLEARANCE_M
        street.add_signal_pole(pose, solid=clear)
        plots.put(signal.pose.x, signal.pose.y, apart_m=6.0)


def stand_lamps(street: Street, plots: Plots) -> None:
    """Lamps along the roads, on alternating sides."""
    turn_over = 0
    done: set[int] = set()
    for road, edges in _road_sides(plots.field).items():
        if road in done:
            continue
        done.add(road)
        length = max(_length(line) for line in edges.values())
        for at in np.arange(8.0, max(length - 4.0, 9.0), LAMP_EVERY_M):
            sides = sorted(edges)
            for attempt in range(2):
                side = sides[(turn_over + attempt) % len(sides)]
                if _stand_lamp(street, plots, edges[side], float(at)):
                    break
            turn_over += 1


def _road_sides(field: RoadField) -> dict[int, dict[int, F64]]:
    """For each road outside junctions the outer edges of its driving lanes, by side."""
    outermost: dict[tuple[int, int], dict[float, tuple[int, F64]]] = {}
    for strip in field.strips:
        if strip.junction or not strip.is_driving:
            continue
        side = 1 if strip.lane < 0 else -1
        edge = strip.right if strip.lane < 0 else strip.left
        known = outermost.setdefault((strip.road, side), {})
        start = float(strip.s[0])
        if start not in known or abs(strip.lane) > abs(known[start][0]):
            known[start] = (strip.lane, edge)
    roads: dict[int, dict[int, F64]] = {}
    for (road, side), parts in outermost.items():
        line = np.concatenate([parts[start][1] for start in sorted(parts)])
        roads.setdefault(road, {})[side] = line
    return roads


def _length(line: F64) -> float:
    return float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())


def _stand_lamp(street: Street, plots: Plots, edge: F64, at: float) -> bool:
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(edge, axis=0), axis=1))])
    spot = np.array([np.interp(at, along, axis) for axis in edge.T])
    field = plots.field
    out = field.gradient(spot[None, :2])[0]
    behind = -float(field.at(field.road, spot[None, :2])[0]) + _KERB_GAP_M
    for extra in (0.0, 0.4, 1.0):
        x, y = spot[:2] + out * (behind + extra)
        if field.value(field.road, x, y) > 0.3 and plots.stands(x, y, apart_m=8.0):
            foot = _foot(field, x, y, out, toward_road=True)
            street.add_lamp(foot)
            plots.put(x, y, apart_m=3.0)
            return True
    return False


def _foot(field: RoadField, x: float, y: float, out: F64, *, toward_road: bool) -> Pose:
    height = float(field.heights(np.array([[x, y, 0.0]]))[0]) + KERB_HEIGHT_M
    way = -out if toward_road else out
    return Pose(float(x), float(y), height, yaw=float(np.degrees(np.arctan2(way[1], way[0]))))


def plant_streets(
    street: Street, plots: Plots, kerbs: Sequence[Kerb], rng: np.random.Generator
) -> list[Plant]:
    """Trees, signs, benches and bins along all sidewalks."""
    plants: list[Plant] = []
    for kerb in kerbs:
        leafy = rng.random() < 0.8
        at = float(rng.uniform(*_TREE_EVERY_M))
        while leafy and at < kerb.length - 3.0:
            plant = _street_tree(plots, kerb, at, rng)
            if plant is not None:
                plants.append(plant)
            at += float(rng.uniform(*_TREE_EVERY_M))
        at = float(rng.uniform(*_SMALL_EVERY_M))
        while at < kerb.length - 3.0:
            _small_thing(street, plots, kerb, at, rng)
            at += float(rng.uniform(*_SMALL_EVERY_M))
    return plants


def _street_tree(plots: Plots, kerb: Kerb, at: float, rng: np.random.Generator) -> Plant | None:
    points, normals, widths = kerb.sample(np.array([at]))
    point, normal, width = points[0], normals[0], float(widths[0])
    reach = 1.15 if width > _WIDE_WALK_M else width + 0.9
    x, y = point[:2] + normal * reach
    field = plots.field
    if field.value(field.junction, x, y) < _CORNER_M:
        return None
    if field.value(field.driving, x, y) < 1.2 or width < 0.9:
        return None
    if not plots.stands(x, y, apart_m=4.0):
        return None
    plots.put(x, y, apart_m=2.0)
    lift = KERB_HEIGHT_M if width > _WIDE_WALK_M else 0.0
    kind = int(rng.integers(0, 3))
    place = (float(x), float(y), float(point[2]) + lift - 0.05)
    return random_plant(rng, place, kind)


def _small_thing(
    street: Street, plots: Plots, kerb: Kerb, at: float, rng: np.random.Generator
) -> None:
    points, normals, widths = kerb.sample(np.array([at]))
    width = float(widths[0])
    if width < 1.6:
        return
    choice = int(rng.choice(4, p=(0.25, 0.25, 0.3, 0.2)))
    reach = (width - 0.35, 0.7, 0.5, 0.7)[choice]
    x, y = points[0, :2] + normals[0] * reach
    if not plots.stands(x, y, apart_m=2.5):
        return
    foot = _foot(plots.field, x, y, normals[0], toward_road=True)
    plots.put(x, y, apart_m=1.2)
    if choice == 0:
        street.add_bench(foot)
    elif choice == 1:
        street.add_bin(foot)
    else:
        # right-hand traffic comes from the left of somebody who looks at the road
        street.add_sign(foot._replace(yaw=foot.yaw - 90.0), int(rng.integers(len(SIGN_FACES))))


def plant_gardens(
    street: Street, plots: Plots, houses: Sequence[House], rng: np.random.Generator
) -> list[Plant]:
    """Hedges and fences before houses with gardens, bushes along walls."""
    plants = []
    for house in houses:
        rect = house.rect
        if house.style is not GARDEN:
            continue
        for _ in range(int(rng.integers(1, 4))):
            spot = (float(rng.uniform(-rect.half_x, rect.half_x)), -rect.half_y - 1.0, 0.0)
            x, y, _ = turn(np.array([spot]), rect.yaw)[0] + (rect.x, rect.y, 0.0)
            if abs(spot[0]) > 1.5 and plots.stands(x, y, apart_m=1.0, on_sidewalk=False):
                height = float(plots.field.heights(np.array([[x, y, 0.0]]))[0])
                plants.append(random_plant(rng, (float(x), float(y), height), BUSH))
        _front(street, plots, house, rng)
    return plants


def _front(street: Street, plots: Plots, house: House, rng: np.random.Generator) -> None:
    """A hedge or fence at the street end of the garden, open at the door."""
    rect = house.rect
    style = rng.random()
    if style > 0.75:
        return
    line_y = -rect.half_y - 2.2
    for low, high in ((-rect.half_x, -1.2), (1.2, rect.half_x)):
        ends = turn(np.array([[low, line_y, 0.0], [high, line_y, 0.0]]), rect.yaw)
        ends += np.array([rect.x, rect.y, 0.0])
        middle = ends.mean(0)
        spots = (ends[0], middle, ends[1])
        if not all(plots.stands(p[0], p[1], apart_m=0.6, on_sidewalk=False) for p in spots):
            continue
        height = float(plots.field.heights(middle[None])[0])
        start = Pose(float(ends[0, 0]), float(ends[0, 1]), height - 0.05, yaw=rect.yaw)
        if style < 0.4:
            street.add_hedge(start, high - low)
        else:
            street.add_fence(start, high - low)


def plant_islands(plots: Plots, kerbs: Sequence[Kerb], rng: np.random.Generator) -> list[Plant]:
    """Trees in the middle and bushes around it on green islands, such as in roundabouts."""
    plants = []
    field = plots.field
    for kerb in kerbs:
        if not _ISLAND_M2[0] < kerb.area < _ISLAND_M2[1]:
            continue
        low, high = kerb.points[:, :2].min(0), kerb.points[:, :2].max(0)
        for x, y in rng.uniform(low, high, (int(kerb.area / 10.0), 2)):
            depth = field.value(field.road, x, y)
            bush = depth < 8.0
            if depth < 3.5 or not plots.stands(x, y, apart_m=1.5 if bush else 4.0):
                continue
            plots.put(x, y, apart_m=1.0)
            height = float(field.heights(np.array([[x, y, 0.0]]))[0])
            kind = BUSH if bush else None
            plants.append(random_plant(rng, (float(x), float(y), height - 0.1), kind))
    return plants


def plant_land(plots: Plots, rng: np.random.Generator, per_hectare: float) -> list[Plant]:
    """Trees and bushes on free land behind the streets."""
    field = plots.field
    hectares = field.road.size * 0.25 / 1e4
    plants = []
    for x, y in plots.open_land(rng, int(hectares * per_hectare), road_m=4.5):
        bush = bool(rng.random() < 0.35)
        if field.value(field.road, x, y) > _SEEN_M:
            continue
        corner = field.value(field.junction, x, y) < _CORNER_M
        apart = 2.0 if bush else 4.5
        if corner or not plots.stands(x, y, apart_m=apart, on_sidewalk=False):
            continue
        plots.put(x, y, apart_m=1.0)
        height = float(field.heights(np.array([[x, y, 0.0]]))[0])
        kind = BUSH if bush else None
        plants.append(random_plant(rng, (float(x), float(y), height - 0.1), kind))
    return plants
