"""Meshes of cars, vans, trucks, buses, motorbikes and bicycles, fitted to their bounding boxes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulator.render.doors import open_doors
from simulator.render.solids import Model, Slot, Solid, point
from simulator.types import F64, Tag

Extent = tuple[float, float, float]


class Body(NamedTuple):
    """A car's side view; x from -1 (rear) to 1 (front), z from 0 (ground) to 1 (roof)."""

    hood_z: float
    belt_z: float
    trunk_z: float
    windscreen_x: float  # foot of the windscreen
    roof_front_x: float
    roof_rear_x: float
    rear_x: float  # foot of the rear window
    roof_width: float
    nose: float  # how far the front drops
    wheel_r: float  # m
    tag: Tag = Tag.CAR


BODIES = {
    "sedan": Body(0.585, 0.635, 0.66, 0.36, 0.04, -0.42, -0.74, 0.70, 0.12, 0.34),
    "coupe": Body(0.60, 0.65, 0.70, 0.28, -0.06, -0.38, -0.86, 0.66, 0.14, 0.34),
    "hatch": Body(0.60, 0.62, 0.63, 0.46, 0.14, -0.72, -0.95, 0.72, 0.12, 0.31),
    "suv": Body(0.60, 0.63, 0.64, 0.44, 0.14, -0.78, -0.97, 0.76, 0.06, 0.38),
    "wedge": Body(0.55, 0.62, 0.62, 0.62, 0.02, -0.06, -0.98, 0.72, 0.02, 0.40),
    "van": Body(0.50, 0.56, 0.56, 0.80, 0.52, -0.95, -0.985, 0.84, 0.06, 0.36, Tag.TRUCK),
    "microbus": Body(0.45, 0.52, 0.52, 0.95, 0.80, -0.93, -0.98, 0.84, 0.03, 0.34),
    "bus": Body(0.32, 0.42, 0.42, 0.985, 0.95, -0.97, -0.985, 0.92, 0.01, 0.48, Tag.BUS),
}
# Words in a blueprint id, first match wins.
_STYLES = (
    ("firetruck", "truck"),
    ("carlacola", "truck"),
    ("actros", "truck"),
    ("truck", "truck"),
    ("fuso", "bus"),
    ("bus", "bus"),
    ("ambulance", "van"),
    ("sprinter", "van"),
    ("t2", "microbus"),
    ("cybertruck", "wedge"),
    ("jeep", "suv"),
    ("patrol", "suv"),
    ("etron", "suv"),
    ("micra", "hatch"),
    ("cooper", "hatch"),
    ("a2", "hatch"),
    ("c3", "hatch"),
    ("prius", "hatch"),
    ("leon", "hatch"),
    ("microlino", "hatch"),
    ("mustang", "coupe"),
    ("coupe", "coupe"),
    (".tt", "coupe"),
    ("charger", "coupe"),
    ("harley", "motorcycle"),
    ("yamaha", "motorcycle"),
    ("kawasaki", "motorcycle"),
    ("vespa", "motorcycle"),
    ("bike", "bicycle"),
    ("gazelle", "bicycle"),
    ("century", "bicycle"),
)


def style_of(kind: str) -> str:
    """Body style of a blueprint id; a saloon where the id tells nothing."""
    return next((style for word, style in _STYLES if word in kind), "sedan")


def build_vehicle(kind: str, half: Extent, *, coarse: bool, doors: int = 0) -> Model:
    """Mesh of a vehicle.

    Args:
        kind: blueprint id.
        half: half extents of its bounding box, m.
        coarse: fewer faces, for far away.
        doors: bits of those that are open.
    """
    style = style_of(kind)
    if style in ("motorcycle", "bicycle"):
        return _two_wheeler(style == "motorcycle", half, coarse)
    if style == "truck":
        solid = _truck(half, coarse)
    else:
        solid = Solid(BODIES[style].tag)
        _car(solid, BODIES[style], half, coarse, is_bus=style == "bus")
    if "ambulance" in kind or "police" in kind:
        _beacons(solid, half)
    open_doors(solid, half, doors)
    return solid.model()


