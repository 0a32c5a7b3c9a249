"""Which parts of a town are there: CARLA's map layers, and single things that are switched off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simulator.types import F64, Layer, Material, Mesh, Obstacle, Scenery, SignalSpec, Tag

Mask = NDArray[np.bool_]
Color = tuple[int, int, int]

# `carla/rpc/MapLayer.h` 0.9.16. No town here has decals, parked vehicles or particles.
BUILDINGS, FOLIAGE, GROUND, PROPS, STREET_LIGHTS, WALLS = 1, 4, 8, 64, 128, 256
ALL_LAYERS = 0xFFFF
_TAGS: dict[int, tuple[Tag, ...]] = {
    BUILDINGS: (Tag.BUILDINGS,),
    FOLIAGE: (Tag.VEGETATION,),
    GROUND: (Tag.TERRAIN, Tag.GROUND),
    PROPS: (Tag.STATIC, Tag.DYNAMIC, Tag.OTHER),
    WALLS: (Tag.WALLS, Tag.FENCES, Tag.GUARD_RAIL),
}
_LAMP_REACH_M = 2.6  # from the bulb to the foot of its pole, in the plan
_LAMP_HALF_M = 3.0  # poles of signs and signals are lower
_BULB_M = 0.6
_SIGNAL_M = 0.8  # around the pole of a traffic light
_BOX_MARGIN_M = 0.2
_CROWN_M = 4.0  # around a trunk, whose box is all that is known of a plant
_UNDER_M = -10_000.0  # where hidden obstacles go, so that the others keep their numbers


@dataclass(frozen=True)
class MapLayers:
    """Loaded layers, ids of objects and street lamps that are switched off, and new colours."""

    loaded: int = ALL_LAYERS  # flags of the layers
    hidden: frozenset[int] = frozenset()
    dark: frozenset[int] = frozenset()
    paint: tuple[tuple[int, Color], ...] = ()  # by object, each once

    def painted(self, objects: Iterable[int], color: Color) -> MapLayers:
        """These layers with some objects in one colour."""
        paint = dict(self.paint) | dict.fromkeys(objects, color)
        return replace(self, paint=tuple(sorted(paint.items())))


EVERYTHING = MapLayers()


def missing(obstacles: Sequence[Obstacle], layers: int) -> Mask:
    """Which obstacles belong to layers that are not loaded, (N,)."""
    rows = np.array(obstacles, np.float64).reshape(-1, len(Obstacle._fields))
    tags = rows[:, -1].astype(np.int64)
    gone: Mask = np.isin(tags, _tags_without(layers))
    if not layers & STREET_LIGHTS:
        gone |= (tags == Tag.POLES) & (rows[:, 6] > _LAMP_HALF_M)
    return gone


def show_layers(scenery: Scenery, shown: MapLayers, signals: Sequence[SignalSpec]) -> Scenery:
    """A town without what is not to be there; obstacles keep their numbers and lie far below."""
    if shown == EVERYTHING:
        return scenery
    gone = missing(scenery.obstacles, shown.loaded)
    gone[[number - 1 for number in shown.hidden]] = True
    hidden = [scenery.obstacles[number - 1] for number in sorted(shown.hidden)]
    lit: Mask = np.full(len(scenery.lamps), bool(shown.loaded & STREET_LIGHTS))
    lit[[number - 1 for number in shown.dark]] = False
    lamps = scenery.lamps[lit]
    layers = []
    for layer in scenery.layers:
        mesh = _without(layer.mesh, scenery, shown, hidden, signals)
        mesh = _unlit(mesh, scenery.lamps[~lit].astype(np.float64))
        mesh = _painted(mesh, scenery.obstacles, shown.paint)
        if len(mesh.faces):
            layers.append(Layer(mesh, layer.near_m, layer.far_m))
    boxes = tuple(
        box._replace(z=_UNDER_M) if is_gone else box
        for box, is_gone in zip(scenery.obstacles, gone, strict=True)
    )
    return Scenery(tuple(layers), boxes, lamps, scenery.lamp_directions[lit])


def _tags_without(layers: int) -> list[int]:
    return [int(tag) for flag, tags in _TAGS.items() if not layers & flag for tag in tags]


def _feet(signals: Sequence[SignalSpec]) -> F64:
    return np.array([signal.pose[:2] for signal in signals], np.float64).reshape(-1, 2)


def _near(points: F64, others: F64, reach_m: float) -> Mask:
    """Which points have one of the others within reach, (N,)."""
    found: Mask = np.zeros(len(points), bool)
    for other in others:
        found |= np.hypot(*(points - other).T) < reach_m
    return found


def _without(
    mesh: Mesh, scenery: Scenery, shown: MapLayers, hidden: Sequence[Obstacle],
    signals: Sequence[SignalSpec],
) -> Mesh:  # fmt: skip
    gone: Mask = np.isin(mesh.tags, _tags_without(shown.loaded))
    corners = mesh.positions[mesh.faces].astype(np.float64)  # (F, 3, 3)
    if not shown.loaded & STREET_LIGHTS:
        poles = np.flatnonzero(mesh.tags == Tag.POLES)
        middle = corners[poles].mean(axis=1)[:, :2]
        lamp = _near(middle, scenery.lamps[:, :2].astype(np.float64), _LAMP_REACH_M)
        gone[poles[lamp & ~_near(middle, _feet(signals), _SIGNAL_M)]] = True
    for thing in hidden:
        gone |= _part_of(thing, corners, mesh.tags)
    if not gone.any():
        return mesh
    kept = ~gone
    return replace(
        mesh, faces=mesh.faces[kept], colors=mesh.colors[kept],
        materials=mesh.materials[kept], tags=mesh.tags[kept],
    )  # fmt: skip


def _unlit(mesh: Mesh, bulbs: F64) -> Mesh:
    """Glass that does not glow, where bulbs are off."""
    glowing = np.flatnonzero(mesh.materials == Material.LAMP)
    if not len(bulbs) or not len(glowing):
        return mesh
    middle = mesh.positions[mesh.faces[glowing]].astype(np.float64).mean(axis=1)
    materials = mesh.materials.copy()
    materials[glowing[_near(middle[:, :2], bulbs[:, :2], _BULB_M)]] = Material.METAL
    return replace(mesh, materials=materials)


def _painted(mesh: Mesh, obstacles: Sequence[Obstacle], paint: Sequence[tuple[int, Color]]) -> Mesh:
    """Things in the colours that clients gave them."""
    if not paint:
        return mesh
    corners, colors = mesh.positions[mesh.faces].astype(np.float64), mesh.colors.copy()
    for number, color in paint:
        colors[_part_of(obstacles[number - 1], corners, mesh.tags)] = color
    return replace(mesh, colors=colors)


def _part_of(thing: Obstacle, corners: F64, tags: NDArray[np.uint8]) -> Mask:
    """Which faces a thing consists of: those of its tag within its box; of plants the crown too."""
    yaw = np.radians(thing.yaw)
    offset = corners - np.array(thing[:3])
    ahead = offset[..., 0] * np.cos(yaw) + offset[..., 1] * np.sin(yaw)
    aside = offset[..., 1] * np.cos(yaw) - offset[..., 0] * np.sin(yaw)
    same: Mask = tags == thing.tag
    if thing.tag == Tag.VEGETATION and max(thing.half_x, thing.half_y) < 1.0:
        near: Mask = np.hypot(ahead, aside).max(axis=1) < _CROWN_M
        same &= near
        return same
    sizes = (thing.half_x, thing.half_y, thing.half_z)
    inside: Mask = np.ones(len(corners), bool)
    for axis, half in zip((ahead, aside, offset[..., 2]), sizes, strict=True):
        inside &= (np.abs(axis) <= half + _BOX_MARGIN_M).all(axis=1)
    same &= inside
    return same
