"""What came of each hazard: when it was in view, when the ego braked, how close it was."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from fusiondrive.types import ActorKind, ActorState, CameraSpec, WorldState
from harness.criteria.collision import MIN_EGO_SPEED_MPS, is_valid
from results.hazards import HazardRecord
from scenarios.hazards.course import HazardCourse
from scenarios.hazards.kinds import stopping_m
from scenarios.hazards.scene import Scene
from scenarios.hazards.script import Phase, Script
from sensors.in_view import is_in_view

BRAKING = 1.0  # m/s^2 of deceleration: more than rolling out
OUT_OF_FRAME_M = 6.0  # nearer than this, who leaves the frame has been in view all the same
SIDE_MARGIN_M = 0.2  # beside both bodies, within which they are on one course
ACTIVE = (Phase.WAITING, Phase.ACTING)


@dataclass
class _Watched:
    """One hazard's record while it grows."""

    record: HazardRecord
    ids: set[int]  # of all actors that it ever had


class HazardWatch:
    """Keeps a record of each hazard of a drive; call `observe` once after each tick."""

    def __init__(self, course: HazardCourse, camera: CameraSpec | None, delta_s: float) -> None:
        self._course = course
        self._camera = camera
        self._delta_s = delta_s
        self._speed_mps = 0.0
        self._watched = [
            _Watched(
                HazardRecord(s.placed.number, s.placed.kind, round(s.placed.route_m, 3)), set()
            )
            for s in course.scripts
        ]

    @property
    def records(self) -> tuple[HazardRecord, ...]:
        """The records so far, in the order of the route."""
        return tuple(item.record.rounded() for item in self._watched)

    def observe(self, state: WorldState, extinction_per_m: float) -> None:
        """Take in a frame.

        Args:
            state: the world, with the progress along the route.
            extinction_per_m: of visible light in the present weather.
        """
        scene = Scene(state, self._course.way)
        before_mps, self._speed_mps = self._speed_mps, max(scene.speed_mps, 0.0)
        brakes = (before_mps - self._speed_mps) / self._delta_s >= BRAKING
        for item, script in zip(self._watched, self._course.scripts, strict=True):
            item.ids.update(script.actor_ids)
            if script.phase is Phase.AHEAD or not item.ids:
                continue
            item.record = _hit(item, state, before_mps)
            main = scene.by_id.get(script.main_id)
            if main is not None:
                item.record = self._met(item.record, script, scene, extinction_per_m)
                item.record = self._seen(item.record, script, scene, main, brakes=brakes)

    def _met(
        self, record: HazardRecord, script: Script, scene: Scene, extinction_per_m: float
    ) -> HazardRecord:
        """The greatest speed of the ego since the hazard acts, before it brakes."""
        if script.phase is not Phase.ACTING or record.braked_m is not None:
            return record
        speed_mps = max(scene.speed_mps, 0.0)
        if record.speed_mps is not None and record.speed_mps >= speed_mps:
            return record
        needed_m = stopping_m(speed_mps)
        return replace(
            record,
            is_met=True,
            speed_mps=speed_mps,
            stopping_m=needed_m,
            transmission=math.exp(-extinction_per_m * needed_m),
        )

    def _seen(
        self,
        record: HazardRecord,
        script: Script,
        scene: Scene,
        main: ActorState,
        *,
        brakes: bool,
    ) -> HazardRecord:
        ahead_m = ahead_of_bumper_m(script, scene, main)
        if ahead_m <= 0.0 or script.phase not in ACTIVE:
            return record
        is_seen = self._camera is not None and is_in_view(main, scene.state, self._camera)
        if is_seen and record.seen_m is None:
            record = replace(record, seen_m=ahead_m)
        elif not is_seen and ahead_m > OUT_OF_FRAME_M and record.braked_m is None:
            record = replace(record, seen_m=None)  # as behind the van, or in a bend of the road
        is_awaited = record.is_met and record.seen_m is not None and not record.was_hit
        if record.braked_m is None and is_awaited and brakes:
            record = replace(record, braked_m=ahead_m)
        time_s = _time_to_collision_s(script, scene, main, ahead_m)
        if time_s is not None and (record.min_ttc_s is None or time_s < record.min_ttc_s):
            record = replace(record, min_ttc_s=time_s)
        return record


def _hit(item: _Watched, state: WorldState, before_mps: float) -> HazardRecord:
    """The record, with the ego's speed before a contact that counts as a collision."""
    if item.record.was_hit or before_mps < MIN_EGO_SPEED_MPS:
        return item.record
    for contact in state.collisions:
        if is_valid(contact) and contact.other_id in item.ids:
            return replace(item.record, was_hit=True, impact_mps=before_mps)
    return item.record


def ahead_of_bumper_m(script: Script, scene: Scene, main: ActorState) -> float:
    """From the ego's bumper along the route to the hazard's near side."""
    place = scene.place_of(main, script.route_m)
    reach_m = main.box_extent[0] if main.kind is ActorKind.VEHICLE else max(main.box_extent[:2])
    return place.along_m - reach_m - scene.bumper_m


def _time_to_collision_s(
    script: Script, scene: Scene, main: ActorState, ahead_m: float
) -> float | None:
    """Time to collision at present speeds; None unless they are on one course and close up."""
    ego = scene.state.ego
    here = scene.place_of(ego, scene.ego_m)
    there = scene.place_of(main, script.route_m)
    both_m = ego.box_extent[1] + min(main.box_extent[:2]) + SIDE_MARGIN_M
    yaw = script.way.yaw(there.along_m)
    along_mps = main.velocity[0] * math.cos(yaw) + main.velocity[1] * math.sin(yaw)
    closing_mps = scene.speed_mps - along_mps
    if abs(here.right_m - there.right_m) > both_m or closing_mps < MIN_EGO_SPEED_MPS:
        return None
    return ahead_m / closing_mps