def _car(solid: Solid, body: Body, half: Extent, coarse: bool, *, is_bus: bool) -> None:
    length, width, height = half[0], half[1] * 0.94, 2.0 * half[2]
    low = 0.5 * body.wheel_r
    shell = _lower_shell(body, length, width, height, low)
    if coarse:
        shell = shell[[0, 2, 4, 6, 8]]
    slots = [Slot.TRIM, *[Slot.PAINT] * 6, Slot.TRIM]
    solid.loft(shell, slots)
    for end in (shell[0], shell[-1]):
        middle = end.mean(0)
        for p in range(len(end)):
            following = end[(p + 1) % len(end)]
            solid.triangles([end[p], following, middle], [(0, 1, 2)], Slot.PAINT)
    _greenhouse(solid, body, length, width, height, coarse, is_bus)
    _lights(solid, body, length, width, height)
    _wheels(solid, length, width, body.wheel_r, 8 if coarse else 14)
    if not coarse and not is_bus:
        for side in (-1, 1):
            at = (
                body.windscreen_x * length - 0.25,
                side * width * 1.03,
                body.belt_z * height + 0.1,
            )
            solid.box(at, (0.09, 0.09, 0.07), Slot.PAINT)


def _lower_shell(body: Body, length: float, width: float, height: float, low: float) -> F64:
    """Rings of the body below the windows, rear to front, (9, 9, 3)."""
    hood, belt, trunk = body.hood_z, body.belt_z, body.trunk_z
    stations = (
        (-1.0, trunk - 0.14, 0.84, 0.10),
        (-0.985, trunk - 0.03, 0.90, 0.04),
        (-0.93, trunk, 0.955, 0.01),
        (min(body.rear_x, -0.6), (trunk + belt) / 2, 1.0, 0.0),
        (-0.1, belt, 1.0, 0.0),
        (body.windscreen_x, (belt + hood) / 2 + 0.01, 1.0, 0.0),
        (body.windscreen_x + 0.45 * (1.0 - body.windscreen_x), hood - 0.15 * body.nose, 0.985, 0.0),
        (body.windscreen_x + 0.90 * (1.0 - body.windscreen_x), hood - 0.55 * body.nose, 0.92, 0.02),
        (1.0, hood - 1.3 * body.nose - 0.03, 0.80, 0.10),
    )
    rings = []
    for x, top, wide, lift in stations:
        w, z = width * wide, top * height
        bottom = low + lift * height
        waist = bottom + 0.55 * (z - bottom)
        half_ring = [
            (w * 0.86, bottom),
            (w * 0.985, bottom + 0.18 * (z - bottom)),
            (w, waist),
            (w * 0.93, z - 0.015),
        ]
        crown = (0.0, z + 0.025 * height)
        ring = [*half_ring, crown, *[(-y, v) for y, v in reversed(half_ring)]]
        rings.append([(x * length, y, v) for y, v in ring])
    return np.array(rings)


