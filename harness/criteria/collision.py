"""Collisions that count: by impulse and own motion; repeats of one collision are not counted."""

from __future__ import annotations

import math
from typing import NamedTuple

from fusiondrive.types import ActorKind, CollisionEvent
from harness.criteria.base import Event, EventKind, Step
from scenarios.hazards.kinds import BICYCLES

MIN_IMPULSE_NS = 400.0
MIN_EGO_SPEED_MPS = 0.1
SAME_ACTOR_S = 5.0
SAME_PLACE_M = 5.0


def is_valid(contact: CollisionEvent) -> bool:
    """Whether a contact of a moving ego is a collision: a hard one, or any with a person.

    A cyclist is a person, though CARLA calls it a vehicle; at its weight hardly any blow is hard.
    """
    is_person = contact.kind is ActorKind.PEDESTRIAN or contact.other_type in BICYCLES
    return is_person or contact.impulse > MIN_IMPULSE_NS


class _Hit(NamedTuple):
    time_s: float
    x: float
    y: float


class CollisionCriterion:
    """Reports each valid collision once.

    The ego's speed is that of the step before: an impact can stop the car within its own step.
    Scenery has no actor (id 0 on CARLA servers), so there only the place tells two hits apart.
    """

    def __init__(self) -> None:
        self._speed_before_mps: float | None = None
        self._last: _Hit | None = None
        self._last_of_actor: dict[int, float] = {}

    def update(self, step: Step) -> list[Event]:
        """Judge the contacts of this step."""
        speed = step.state.ego.speed_mps
        before = speed if self._speed_before_mps is None else self._speed_before_mps
        self._speed_before_mps = speed
        if before < MIN_EGO_SPEED_MPS:
            return []
        events = []
        for contact in step.state.collisions:
            if not is_valid(contact):
                continue
            if not self._is_same(contact, step.state.time_s):
                events.append(
                    Event(
                        EventKind.COLLISION,
                        step.state.time_s,
                        contact.x,
                        contact.y,
                        contact.impulse,
                        contact.kind,
                        contact.other_type,
                    )
                )
            self._last = _Hit(step.state.time_s, contact.x, contact.y)
            self._last_of_actor[contact.other_id] = step.state.time_s
        return events

    def _is_same(self, contact: CollisionEvent, time_s: float) -> bool:
        """Whether the contact belongs to a collision already reported."""
        seen_s = self._last_of_actor.get(contact.other_id)
        if contact.other_id != 0 and seen_s is not None and time_s - seen_s < SAME_ACTOR_S:
            return True
        if self._last is None:
            return False
        return math.hypot(contact.x - self._last.x, contact.y - self._last.y) < SAME_PLACE_M
