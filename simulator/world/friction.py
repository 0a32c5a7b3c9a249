"""Volumes in which tyres hold differently: CARLA's `static.trigger.friction`.

As in CARLA all tyres of a vehicle change when its box enters the volume, and get back what they had
when it leaves.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from simulator.actors.models import Actor, FrictionTrigger, Vehicle
from simulator.blueprints.vehicles import grip_at
from simulator.physics import Physics
from simulator.types import F64, Pose

_PARALLEL = 1e-6  # of the product of two axes: those that lie alike span no third one


def apply_triggers(
    vehicles: Sequence[Vehicle], triggers: Sequence[FrictionTrigger], physics: Physics
) -> None:
    """Let vehicles enter and leave the volumes; the one that was spawned first counts."""
    for vehicle in vehicles:
        inside = next((t for t in triggers if _overlap(vehicle, t)), None)
        if inside is vehicle.trigger or not vehicle.has_body:
            continue
        vehicle.trigger = inside
        vehicle.road_friction = inside.friction if inside is not None else None
        spec = vehicle.spec
        if inside is not None:
            spec = replace(spec, grip=grip_at(vehicle.model.spec().grip, inside.friction))
        physics.set_spec(vehicle.actor_id, spec)


def _overlap(one: Actor, other: Actor) -> bool:
    """Whether two oriented boxes overlap, by separating axes."""
    frame_a, frame_b = one.pose.rotation_matrix(), other.pose.rotation_matrix()
    crossed = [np.cross(a, b) for a, b in itertools.product(frame_a.T, frame_b.T)]
    axes = np.array([*frame_a.T, *frame_b.T, *crossed])  # (15, 3)
    axes = axes[np.linalg.norm(axes, axis=1) > _PARALLEL]
    edges = np.hstack([frame_a * one.half_extent, frame_b * other.half_extent])  # (3, 6)
    reach = np.abs(axes @ edges).sum(axis=1)
    return bool((np.abs(axes @ (_center(other) - _center(one))) <= reach).all())


def _center(actor: Actor) -> F64:
    """Centre of the box of an actor in the world, (3,)."""
    return np.array(actor.pose.compose(Pose(*actor.box_center))[:3])