def _greenhouse(
    solid: Solid,
    body: Body,
    length: float,
    width: float,
    height: float,
    coarse: bool,
    is_bus: bool,
) -> None:
    """Windows, pillars and roof."""
    z0, z1 = (body.belt_z - 0.02) * height, height
    foot, roof = 0.93 * width, body.roof_width * width
    x0, x1 = body.rear_x * length, body.windscreen_x * length
    r0, r1 = body.roof_rear_x * length, body.roof_front_x * length
    crown = 0.985 * z1
    for end, top in ((x0, r0), (x1, r1)):
        a, b = np.array([end, -foot, z0]), np.array([end, foot, z0])
        c, d = np.array([top, roof, crown]), np.array([top, -roof, crown])
        inset = 0.07
        solid.quad(a, b, c, d, Slot.PAINT)
        out = np.array([0.012 if end == x1 else -0.012, 0.0, 0.008])
        solid.quad(
            a + (b - a) * inset + (d - a) * 0.06 + out,
            b - (b - a) * inset + (c - b) * 0.06 + out,
            c - (c - d) * inset - (c - b) * 0.08 + out,
            d + (c - d) * inset - (d - a) * 0.08 + out,
            Slot.GLASS,
        )
    panes = 7 if is_bus else (2 if x1 - x0 < 2.6 else 3)
    for side in (-1, 1):
        a, b = np.array([x0, side * foot, z0]), np.array([x1, side * foot, z0])
        c, d = np.array([r1, side * roof, crown]), np.array([r0, side * roof, crown])
        solid.quad(a, b, c, d, Slot.PAINT)
        out = np.array([0.0, side * 0.012, 0.006])
        for k in range(1 if coarse else panes):
            n = 1 if coarse else panes
            t0, t1 = k / n + 0.035, (k + 1) / n - 0.035
            solid.quad(
                a + (b - a) * t0 + ((d + (c - d) * t0) - (a + (b - a) * t0)) * 0.10 + out,
                a + (b - a) * t1 + ((d + (c - d) * t1) - (a + (b - a) * t1)) * 0.10 + out,
                a + (b - a) * t1 + ((d + (c - d) * t1) - (a + (b - a) * t1)) * 0.86 + out,
                a + (b - a) * t0 + ((d + (c - d) * t0) - (a + (b - a) * t0)) * 0.86 + out,
                Slot.GLASS,
            )
    rings = [
        [(x, -roof, crown), (x, -roof * 0.6, z1), (x, roof * 0.6, z1), (x, roof, crown)]
        for x in (r0, r1)
    ]
    solid.loft(rings, [Slot.PAINT] * 3)


def _lights(solid: Solid, body: Body, length: float, width: float, height: float) -> None:
    front_z = (body.hood_z - 1.2 * body.nose) * height - 0.05
    rear_z = (body.trunk_z - 0.10) * height
    for side in (-1, 1):
        y = side * width * 0.68
        solid.box((length * 0.985, y, front_z), (0.05, 0.17, 0.065), Slot.HEADLIGHT, lean=-0.05)
        solid.box((-length * 0.992, y, rear_z), (0.03, 0.16, 0.075), Slot.TAILLIGHT)
        solid.box((-length * 0.994, y * 0.72, rear_z), (0.03, 0.07, 0.06), Slot.BRAKE_LIGHT)
        blinker = Slot.LEFT_BLINKER if side < 0 else Slot.RIGHT_BLINKER
        solid.box((-length * 0.988, y * 1.2, rear_z), (0.04, 0.05, 0.06), blinker)
        solid.box((length * 0.965, y * 1.22, front_z), (0.04, 0.05, 0.05), blinker)
    low = 0.42 * front_z + 0.1
    solid.box((length * 0.99, 0, front_z - 0.03), (0.035, width * 0.42, 0.06), Slot.TRIM)
    solid.box((length * 0.97, 0, low), (0.05, width * 0.70, 0.07), Slot.TRIM)
    solid.box((-length * 0.98, 0, low), (0.05, width * 0.72, 0.07), Slot.TRIM)
    solid.box((length * 1.005, 0, low + 0.1), (0.015, 0.26, 0.055), Slot.PLATE)
    solid.box((-length * 1.0, 0, rear_z - 0.16), (0.015, 0.26, 0.055), Slot.PLATE)


def _wheels(
    solid: Solid,
    length: float,
    width: float,
    radius: float,
    sides: int,
    axles: tuple[float, ...] = (-0.60, 0.62),
) -> None:
    for x in axles:
        for side in (-1, 1):
            at = x * length
            outer, inner = side * width * 1.005, side * (width - 0.24)
            arch = (side * width * 0.985, side * width * 0.992)
            z = radius * 1.02
            solid.tube((at, arch[0], z), (at, arch[1], z), (radius * 1.17,) * 2, Slot.TRIM,
                       sides=sides, caps=Slot.TRIM)  # fmt: skip
            solid.tube((at, inner, radius), (at, outer, radius), (radius,) * 2, Slot.TYRE,
                       sides=sides, caps=Slot.TYRE)  # fmt: skip
            rim = side * width * 1.012
            solid.tube((at, outer, radius), (at, rim, radius), (radius * 0.64,) * 2, Slot.RIM,
                       sides=sides, caps=Slot.RIM)  # fmt: skip


