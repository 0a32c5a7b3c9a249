"""Meshes of traffic lights and of things put on the road."""

from __future__ import annotations

from simulator.render.solids import Model, Slot, Solid
from simulator.types import Material, Tag

Extent = tuple[float, float, float]
SIGNAL_HEAD_M = 3.2  # height of the head's middle above the pole's foot


def build_signal() -> Model:
    """The head of a traffic light, looking along +x; its pole belongs to the scenery."""
    solid = Solid(Tag.TRAFFIC_LIGHT)
    _head(solid, 0.0, SIGNAL_HEAD_M, 0.0)
    return solid.model()


def _head(solid: Solid, y: float, z: float, x: float) -> None:
    solid.box((x + 0.09, y, z), (0.10, 0.17, 0.50), Slot.TRIM)
    solid.box((x - 0.02, y, z), (0.01, 0.25, 0.60), Slot.TRIM)
    for slot, rise in ((Slot.RED, 0.32), (Slot.YELLOW, 0.0), (Slot.GREEN, -0.32)):
        at = z + rise
        solid.tube((x + 0.19, y, at), (x + 0.205, y, at), (0.115, 0.115), slot, sides=10, caps=slot)
        for side in (-1, 1):
            solid.box((x + 0.26, y + side * 0.13, at + 0.03), (0.07, 0.008, 0.09), Slot.TRIM)
        solid.box((x + 0.26, y, at + 0.13), (0.07, 0.13, 0.008), Slot.TRIM)


def build_prop(kind: str, half: Extent) -> Model:
    """A prop fitted to its box: cones, barriers and benches are known, the rest are crates."""
    solid = Solid(Tag.DYNAMIC)
    hx, hy, hz = half
    if "cone" in kind:
        radius = min(hx, hy)
        solid.box((0, 0, 0.02 * hz), (hx, hy, 0.04 * hz), Slot.TRIM)
        bands = ((0.04, 0.75, Slot.PAINT), (0.75, 1.25, Slot.PLATE), (1.25, 2.0, Slot.PAINT))
        for low, high, slot in bands:
            wide = (radius * (0.85 - 0.36 * low), radius * (0.85 - 0.36 * high))
            solid.tube((0, 0, low * hz), (0, 0, high * hz), wide, slot, sides=10)
    elif "barrier" in kind:
        for k in range(6):
            y = hy * (-1 + (k + 0.5) / 3)
            slot = Slot.PAINT if k % 2 else Slot.PLATE
            solid.box((0, y, 1.5 * hz), (0.3 * hx, hy / 6, 0.4 * hz), slot)
        for side in (-1, 1):
            solid.box((0, side * 0.8 * hy, 0.6 * hz), (hx, 0.04, 0.6 * hz), Slot.TRIM)
    elif "bench" in kind:
        solid.box((0, 0, 1.0 * hz), (hx, hy, 0.06), Slot.SECOND, Material.PLAIN)
        solid.box((-0.8 * hx, 0, 1.5 * hz), (0.05, hy, 0.35 * hz), Slot.SECOND, Material.PLAIN)
        for side in (-1, 1):
            solid.box((0, side * 0.8 * hy, 0.5 * hz), (0.8 * hx, 0.04, 0.5 * hz), Slot.TRIM)
    else:
        solid.box((0, 0, hz), half, Slot.PAINT, Material.PLAIN)
    return solid.model()
