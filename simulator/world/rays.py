"""Straight lines through the obstacles of a scene and the bodies of actors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from simulator.actors.models import ZERO, Actor
from simulator.types import F64
from simulator.world.scene import Scene

_LONGEST_M = 2000.0
_GROUND_STEP_M = 0.5


class Hit(NamedTuple):
    """Where a ray enters something; neither actor nor obstacle means the ground."""

    distance_m: float
    actor: Actor | None = None
    obstacle: int | None = None


def actor_box(actor: Actor) -> tuple[float, ...]:
    """The row of one actor, as in `Scene.obstacle_boxes`."""
    x, y, z = (p + c for p, c in zip(actor.pose[:3], actor.box_center, strict=True))
    return (x, y, z, actor.pose.yaw, *actor.half_extent)


def entries(boxes: F64, origin: F64, direction: F64, margin_m: float = 0.0) -> F64:
    """Distance at which a ray enters each box, (N,); infinite where it passes by.

    Args:
        boxes: (N, 7) as in `Scene.obstacle_boxes`.
        origin: (3,) m.
        direction: (3,) unit vector.
        margin_m: by how much the boxes are grown.
    """
    yaw = np.radians(boxes[:, 3])
    cos, sin = np.cos(yaw), np.sin(yaw)
    offset = origin - boxes[:, :3]
    local = np.stack([cos * offset[:, 0] + sin * offset[:, 1],
                      cos * offset[:, 1] - sin * offset[:, 0], offset[:, 2]], axis=1)  # fmt: skip
    run = np.stack([cos * direction[0] + sin * direction[1],
                    cos * direction[1] - sin * direction[0],
                    np.full(len(boxes), direction[2])], axis=1)  # fmt: skip
    run = np.where(np.abs(run) < 1e-12, 1e-12, run)
    half = boxes[:, 4:7] + margin_m
    a, b = (-half - local) / run, (half - local) / run
    enter, leave = np.minimum(a, b).max(axis=1), np.maximum(a, b).min(axis=1)
    return np.where((enter <= leave) & (leave >= 0.0), np.maximum(enter, 0.0), np.inf)


def cast(
    scene: Scene, actors: Iterable[Actor], origin: F64, direction: F64, reach_m: float, *,
    ignore: Actor | None = None, margin_m: float = 0.0, only_actors: bool = False,
) -> list[Hit]:  # fmt: skip
    """What a ray enters within its reach, nearest first."""
    hits = []
    bodies = [a for a in actors if a.has_body and a is not ignore and a.half_extent != ZERO]
    if bodies:
        boxes = np.array([actor_box(a) for a in bodies], np.float64)
        found = entries(boxes, origin, direction, margin_m)
        hits += [Hit(float(d), a) for d, a in zip(found, bodies, strict=True) if d <= reach_m]
    if not only_actors:
        found = entries(scene.obstacle_boxes, origin, direction, margin_m)
        near = np.flatnonzero(found <= reach_m)
        hits += [Hit(float(found[i]), None, int(i)) for i in near]
    return sorted(hits, key=lambda hit: hit.distance_m)


def free_length(
    scene: Scene, origin: F64, direction: F64, length_m: float, margin_m: float
) -> float:
    """How far a ball can roll before it meets an obstacle or the ground, m."""
    found = entries(scene.obstacle_boxes, origin, direction, margin_m)
    length = float(found.min(initial=length_m))
    below = origin - (0.0, 0.0, margin_m)
    ground = ground_distance(scene, below, direction, length)
    return length if ground is None else ground


def ground_distance(scene: Scene, origin: F64, direction: F64, reach_m: float) -> float | None:
    """Where a ray meets the ground, if it does so within its reach."""
    height = scene.ground.height
    reach_m = min(reach_m, _LONGEST_M)

    def above(distance: float) -> float:
        x, y, z = (float(v) for v in origin + direction * distance)
        return z - height(x, y, z)

    if above(0.0) < 0.0:
        return None
    low = 0.0
    for high in np.arange(_GROUND_STEP_M, reach_m + _GROUND_STEP_M, _GROUND_STEP_M):
        end = min(float(high), reach_m)
        if above(end) > 0.0:
            low = end
            continue
        for _ in range(20):
            middle = 0.5 * (low + end)
            low, end = (middle, end) if above(middle) > 0.0 else (low, middle)
        return end
    return None
