"""Doors, bonnet and boot lid of a vehicle, drawn only while they are open."""

from __future__ import annotations

import math

import numpy as np

from simulator.render.solids import Slot, Solid
from simulator.types import F64

# Bits of `Drawable.doors`, in the order of CARLA's VehicleDoor.
FRONT_LEFT, FRONT_RIGHT, REAR_LEFT, REAR_RIGHT, HOOD, TRUNK = (1 << i for i in range(6))
_SIDES = (
    (FRONT_LEFT, 0.34, -1.0), (FRONT_RIGHT, 0.34, 1.0),
    (REAR_LEFT, -0.08, -1.0), (REAR_RIGHT, -0.08, 1.0),
)  # fmt: skip
_SIDE_LONG = 0.40  # of half the vehicle
_SIDE_OPEN, _LID_OPEN = math.radians(65.0), math.radians(55.0)
_LID_LONG, _LID_HIGH = 0.5, 0.6
_THICK_M = 0.06


def open_doors(solid: Solid, half: tuple[float, float, float], doors: int) -> None:
    """Add what is open as panels on their hinges; openings are not cut out.

    Args:
        solid: the vehicle.
        half: half extents of its bounding box, m.
        doors: bits of what is open.
    """
    length, width, height = half[0], 0.92 * half[1], 2.0 * half[2]
    for bit, hinge, side in _SIDES:
        if doors & bit:
            foot = np.array([hinge * length, side * width, 0.2 * height])
            swing = np.array([-math.cos(_SIDE_OPEN), side * math.sin(_SIDE_OPEN), 0.0])
            rise = np.array([0.0, 0.0, 0.68 * height])
            _panel(solid, foot, _SIDE_LONG * length * swing, rise)
    for bit, way in ((HOOD, 1.0), (TRUNK, -1.0)):
        if doors & bit:
            foot = np.array([way * (1.0 - _LID_LONG) * length, -0.8 * width, _LID_HIGH * height])
            swing = np.array([way * math.cos(_LID_OPEN), 0.0, math.sin(_LID_OPEN)])
            across = np.array([0.0, 1.6 * width, 0.0])
            _panel(solid, foot, 0.9 * _LID_LONG * length * swing, across)


def _panel(solid: Solid, corner: F64, along: F64, up: F64) -> None:
    """A plate over two edges, seen from both sides."""
    normal = np.cross(along, up)
    deep = normal / np.linalg.norm(normal) * _THICK_M
    points = np.array([corner + a * along + b * up + c * deep
                       for c in (0.0, 1.0) for b in (0.0, 1.0) for a in (0.0, 1.0)])  # fmt: skip
    sides = ((0, 1, 5, 4), (1, 3, 7, 5), (3, 2, 6, 7), (2, 0, 4, 6), (4, 5, 7, 6), (0, 2, 3, 1))
    for a, b, c, d in sides:
        solid.triangles(points, [(a, b, c), (a, c, d)], Slot.PAINT)
