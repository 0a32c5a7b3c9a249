"""Where car and target are on the road after a step."""

from __future__ import annotations

from dataclasses import dataclass

from fusiondrive.types import WorldState
from harness.track.contact import Box
from harness.track.road import Straight
from harness.track.stage import Performer, Stage


@dataclass(frozen=True)
class Situation:
    """The state after the tick of a step, on the road."""

    step: int
    time_s: float
    state: WorldState
    car: Box
    target: Performer | None
    there: Box | None  # where the target is

    @property
    def gap_m(self) -> float | None:
        """From the car's front bumper to the target."""
        if self.there is None:
            return None
        near = self.there.along_m - self.there.half_along_m
        return near - self.car.along_m - self.car.half_along_m

    @property
    def is_in_the_way(self) -> bool:
        """Whether the target is in front of the car."""
        if self.there is None or self.gap_m is None or self.gap_m < 0.0:
            return False
        reach_m = self.car.half_right_m + self.there.half_right_m
        return abs(self.there.right_m - self.car.right_m) <= reach_m

    def ttc_s(self, speed_mps: float) -> float | None:
        """Time to collision at constant speeds; None where nothing comes nearer."""
        if self.gap_m is None or self.target is None:
            return None
        closing = speed_mps - self.target.script.motion(self.time_s).along_mps
        return self.gap_m / closing if closing > 0.0 else None


def situation_of(
    step: int, time_s: float, state: WorldState, stage: Stage, road: Straight
) -> Situation:
    """Put a state on the road.

    Args:
        step: whose tick gave it.
        time_s: since the first look.
        state: the world's.
        stage: the actors.
        road: on which they are.
    """
    ego, target = state.ego, stage.target
    place = road.place(ego.pose)
    car = Box(place.ahead, place.right, ego.box_extent[0], ego.box_extent[1])
    there = None if target is None else _box(target, state, road, time_s)
    return Situation(step, time_s, state, car, target, there)


def _box(target: Performer, state: WorldState, road: Straight, time_s: float) -> Box:
    """Where the target truly is; its script says it where the snapshot lacks it."""
    found = next(
        (a for a in (*state.walkers, *state.vehicles) if a.actor_id == target.actor.id), None
    )
    box = target.script.box(time_s, target.half)
    if found is None:
        return box
    place = road.place(found.pose)
    return box._replace(along_m=place.ahead, right_m=place.right)
