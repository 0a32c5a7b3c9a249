"""Puts vehicles, walkers, traffic lights and props into the triangle buffers of a frame."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from simulator.render.jit import kernel
from simulator.render.props import build_prop, build_signal
from simulator.render.raster import Triangles, View
from simulator.render.solids import Model, Slot
from simulator.render.vehicles import build_vehicle, style_of
from simulator.render.walkers import build_walker, gait
from simulator.render.weather import Light
from simulator.types import F32, F64, U8, Drawable, Pose

COARSE_FROM_M = 45.0
LOW_BEAM_POWER = 46.0
HIGH_BEAM_POWER = 80.0

# carla::rpc::VehicleLightState, LibCarla 0.9.16
POSITION, LOW_BEAM, HIGH_BEAM, BRAKE, RIGHT_BLINKER, LEFT_BLINKER, REVERSE, FOG = (
    1 << n for n in range(8)
)
_SPECIAL = 0x200 | 0x400
_RED, _YELLOW, _GREEN = range(3)

_BASE_PALETTE: dict[Slot, tuple[int, int, int]] = {
    Slot.PAINT: (200, 200, 200),
    Slot.GLASS: (22, 26, 30),
    Slot.TRIM: (28, 28, 30),
    Slot.TYRE: (24, 24, 25),
    Slot.RIM: (135, 138, 142),
    Slot.HEADLIGHT: (226, 228, 222),
    Slot.TAILLIGHT: (150, 14, 14),
    Slot.BRAKE_LIGHT: (150, 14, 14),
    Slot.LEFT_BLINKER: (215, 120, 25),
    Slot.RIGHT_BLINKER: (215, 120, 25),
    Slot.PLATE: (225, 225, 218),
    Slot.SECOND: (212, 212, 208),
    Slot.SKIN: (205, 160, 130),
    Slot.HAIR: (52, 38, 28),
    Slot.TROUSERS: (48, 54, 74),
    Slot.SHOES: (36, 32, 30),
    Slot.RED: (58, 14, 12),
    Slot.YELLOW: (58, 44, 12),
    Slot.GREEN: (10, 48, 30),
    Slot.BEACON: (40, 70, 190),
}
_SKINS = ((232, 190, 160), (214, 165, 130), (178, 124, 90), (122, 80, 56), (88, 58, 42))
_HAIRS = ((40, 30, 24), (24, 22, 22), (92, 62, 36), (160, 120, 66), (130, 126, 122))
_TROUSERS = ((44, 52, 80), (38, 38, 42), (96, 86, 70), (70, 78, 62), (120, 116, 108))
_TOPS = (
    (168, 44, 40), (44, 84, 150), (232, 230, 224), (52, 110, 70), (210, 170, 50), (90, 60, 110),
    (60, 62, 66), (200, 110, 60), (110, 150, 180), (190, 186, 176),
)  # fmt: skip


class Placed(NamedTuple):
    """A drawable with what the frame needs of it."""

    thing: Drawable
    rotation: F32  # (3, 3)
    distance_m: float
    is_walker: bool


def nearby(things: Sequence[Drawable], eye: F64, reach_m: float) -> list[Placed]:
    """Things within reach of the camera, nearest first."""
    at = tuple(float(v) for v in eye)
    placed = []
    for thing in things:
        distance = math.dist(thing.pose[:3], at)
        if distance < reach_m:
            is_walker = thing.kind.startswith("walker")
            placed.append(Placed(thing, _rotation(thing.pose), distance, is_walker))
    placed.sort(key=lambda p: (p.distance_m, p.thing.pose))
    return placed


def _rotation(pose: Pose) -> F32:
    if pose.pitch == 0.0 and pose.roll == 0.0:
        yaw = math.radians(pose.yaw)
        c, s = math.cos(yaw), math.sin(yaw)
        return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]], np.float32)
    return np.ascontiguousarray(pose.rotation_matrix(), np.float32)


def in_sight(placed: Sequence[Placed], view: View) -> list[Placed]:
    """The things whose enclosing sphere meets the camera's pyramid."""
    if not placed:
        return []
    spheres = np.array([_sphere(p) for p in placed])  # (N, 4)
    offset = spheres[:, :3] - view.eye
    m = view.to_clip.astype(np.float64)
    planes = np.array([m[2] + m[0], m[2] - m[0], m[2] + m[1], m[2] - m[1], m[2]])
    planes /= np.linalg.norm(planes, axis=1, keepdims=True)
    seen = (offset @ planes.T > -spheres[:, 3:]).all(1)
    return [p for p, is_seen in zip(placed, seen, strict=True) if is_seen]


def _sphere(p: Placed) -> tuple[float, float, float, float]:
    x, y, z = p.thing.pose[:3]
    if p.thing.kind.startswith("traffic."):
        return x, y, z + 3.0, 7.0
    hx, hy, hz = p.thing.half_extent
    return x, y, z + hz, 1.2 * math.sqrt(hx * hx + hy * hy + hz * hz) + 0.5


