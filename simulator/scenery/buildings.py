"""Buildings along the streets: town houses with shops, offices, and houses with gardens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from simulator.scenery.drivable import RoadField
from simulator.scenery.kerbs import Kerb
from simulator.scenery.meshes import Look, MeshBuilder, turn
from simulator.scenery.plots import SIDEWALK_CLEARANCE_M, Plots, Rect
from simulator.types import F64, Material, Obstacle, Tag

FLOOR_M = 3.2
SHOP_M = 4.0
_BAY_M = 3.0
_PARAPET_M = 0.7
_MIN_RUN_M = 24.0
_MIN_BLOCK_M2 = 1800.0  # smaller islands stay green
_WALLS = (
    (196, 178, 152), (171, 110, 88), (206, 200, 188), (158, 166, 174), (214, 190, 142),
    (150, 92, 76), (186, 188, 182), (224, 214, 196), (140, 128, 118), (178, 152, 118),
)  # fmt: skip
_HOUSE_WALLS = (
    (226, 219, 203), (214, 198, 164), (188, 172, 150), (176, 106, 84), (205, 212, 208),
    (232, 226, 216), (196, 168, 140),
)  # fmt: skip
_TILES = ((128, 82, 68), (92, 74, 66), (110, 88, 76), (80, 83, 88), (118, 72, 62))
_FACADES = (Material.FACADE_PUNCHED, Material.FACADE_RIBBON, Material.FACADE_BRICK)
_SIDES = ((0, 1), (1, 2), (2, 3), (3, 0))


@dataclass(frozen=True)
class Style:
    """What a quarter of the town builds."""

    floors: tuple[int, int]
    front_m: tuple[float, float]
    depth_m: tuple[float, float]
    setback_m: tuple[float, float]
    gap_m: tuple[float, float]
    pitched: bool
    shop_share: float


CENTER = Style((4, 8), (11.0, 20.0), (10.0, 15.0), (1.7, 2.4), (0.0, 1.0), False, 0.75)
TOWN = Style((2, 5), (9.0, 16.0), (9.0, 13.0), (1.8, 3.5), (0.5, 4.0), False, 0.45)
GARDEN = Style((1, 2), (8.0, 12.0), (7.5, 10.0), (4.0, 7.0), (3.5, 8.0), True, 0.0)


@dataclass(frozen=True)
class House:
    """A placed building: where, how high, in which style."""

    rect: Rect  # x along the street; the front is on the side of negative y
    base_m: float
    floors: int
    style: Style
    shop: bool

    @property
    def height_m(self) -> float:
        """Height from the ground to the eaves."""
        return (SHOP_M if self.shop else FLOOR_M) + (self.floors - 1) * FLOOR_M


def settle(plots: Plots, kerbs: Sequence[Kerb], rng: np.random.Generator) -> tuple[House, ...]:
    """Choose lots along all kerbs, then a second row behind them."""
    density = _density(plots.field, rng)
    houses: list[House] = []
    for behind_m, share in ((0.0, 0.97), (19.0, 0.55), (38.0, 0.4)):
        for kerb in kerbs:
            if kerb.area >= _MIN_BLOCK_M2 and kerb.length >= _MIN_RUN_M:
                houses += _row(plots, kerb, density, rng, behind_m, share)
    return tuple(houses)


def _density(field: RoadField, rng: np.random.Generator) -> F64:
    """How built-up each place is, from zero to one; highest near the middle of the roads."""
    rows, columns = field.road.shape
    r, c = np.mgrid[0:rows:8, 0:columns:8]
    road_r, road_c = np.nonzero(field.driving[::8, ::8] < 0.0)
    center_r, center_c = road_r.mean() * 8, road_c.mean() * 8
    reach = max(float(np.hypot(road_r.std(), road_c.std())) * 8 * 1.7, 1.0)
    noise = scipy.ndimage.gaussian_filter(rng.normal(size=r.shape), 8.0, mode="nearest")
    noise *= 0.22 / max(float(noise.std()), 1e-9)
    return np.asarray(np.clip(1.0 - np.hypot(r - center_r, c - center_c) / reach + noise, 0, 1))


def _style(density: F64, plots: Plots, x: float, y: float) -> Style:
    row = int(np.clip((y - plots.field.y0) / 4.0, 0, density.shape[0] - 1))
    column = int(np.clip((x - plots.field.x0) / 4.0, 0, density.shape[1] - 1))
    value = density[row, column]
    return CENTER if value > 0.55 else TOWN if value > 0.25 else GARDEN


def _row(
    plots: Plots, kerb: Kerb, density: F64, rng: np.random.Generator, behind_m: float, share: float
) -> list[House]:
    houses = []
    at = float(rng.uniform(0.0, 4.0))
    while at < kerb.length - 4.0:
        points, normals, widths = kerb.sample(np.array([at + 4.0]))
        style = _style(density, plots, *(points[0, :2] + normals[0] * 10.0))
        probe = points[0, :2] + normals[0] * (widths[0] + behind_m + style.setback_m[1] + 2.0)
        house = None
        if rng.random() < share and plots.is_free(float(probe[0]), float(probe[1])):
            house = _lot(plots, kerb, at, style, rng, behind_m)
        if house is None:
            at += 3.0 if behind_m == 0.0 else 7.0
            continue
        houses.append(house)
        margin = 0.0 if style is CENTER else 0.8
        plots.take(house.rect.grown(margin))
        at += 2.0 * house.rect.half_x + float(rng.uniform(*style.gap_m)) + 2.0 * margin
    return houses


def _lot(
    plots: Plots, kerb: Kerb, at: float, style: Style, rng: np.random.Generator, behind_m: float
) -> House | None:
    front = float(rng.uniform(*style.front_m))
    depth = float(rng.uniform(*style.depth_m))
    setback = behind_m + float(rng.uniform(*style.setback_m))
    floors = int(rng.integers(style.floors[0], style.floors[1] + 1)) + (2 if behind_m > 30 else 0)
    shop = behind_m == 0.0 and bool(rng.random() < style.shop_share)
    setback = max(setback, SIDEWALK_CLEARANCE_M + 0.1)
    for shrink in (1.0, 0.75, 0.55):
        width = round(front * shrink / _BAY_M) * _BAY_M
        if width < 2 * _BAY_M:
            continue
        points, normals, widths = kerb.sample(at + np.linspace(0.0, width, 5))
        chord = points[-1, :2] - points[0, :2]
        if np.linalg.norm(chord) < 0.93 * width:
            continue
        out = np.array([chord[1], -chord[0]]) / np.linalg.norm(chord)
        out *= 1.0 if out @ normals[2] > 0.0 else -1.0
        # the yaw at which local +y points away from the street
        yaw = float(np.degrees(np.arctan2(-out[0], out[1])))
        bulge = float(((points[:, :2] - points[0, :2]) @ out).max())
        for deep in (depth, depth * 0.7):
            reach = bulge + float(widths.max()) + setback + deep / 2.0
            x, y = (points[0, :2] + points[-1, :2]) / 2.0 + out * reach
            rect = Rect(float(x), float(y), yaw, width / 2.0, deep / 2.0)
            if plots.fits(rect):
                rim = plots.field.at(plots.field.ground, rect.corners())
                return House(rect, float(rim.min()) - 0.1, floors, style, shop)
    return None


def build(houses: Sequence[House], rng: np.random.Generator) -> MeshBuilder:
    """The walls and roofs of all buildings."""
    builder = MeshBuilder()
    for house in houses:
        if house.style.pitched:
            _pitched(builder, house, rng)
        else:
            _flat(builder, house, rng)
    return builder


def obstacles(houses: Sequence[House]) -> list[Obstacle]:
    """One box for each building."""
    return [
        Obstacle(
            h.rect.x, h.rect.y, h.base_m + h.height_m / 2.0, h.rect.yaw,
            h.rect.half_x, h.rect.half_y, h.height_m / 2.0 + 0.5, int(Tag.BUILDINGS),
        )
        for h in houses
    ]  # fmt: skip


def _flat(builder: MeshBuilder, house: House, rng: np.random.Generator) -> None:
    wall = _tint(_WALLS, rng)
    facade = Look(_FACADES[int(rng.integers(len(_FACADES)))], Tag.BUILDINGS, wall)
    z = house.base_m
    if house.shop:
        shop = Look(Material.FACADE_SHOP, Tag.BUILDINGS, _tint(_WALLS, rng))
        _walls(builder, house.rect, z, SHOP_M + 0.1, 1, shop)
        z += SHOP_M + 0.1
        _band(builder, house.rect, z - 0.25, 0.3, 0.18, _darker(wall))
    upper = house.floors - 1 if house.shop else house.floors
    _walls(builder, house.rect, z, upper * FLOOR_M, upper, facade)
    top = z + upper * FLOOR_M
    _parapet(builder, house.rect, top, _darker(wall))
    _roof_boxes(builder, house.rect, top, rng)
    if house.floors >= 5 and rng.random() < 0.5:
        _penthouse(builder, house.rect, top, facade)


def _walls(
    builder: MeshBuilder, rect: Rect, z: float, height: float, floors: int, look: Look
) -> None:
    if height <= 0.0:
        return
    corners = rect.corners()
    quads, uvs = [], []
    for a, b in _SIDES:
        run = float(np.linalg.norm(corners[b] - corners[a]))
        bays = max(1, round(run / _BAY_M))
        low, high = np.append(corners[a], z), np.append(corners[b], z)
        up = np.array([0.0, 0.0, height])
        quads.append([low, high, high + up, low + up])
        uvs.append([(0, 0), (bays, 0), (bays, floors), (0, floors)])
    builder.quads(quads, look, uvs)


def _band(
    builder: MeshBuilder,
    rect: Rect,
    z: float,
    height: float,
    out_m: float,
    color: tuple[int, int, int],
) -> None:
    """A ledge around the building."""
    look = Look(Material.PLAIN, Tag.BUILDINGS, color)
    size = (rect.half_x + out_m, rect.half_y + out_m, height / 2.0)
    builder.box((rect.x, rect.y, z + height / 2.0), size, look, rect.yaw, bottom=True)


def _parapet(builder: MeshBuilder, rect: Rect, top: float, color: tuple[int, int, int]) -> None:
    look = Look(Material.PLAIN, Tag.BUILDINGS, color)
    outer, inner = rect.grown(0.12).corners(), rect.grown(-0.25).corners()
    low = np.column_stack([outer, np.full(4, top - 0.15)])
    rim = np.column_stack([outer, np.full(4, top + _PARAPET_M)])
    lip = np.column_stack([inner, np.full(4, top + _PARAPET_M)])
    foot = np.column_stack([inner, np.full(4, top + 0.05)])
    for below, above in ((low, rim), (rim, lip), (lip, foot)):
        builder.quads([[below[a], below[b], above[b], above[a]] for a, b in _SIDES], look)
    roof = Look(Material.ROOF, Tag.BUILDINGS, (122, 118, 112))
    builder.quads(foot[None], roof, foot[None, :, :2])


def _roof_boxes(builder: MeshBuilder, rect: Rect, top: float, rng: np.random.Generator) -> None:
    look = Look(Material.METAL, Tag.BUILDINGS, (150, 152, 154))
    for _ in range(int(rng.integers(1, 4))):
        half = rng.uniform((0.6, 0.6, 0.5), (1.5, 1.2, 1.1))
        room = np.array([rect.half_x, rect.half_y]) - half[:2] - 0.6
        if (room <= 0.0).any():
            continue
        spot = turn(np.array([[*rng.uniform(-room, room), 0.0]]), rect.yaw)[0]
        center = (rect.x + spot[0], rect.y + spot[1], top + half[2])
        builder.box(center, half, look, rect.yaw)


def _penthouse(builder: MeshBuilder, rect: Rect, top: float, facade: Look) -> None:
    inner = Rect(rect.x, rect.y, rect.yaw, rect.half_x * 0.6, rect.half_y * 0.6)
    _walls(builder, inner, top, FLOOR_M, 1, facade)
    _parapet(builder, inner, top + FLOOR_M, _darker(facade.color))


def _pitched(builder: MeshBuilder, house: House, rng: np.random.Generator) -> None:
    rect, z = house.rect, house.base_m
    brick = rng.random() < 0.4
    material = Material.FACADE_BRICK if brick else Material.FACADE_PUNCHED
    wall = Look(material, Tag.BUILDINGS, _tint(_HOUSE_WALLS, rng))
    _walls(builder, rect, z, house.height_m, house.floors, wall)
    top = z + house.height_m
    ridge = top + rect.half_y * float(rng.uniform(0.6, 0.9))
    plain = Look(Material.PLAIN, Tag.BUILDINGS, wall.color)
    _gable_roof(
        builder, rect, top, ridge, plain, Look(Material.ROOF, Tag.BUILDINGS, _tint(_TILES, rng))
    )
    spot = turn(np.array([[rect.half_x * 0.5, rect.half_y * 0.25, 0.0]]), rect.yaw)[0]
    chimney = Look(Material.FACADE_BRICK, Tag.BUILDINGS, (150, 92, 76))
    center = (rect.x + spot[0], rect.y + spot[1], ridge - 0.3)
    builder.box(center, (0.35, 0.35, 1.0), chimney._replace(material=Material.PLAIN), rect.yaw)
    porch = turn(np.array([[0.0, -rect.half_y - 0.6, 0.0]]), rect.yaw)[0]
    door = (rect.x + porch[0], rect.y + porch[1], z + 2.5)
    builder.box(door, (1.1, 0.7, 0.1), plain, rect.yaw, bottom=True)


def _gable_roof(
    builder: MeshBuilder, rect: Rect, top: float, ridge: float, plain: Look, tiles: Look
) -> None:
    """Two slopes along the street with eaves, and the triangles of wall below them."""
    hx, hy, over = rect.half_x, rect.half_y, 0.45
    drop = over * (ridge - top) / hy
    ex, ey = hx + over, hy + over
    local = [
        (-ex, -ey, top - drop), (ex, -ey, top - drop), (ex, 0, ridge), (-ex, 0, ridge),
        (ex, ey, top - drop), (-ex, ey, top - drop),
        (-hx, -hy, top), (-hx, hy, top), (-hx, 0, ridge), (hx, -hy, top), (hx, hy, top),
        (hx, 0, ridge),
    ]  # fmt: skip
    points = turn(np.array(local, np.float64), rect.yaw) + np.array([rect.x, rect.y, 0.0])
    slope = float(np.hypot(ey, ridge - top + drop))
    uvs = [[(0, 0), (2 * ex, 0), (2 * ex, slope), (0, slope)]] * 2
    builder.quads([points[[0, 1, 2, 3]], points[[5, 4, 2, 3]]], tiles, uvs)
    builder.add(points[6:], [[0, 1, 2], [3, 4, 5]], plain)


def _tint(colors: Sequence[tuple[int, int, int]], rng: np.random.Generator) -> tuple[int, int, int]:
    base = np.array(colors[int(rng.integers(len(colors)))]) * rng.uniform(0.9, 1.06)
    r, g, b = np.clip(base, 0, 255).astype(int)
    return int(r), int(g), int(b)


def _darker(color: tuple[int, int, int]) -> tuple[int, int, int]:
    r, g, b = (int(c * 0.74) for c in color)
    return r, g, b
