"""One step of a drive as the hazards' scripts see it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from fusiondrive.types import ActorState, Pose, WorldState
from scenarios.hazards.way import Place, Way

FREE_M = 8.0  # around the place of an actor that appears
ON_WAY_M = 2.2  # from the route's line: a vehicle there drives the ego's way


@dataclass(frozen=True)
class Scene:
    """One step as a script sees it."""

    state: WorldState
    way: Way
    leaving: frozenset[int] = frozenset()  # actors of hazards for which the ego has done its part
    _places: dict[int, Place] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def ego_m(self) -> float:
        """The ego's origin along the route."""
        assert self.state.progress is not None  # a drive always has it
        return self.state.progress.distance_m

    @cached_property
    def bumper_m(self) -> float:
        """The ego's front bumper along the route."""
        ego = self.state.ego
        return self.ego_m + ego.box_center[0] + ego.box_extent[0]

    @property
    def speed_mps(self) -> float:
        """The ego's, along its heading."""
        return self.state.ego.forward_speed_mps

    @cached_property
    def by_id(self) -> dict[int, ActorState]:
        """All other actors."""
        return {actor.actor_id: actor for actor in (*self.state.vehicles, *self.state.walkers)}

    def place_of(self, actor: ActorState, near_m: float) -> Place:
        """Where an actor is along the way, looked for around a place and found once a step."""
        if actor.actor_id not in self._places:
            self._places[actor.actor_id] = self.way.place_of(actor, near_m)
        return self._places[actor.actor_id]

    def is_first(self, until_m: float) -> bool:
        """Whether no vehicle that stays is on the ego's way up to a place on the route."""
        for other in self.state.vehicles:
            if other.actor_id in self.leaving:
                continue
            place = self.way.place_of(other, 0.5 * (self.bumper_m + until_m))
            is_between = self.bumper_m < place.along_m < until_m + FREE_M
            if is_between and abs(place.right_m) < ON_WAY_M:
                return False
        return True

    def is_free(self, place: Pose, radius_m: float, but: Sequence[int] = ()) -> bool:
        """Whether no vehicle but those named is near a place; the ego counts."""
        return not any(
            math.hypot(other.pose.x - place.x, other.pose.y - place.y) < radius_m
            for other in (self.state.ego, *self.state.vehicles)
            if other.actor_id not in but
        )
