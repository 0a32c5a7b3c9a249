"""Small meshes put together from quads, boxes, tubes and balls, coloured by palette slots."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from simulator.types import F32, F64, U8, Material, Tag


class Slot(IntEnum):
    """Which colour of a palette a face wears."""

    PAINT = 0
    GLASS = 1
    TRIM = 2
    TYRE = 3
    RIM = 4
    HEADLIGHT = 5
    TAILLIGHT = 6
    BRAKE_LIGHT = 7
    LEFT_BLINKER = 8
    RIGHT_BLINKER = 9
    PLATE = 10
    SECOND = 11
    SKIN = 12
    HAIR = 13
    TROUSERS = 14
    SHOES = 15
    RED = 16
    YELLOW = 17
    GREEN = 18
    BEACON = 19


_MATERIALS = {
    Slot.PAINT: Material.CAR_PAINT,
    Slot.GLASS: Material.GLASS,
    Slot.TRIM: Material.PLAIN,
    Slot.TYRE: Material.TYRE,
    Slot.RIM: Material.METAL,
    Slot.HEADLIGHT: Material.HEADLIGHT,
    Slot.TAILLIGHT: Material.TAILLIGHT,
    Slot.BRAKE_LIGHT: Material.TAILLIGHT,
    Slot.LEFT_BLINKER: Material.TAILLIGHT,
    Slot.RIGHT_BLINKER: Material.TAILLIGHT,
    Slot.PLATE: Material.PLAIN,
    Slot.SECOND: Material.CAR_PAINT,
    Slot.SKIN: Material.SKIN,
    Slot.HAIR: Material.CLOTH,
    Slot.TROUSERS: Material.CLOTH,
    Slot.SHOES: Material.CLOTH,
    Slot.RED: Material.SIGNAL_RED,
    Slot.YELLOW: Material.SIGNAL_YELLOW,
    Slot.GREEN: Material.SIGNAL_GREEN,
    Slot.BEACON: Material.PLAIN,
}


def point(x: float, y: float, z: float) -> F64:
    """A point or step in metres."""
    return np.array([x, y, z], np.float64)


class Model(NamedTuple):
    """A mesh in its own frame: x forward, y right, z up, origin on the ground below its centre."""

    corners: F32  # (F, 9) m
    normals: F32  # (F, 3)
    slots: U8  # (F,) Slot
    materials: U8  # (F,)
    tags: U8  # (F,)


class Solid:
    """Collects faces; `model()` ends it."""

    def __init__(self, tag: Tag) -> None:
        self.tag = tag
        self._corners: list[F64] = []
        self._slots: list[int] = []
        self._materials: list[int] = []
        self._tags: list[int] = []

    def triangles(
        self, points: ArrayLike, faces: ArrayLike, slot: Slot, material: Material | None = None
    ) -> None:
        """Add faces given as indices of points."""
        corners = np.asarray(points, np.float64)[np.asarray(faces, np.int64)]
        kind = _MATERIALS[slot] if material is None else material
        self._corners.append(corners.reshape(-1, 9))
        self._slots += [int(slot)] * len(corners)
        self._materials += [int(kind)] * len(corners)
        self._tags += [int(self.tag)] * len(corners)

    def quad(
        self,
        a: ArrayLike,
        b: ArrayLike,
        c: ArrayLike,
        d: ArrayLike,
        slot: Slot,
        material: Material | None = None,
    ) -> None:
        """Add a quadrilateral a-b-c-d."""
        points = np.array([a, b, c, d], np.float64)
        self.triangles(points, [(0, 1, 2), (0, 2, 3)], slot, material)

    def box(
        self,
        centre: ArrayLike,
        half: ArrayLike,
        slot: Slot,
        material: Material | None = None,
        *,
        lean: float = 0.0,
    ) -> None:
        """Add a box; `lean` moves its upper face along x."""
        signs = np.array([(x, y, z) for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)])
        points = np.asarray(centre) + signs * np.asarray(half)
        points[4:, 0] += lean
        sides = ((0, 1, 5, 4), (1, 3, 7, 5), (3, 2, 6, 7), (2, 0, 4, 6), (4, 5, 7, 6), (0, 1, 3, 2))
        for a, b, c, d in sides:
            self.triangles(points, [(a, b, c), (a, c, d)], slot, material)

    def tube(
        self,
        start: ArrayLike,
        end: ArrayLike,
        radii: tuple[float, float],
        slot: Slot,
        *,
        sides: int = 8,
        caps: Slot | None = None,
    ) -> None:
        """Add a round bar from start to end, with discs of slot `caps` at both ends if given."""
        a, b = np.asarray(start, float), np.asarray(end, float)
        axis = (b - a) / np.linalg.norm(b - a)
        helper = np.array([0.0, 0.0, 1.0]) if abs(axis[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
        u = np.cross(axis, helper)
        u /= np.linalg.norm(u)
        w = np.cross(axis, u)
        angle = np.arange(sides) * 2.0 * np.pi / sides
        ring = np.cos(angle)[:, None] * u + np.sin(angle)[:, None] * w
        points = np.concatenate([a + ring * radii[0], b + ring * radii[1], [a, b]])
        n = np.arange(sides)
        m = (n + 1) % sides
        self.triangles(points, np.stack([n, m, n + sides], 1), slot)
        self.triangles(points, np.stack([m, m + sides, n + sides], 1), slot)
        if caps is not None:
            hub = np.full(sides, 2 * sides)
            self.triangles(points, np.stack([n, m, hub], 1), caps)
            self.triangles(points, np.stack([n + sides, m + sides, hub + 1], 1), caps)

    def ball(
        self,
        centre: ArrayLike,
        radii: ArrayLike,
        slot: Slot,
        *,
        sides: int = 8,
        rings: int = 5,
        low: float = -90.0,
    ) -> None:
        """Add an ellipsoid, or its part above latitude `low` in degrees."""
        latitude = np.radians(np.linspace(low, 90.0, rings + 1))
        angle = np.arange(sides) * 2.0 * np.pi / sides
        unit = np.stack(
            [
                np.cos(latitude)[:, None] * np.cos(angle),
                np.cos(latitude)[:, None] * np.sin(angle),
                np.repeat(np.sin(latitude)[:, None], sides, 1),
            ],
            -1,
        ).reshape(-1, 3)
        points = np.asarray(centre) + unit * np.asarray(radii)
        faces = []
        for k in range(rings):
            for n in range(sides):
                a, b = k * sides + n, k * sides + (n + 1) % sides
                faces += [(a, b, a + sides), (b, b + sides, a + sides)]
        self.triangles(points, faces, slot)

    def loft(self, rings: ArrayLike, slots: Sequence[Slot], *, closed: bool = False) -> None:
        """Skin rings (R, P, 3); the strip after point p wears slots[p]."""
        points = np.asarray(rings, np.float64)
        count = points.shape[1]
        for p in range(count if closed else count - 1):
            q = (p + 1) % count
            for k in range(len(points) - 1):
                self.quad(points[k, p], points[k, q], points[k + 1, q], points[k + 1, p], slots[p])

    def model(self) -> Model:
        """The finished mesh, without faces that have no area."""
        corners = np.concatenate(self._corners)
        a, b, c = corners[:, :3], corners[:, 3:6], corners[:, 6:]
        normals = np.cross(b - a, c - a)
        size = np.linalg.norm(normals, axis=1)
        real = size > 1e-9
        return Model(
            np.ascontiguousarray(corners[real], np.float32),
            np.ascontiguousarray(normals[real] / size[real, None], np.float32),
            np.array(self._slots, np.uint8)[real],
            np.array(self._materials, np.uint8)[real],
            np.array(self._tags, np.uint8)[real],
        )