def _beacons(solid: Solid, half: Extent) -> None:
    for side in (-1, 1):
        solid.box((half[0] * 0.3, side * 0.35, 2 * half[2]), (0.14, 0.22, 0.08), Slot.BEACON)


def _truck(half: Extent, coarse: bool) -> Solid:
    """A cab in front of a box body."""
    solid = Solid(Tag.TRUCK)
    length, width, height = half[0], half[1] * 0.96, 2.0 * half[2]
    radius = 0.42
    cab = min(2.0, 0.7 * length)
    back = length - cab
    cab_top = min(height, 2.6)
    cab_z, cab_h = (0.45 + cab_top) / 2, (cab_top - 0.45) / 2
    solid.box((back + cab / 2, 0, cab_z), (cab / 2 - 0.03, width * 0.95, cab_h), Slot.PAINT)
    glass = cab_z + 0.42 * cab_h
    solid.box((length - 0.02, 0, glass), (0.012, width * 0.84, cab_h * 0.38), Slot.GLASS)
    for side in (-1, 1):
        at = (length - 0.55, side * width * 0.955, glass)
        solid.box(at, (0.38, 0.012, cab_h * 0.36), Slot.GLASS)
        solid.box((length - 0.1, side * width * 1.08, glass), (0.05, 0.1, 0.22), Slot.TRIM)
    middle = (back - length) / 2
    box_h = (height - 0.85) / 2
    solid.box((middle, 0, 0.85 + box_h), ((back + length) / 2 - 0.05, width, box_h), Slot.SECOND)
    for side in (-1, 1):
        panel = (middle, side * (width + 0.006), 0.85 + box_h * 1.1)
        solid.box(panel, ((back + length) / 2 * 0.7, 0.006, box_h * 0.35), Slot.PAINT)
    solid.box((middle, 0, 0.7), ((back + length) / 2, width * 0.8, 0.14), Slot.TRIM)
    solid.box((length - 0.05, 0, 0.5), (0.07, width * 0.93, 0.16), Slot.TRIM)
    for side in (-1, 1):
        y = side * width * 0.72
        solid.box((length + 0.005, y, 0.72), (0.03, 0.16, 0.09), Slot.HEADLIGHT)
        solid.box((-length, y, 0.62), (0.03, 0.16, 0.08), Slot.TAILLIGHT)
        solid.box((-length - 0.005, y * 0.7, 0.62), (0.03, 0.09, 0.07), Slot.BRAKE_LIGHT)
        blinker = Slot.LEFT_BLINKER if side < 0 else Slot.RIGHT_BLINKER
        solid.box((-length, y * 1.18, 0.62), (0.03, 0.06, 0.07), blinker)
        solid.box((length, y * 1.2, 0.72), (0.03, 0.05, 0.07), blinker)
    solid.box((-length - 0.01, 0, 0.55), (0.015, 0.26, 0.06), Slot.PLATE)
    axles = (-0.62, 0.66) if length < 3.5 else (-0.70, -0.45, 0.72)
    _wheels(solid, length, width, radius, 8 if coarse else 14, axles)
    return solid