@lru_cache(maxsize=512)
def _vehicle(kind: str, half: tuple[float, float, float], coarse: bool, doors: int) -> Model:
    return build_vehicle(kind, half, coarse=coarse, doors=doors)


@lru_cache(maxsize=1024)
def _walker(height_m: float, phase: int, width: int, has_skirt: bool) -> Model:
    return build_walker(height_m, phase, width, has_skirt=has_skirt)


@lru_cache(maxsize=1)
def _signal() -> Model:
    return build_signal()


@lru_cache(maxsize=128)
def _prop(kind: str, half: tuple[float, float, float]) -> Model:
    return build_prop(kind, half)


def model_of(placed: Placed) -> Model:
    """The mesh a drawable has at this moment."""
    thing = placed.thing
    half = tuple(round(v, 2) for v in thing.half_extent)
    if thing.kind.startswith("traffic."):
        return _signal()
    if placed.is_walker:
        phase, width = gait(math.hypot(*thing.velocity[:2]), thing.age_s)
        # CARLA gives every walker a capsule; children are recognised by a lower one.
        height = round(min(max(2.0 * half[2], 0.9), 1.9) * 0.955, 2)
        return _walker(height, phase, width, _code(thing.kind, thing.color) % 5 == 0)
    if thing.kind.startswith("vehicle."):
        return _vehicle(thing.kind, half, placed.distance_m > COARSE_FROM_M, thing.doors)
    return _prop(thing.kind, half)


def _code(kind: str, color: tuple[int, int, int]) -> int:
    """A number that differs between people but not between runs."""
    return zlib.crc32(f"{kind} {color}".encode())


def palette_of(thing: Drawable, light: Light) -> U8:
    """Colours and glow of every slot, (len(Slot), 4)."""
    is_braking = bool(thing.lights & BRAKE) or thing.brake > 0.05
    has_blink = int(thing.age_s * 3.0) % 2 == 0
    lit = Lit(
        thing.kind,
        thing.color,
        thing.lights,
        is_braking,
        has_blink,
        thing.signal_state,
        light.night,
    )
    return _palette(lit)


class Lit(NamedTuple):
    """All that the colours of a drawable depend on."""

    kind: str
    color: tuple[int, int, int]
    lights: int
    is_braking: bool
    has_blink: bool
    signal_state: int
    night: float


@lru_cache(maxsize=1024)
def _palette(thing: Lit) -> U8:
    palette = np.zeros((len(Slot), 4), np.uint8)
    for slot, color in _BASE_PALETTE.items():
        palette[slot, :3] = color
    palette[Slot.PAINT, :3] = thing.color
    if thing.kind.startswith("traffic."):
        _light_signal(palette, thing.signal_state)
    elif thing.kind.startswith("walker"):
        _dress(palette, _code(thing.kind, thing.color))
    elif thing.kind.startswith("vehicle."):
        if style_of(thing.kind) in ("motorcycle", "bicycle"):
            _dress(palette, _code(thing.kind, thing.color))
            palette[Slot.SECOND, :3] = palette[Slot.PAINT, :3]
            palette[Slot.PAINT, :3] = thing.color
        _light_vehicle(palette, thing)
    return palette


def _dress(palette: U8, code: int) -> None:
    palette[Slot.PAINT, :3] = _TOPS[code % len(_TOPS)]
    palette[Slot.SKIN, :3] = _SKINS[(code >> 8) % len(_SKINS)]
    palette[Slot.HAIR, :3] = _HAIRS[(code >> 12) % len(_HAIRS)]
    palette[Slot.TROUSERS, :3] = _TROUSERS[(code >> 16) % len(_TROUSERS)]


def _light_signal(palette: U8, state: int) -> None:
    palette[Slot.RIM, :3] = (92, 96, 98)
    palette[Slot.TRIM, :3] = (20, 21, 22)
    if state == _RED:
        palette[Slot.RED] = (255, 40, 24, 92)
    elif state == _YELLOW:
        palette[Slot.YELLOW] = (255, 176, 20, 88)
    elif state == _GREEN:
        palette[Slot.GREEN] = (36, 255, 130, 84)


def _light_vehicle(palette: U8, thing: Lit) -> None:
    flags = thing.lights
    # At night the eye of the camera is wide open, so less light dazzles it.
    dim = 1.0 - 0.35 * thing.night
    if flags & (LOW_BEAM | HIGH_BEAM | FOG):
        palette[Slot.HEADLIGHT, 3] = int(150 * dim)
    elif flags & POSITION:
        palette[Slot.HEADLIGHT, 3] = int(70 * dim)
    if flags & (POSITION | LOW_BEAM | HIGH_BEAM | FOG):
        palette[Slot.TAILLIGHT] = (255, 30, 20, int(62 * dim))
    if thing.is_braking:
        palette[Slot.TAILLIGHT] = (255, 34, 24, int(96 * dim))
        palette[Slot.BRAKE_LIGHT] = (255, 34, 24, int(96 * dim))
    for flag, slot in ((LEFT_BLINKER, Slot.LEFT_BLINKER), (RIGHT_BLINKER, Slot.RIGHT_BLINKER)):
        if flags & flag and thing.has_blink:
            palette[slot] = (255, 150, 30, int(120 * dim))
    if flags & _SPECIAL:
        palette[Slot.BEACON] = (60, 110, 255, 140 if thing.has_blink else 20)


