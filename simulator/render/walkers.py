"""Meshes of people on foot, posed by the phase of their step."""

from __future__ import annotations

import math

import numpy as np

from simulator.render.solids import Model, Slot, Solid, point
from simulator.types import F64, Tag

PHASES = 12
_HEIGHT_M = 1.78  # of the figure below before scaling


def gait(speed_mps: float, age_s: float) -> tuple[int, int]:
    """Phase of the step and its width: 0 stands, 1 strolls, 2 walks, 3 runs."""
    width = 0 if speed_mps < 0.15 else 1 if speed_mps < 0.9 else 2 if speed_mps < 2.2 else 3
    if width == 0:
        return 0, 0
    steps_per_s = (0.0, 0.75, 0.95, 1.4)[width]
    return int(age_s * steps_per_s * PHASES) % PHASES, width


def build_walker(height_m: float, phase: int, width: int, *, has_skirt: bool) -> Model:
    """Mesh of a person.

    Args:
        height_m: from sole to crown.
        phase: of the double step, 0 to PHASES - 1.
        width: of the step, see `gait`.
        has_skirt: a coat or skirt to the knee.
    """
    solid = Solid(Tag.PEDESTRIANS)
    angle = 2.0 * math.pi * phase / PHASES
    swing = (0.0, 0.30, 0.50, 0.75)[width]
    lean = (0.0, 0.02, 0.05, 0.16)[width]
    hip = np.array([0.0, 0.0, 0.93 - 0.10 * swing * abs(math.sin(angle)) * 0.5])
    chest = hip + point(0.40 * lean, 0.0, 0.50)
    solid.ball(hip + point(0.0, 0, 0.04), (0.125, 0.165, 0.14), Slot.TROUSERS, sides=8, rings=4)
    solid.ball(hip + (chest - hip) * 0.58, (0.135, 0.185, 0.30), Slot.PAINT, sides=8)
    solid.ball(chest + point(0, 0, -0.05), (0.125, 0.215, 0.13), Slot.PAINT, sides=8, rings=4)
    head = chest + point(0.03 + 0.2 * lean, 0.0, 0.235)
    solid.tube(chest, head, (0.06, 0.055), Slot.SKIN, sides=6)
    solid.ball(head, (0.105, 0.085, 0.125), Slot.SKIN, sides=8)
    crown = head + point(-0.018, 0.0, 0.012)
    solid.ball(crown, (0.112, 0.095, 0.13), Slot.HAIR, sides=8, rings=3, low=0.0)
    back = head + point(-0.045, 0.0, -0.01)
    solid.ball(back, (0.075, 0.09, 0.12), Slot.HAIR, sides=6, rings=3)
    if has_skirt:
        solid.tube(
            hip + point(0, 0, 0.02), hip + point(0, 0, -0.42), (0.15, 0.23), Slot.PAINT, sides=8
        )
    for side in (-1.0, 1.0):
        stride = math.sin(angle) * side
        bend = max(0.0, -math.cos(angle) * side)
        _leg(solid, hip, side, swing * stride, swing * 1.3 * bend)
        _arm(solid, chest, side, -swing * 0.9 * stride, 0.25 + 0.9 * lean * 6.0)
    model = solid.model()
    return model._replace(corners=model.corners * np.float32(height_m / _HEIGHT_M))


def _turned(angle: float, length: float) -> F64:
    """A limb of a length that hangs down, swung forward by an angle in rad."""
    return np.array([math.sin(angle) * length, 0.0, -math.cos(angle) * length])


def _leg(solid: Solid, hip: F64, side: float, thigh: float, knee: float) -> None:
    start = hip + point(0.0, 0.095 * side, 0.0)
    joint = start + _turned(thigh, 0.43)
    ankle = joint + _turned(thigh - knee, 0.42)
    solid.tube(start, joint, (0.088, 0.066), Slot.TROUSERS, sides=6)
    solid.tube(joint, ankle, (0.066, 0.048), Slot.TROUSERS, sides=6)
    solid.box(ankle + point(0.055, 0.0, -0.035), (0.13, 0.045, 0.045), Slot.SHOES)


def _arm(solid: Solid, chest: F64, side: float, upper: float, elbow: float) -> None:
    start = chest + point(0.0, 0.215 * side, -0.01)
    joint = start + _turned(upper, 0.29) + point(0.0, 0.04 * side, 0.0)
    hand = joint + _turned(upper + elbow, 0.26)
    solid.tube(start, joint, (0.058, 0.046), Slot.PAINT, sides=6)
    solid.tube(joint, hand, (0.046, 0.034), Slot.PAINT, sides=6)
    solid.ball(hand, (0.045, 0.035, 0.06), Slot.SKIN, sides=5, rings=3)