def _two_wheeler(is_motorcycle: bool, half: Extent, coarse: bool) -> Model:
    """A motorbike or bicycle with its rider."""
    solid = Solid(Tag.MOTORCYCLE if is_motorcycle else Tag.BICYCLE)
    length = half[0]
    radius = 0.31 if is_motorcycle else 0.34
    thick = 0.07 if is_motorcycle else 0.022
    axle = length - radius
    sides = 8 if coarse else 16
    for x in (-axle, axle):
        at, to = (x, -thick, radius), (x, thick, radius)
        disc = Slot.TYRE if is_motorcycle else None
        solid.tube(at, to, (radius, radius), Slot.TYRE, sides=sides, caps=disc)
        hub = (radius * 0.6,) * 2 if is_motorcycle else (0.05, 0.05)
        solid.tube((x, -thick * 1.2, radius), (x, thick * 1.2, radius), hub, Slot.RIM,
                   sides=sides, caps=Slot.RIM)  # fmt: skip
        if not is_motorcycle:
            for k in range(4):
                angle = k * np.pi / 4
                spoke = point(np.cos(angle), 0.0, np.sin(angle)) * radius
                hub_at = point(x, 0.0, radius)
                solid.tube(hub_at - spoke, hub_at + spoke, (0.012, 0.012), Slot.RIM, sides=3)
    seat = np.array([-0.22 * length / 0.9, 0.0, 0.80 if is_motorcycle else 0.92])
    bars = np.array([axle * 0.62, 0.0, 1.0 if is_motorcycle else 1.02])
    if is_motorcycle:
        solid.box((0.0, 0, 0.52), (axle * 0.55, 0.14, 0.18), Slot.TRIM)
        solid.ball((0.18, 0, 0.80), (0.34, 0.17, 0.16), Slot.PAINT)
        solid.ball((axle * 0.72, 0, 0.82), (0.24, 0.19, 0.24), Slot.PAINT)
        solid.box((-0.42, 0, 0.80), (0.34, 0.13, 0.06), Slot.TRIM)
        solid.box((axle * 0.72 + 0.22, 0, 0.82), (0.03, 0.09, 0.07), Slot.HEADLIGHT)
        solid.box((-length * 0.86, 0, 0.80), (0.03, 0.08, 0.05), Slot.TAILLIGHT)
        solid.box((-length * 0.87, 0, 0.72), (0.03, 0.06, 0.03), Slot.BRAKE_LIGHT)
    else:
        crank = np.array([-0.05, 0.0, 0.32])
        head = bars - point(0.05, 0.0, 0.14)
        hub_at = point(-axle, 0.0, radius)
        pairs = ((crank, head), (seat, head), (crank, seat), (hub_at, seat), (hub_at, crank))
        for a, b in pairs:
            solid.tube(a, b, (0.025, 0.025), Slot.PAINT, sides=5)
        solid.box(seat, (0.13, 0.07, 0.03), Slot.TRIM)
        solid.box((-length * 0.8, 0, 0.72), (0.02, 0.03, 0.03), Slot.TAILLIGHT)
        solid.box((axle * 0.75, 0, 0.92), (0.03, 0.03, 0.03), Slot.HEADLIGHT)
    for y in (-0.05, 0.05):
        solid.tube((axle, y, radius), bars + point(0, y, -0.05), (0.025, 0.025), Slot.RIM, sides=5)
    solid.tube(bars - point(0, 0.33, 0), bars + point(0, 0.33, 0), (0.02, 0.02), Slot.TRIM, sides=5)
    _rider(solid, seat, bars)
    return solid.model()


def _rider(solid: Solid, seat: F64, bars: F64) -> None:
    solid.tag = Tag.RIDER
    hip = seat + point(0.0, 0.0, 0.10)
    shoulder = hip + point(0.26, 0.0, 0.48)
    head = shoulder + point(0.10, 0.0, 0.24)
    solid.tube(hip, shoulder, (0.15, 0.19), Slot.SECOND, sides=8, caps=Slot.SECOND)
    solid.ball(head, (0.12, 0.11, 0.14), Slot.SKIN)
    solid.ball(head + point(-0.01, 0, 0.02), (0.14, 0.13, 0.14), Slot.HAIR, low=-5.0, rings=3)
    for side in (-1.0, 1.0):
        y = np.array([0.0, side, 0.0])
        elbow = shoulder + y * 0.27 + point(0.12, 0, -0.24)
        solid.tube(shoulder + y * 0.19, elbow, (0.06, 0.05), Slot.SECOND, sides=6)
        solid.tube(elbow, bars + y * 0.30, (0.05, 0.04), Slot.SKIN, sides=6)
        knee = hip + y * 0.16 + point(0.36, 0, -0.10 - 0.10 * side * 0.5)
        foot = knee + point(-0.16, 0, -0.42)
        solid.tube(hip + y * 0.09, knee, (0.09, 0.07), Slot.TROUSERS, sides=6)
        solid.tube(knee, foot, (0.07, 0.05), Slot.TROUSERS, sides=6)
        solid.box(foot + point(0.06, 0, -0.02), (0.13, 0.045, 0.04), Slot.SHOES)