@kernel
def place(
    model: Model,
    rotation: F32,
    origin: F32,
    palette: U8,
    instance: int,
    first: int,
    tri: Triangles,
) -> None:
    """Write a model's faces into the buffers from face `first` on."""
    for f in range(len(model.slots)):
        k = first + f
        for c in range(3):
            x = model.corners[f, 3 * c]
            y = model.corners[f, 3 * c + 1]
            z = model.corners[f, 3 * c + 2]
            for a in range(3):
                moved = rotation[a, 0] * x + rotation[a, 1] * y + rotation[a, 2] * z
                tri.corners[k, 3 * c + a] = moved + origin[a]
        x, y, z = model.normals[f, 0], model.normals[f, 1], model.normals[f, 2]
        for a in range(3):
            tri.normals[k, a] = rotation[a, 0] * x + rotation[a, 1] * y + rotation[a, 2] * z
        for c in range(4):
            tri.colors[k, c] = palette[model.slots[f], c]
        tri.materials[k] = model.materials[f]
        tri.tags[k] = model.tags[f]
        tri.instances[k] = instance


def shadow_boxes(placed: Sequence[Placed]) -> F64:
    """Boxes of the things that throw shadows, for `stamp_moving`, (N, 8)."""
    rows = []
    for p in placed:
        thing = p.thing
        if thing.kind.startswith("traffic."):
            continue
        yaw = math.radians(thing.pose.yaw)
        hx, hy, hz = thing.half_extent
        if p.is_walker:
            hx = hy = 0.22
        x, y, z = thing.pose[:3]
        tall = 2.0 * hz * (0.85 if not p.is_walker else 0.95)
        rows.append((x, y, z, math.cos(yaw), math.sin(yaw), hx * 0.94, hy * 0.92, tall))
    return np.array(rows, np.float64).reshape(-1, 8)


def beams_of(placed: Sequence[Placed], light: Light, limit: int = 7) -> F64:
    """Headlight beams of the nearest vehicles, for `beam_light`, (N, 8); none by day."""
    rows: list[tuple[float, ...]] = []
    if light.night <= 0.0:
        return np.zeros((0, 8))
    for p in placed:
        flags = p.thing.lights
        if not p.thing.kind.startswith("vehicle.") or not flags & (LOW_BEAM | HIGH_BEAM | FOG):
            continue
        if p.distance_m > 90.0 or len(rows) == limit:
            break
        forward, up = p.rotation[:, 0].astype(np.float64), p.rotation[:, 2].astype(np.float64)
        at = np.array(p.thing.pose[:3]) + forward * (p.thing.half_extent[0] + 0.1) + up * 0.68
        high = bool(flags & HIGH_BEAM)
        aim = forward - up * (-0.005 if high else 0.02)
        aim /= np.linalg.norm(aim)
        rows.append(
            (*at, *aim, HIGH_BEAM_POWER if high else LOW_BEAM_POWER, 75.0 if high else 48.0)
        )
    return np.array(rows, np.float64).reshape(-1, 8)


def lamp_points(placed: Sequence[Placed]) -> F64:
    """Points of light on vehicles: position, direction, colour, 1 for headlights; (N, 10)."""
    rows: list[tuple[float, ...]] = []
    for p in placed:
        thing = p.thing
        flags = thing.lights
        is_braking = flags & BRAKE or thing.brake > 0.05
        if not thing.kind.startswith("vehicle.") or not (flags or is_braking):
            continue
        front = rear = None
        if flags & (LOW_BEAM | HIGH_BEAM | FOG):
            power = HIGH_BEAM_POWER if flags & HIGH_BEAM else LOW_BEAM_POWER
            front = (power, power * 0.96, power * 0.86, 1.0)
        elif flags & POSITION:
            front = (3.0, 2.9, 2.6, 1.0)
        if is_braking:
            rear = (1.7, 0.10, 0.06, 0.0)
        elif flags & (POSITION | LOW_BEAM | HIGH_BEAM | FOG):
            rear = (0.5, 0.03, 0.02, 0.0)
        hx, hy, _ = thing.half_extent
        is_bike = style_of(thing.kind) in ("motorcycle", "bicycle")
        r = p.rotation.tolist()
        for side in (0.0,) if is_bike else (-0.64 * hy, 0.64 * hy):
            for sign, lamp, rise in ((1.0, front, 0.68), (-1.0, rear, 0.85)):
                if lamp is not None:
                    local = (sign * (hx + 0.04), side, rise)
                    at = [
                        thing.pose[a] + sum(r[a][c] * local[c] for c in range(3)) for a in range(3)
                    ]
                    rows.append((*at, sign * r[0][0], sign * r[1][0], sign * r[2][0], *lamp))
    return np.array(rows, np.float64).reshape(-1, 10)
