"""Freezes a moment of a drive: where everybody is, what lights show, what the expert does."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import carla

from fusiondrive.geometry import to_heading
from fusiondrive.types import ActorKind, ActorState, Control, Observation, Pose, WorldState
from harness.drive import Drive
from harness.hazard_watch import ahead_of_bumper_m
from harness.perception.poses import ACTOR_CAUSES, BRAKES, FrozenPose, PosedActor
from harness.session import DELTA_S
from policies.corridor import Hazard
from policies.expert import ExpertPolicy
from scenarios.hazards.kinds import DESIGN_SPEED_KMH
from scenarios.hazards.scene import Scene
from scenarios.hazards.script import Phase
from scenarios.oncoming import OncomingCar

AHEAD_M, HALF_VIEW_DEG = 160.0, 65.0  # road users farther or more aside are in no picture ...
AROUND_M = 35.0  # ... unless they are this near: their lamps and shadows may be
LIT_HAZARDS = ("HardBreakRoute",)  # whose car has its lamps on at night; the others are dark
TOUCH_M = 6.0  # a car that only would be there is none where another vehicle is
FINE, COARSE = 3, 2  # digits of metres and degrees: of the ego, of all others


class _Known(NamedTuple):
    """What does not change of an actor."""

    actor: carla.Actor
    kind: str
    role: str
    paint: str


def light_order(world: carla.World) -> list[carla.TrafficLight]:
    """A town's traffic lights in an order that is the same on every server."""
    lights = list(world.get_actors().filter("traffic.traffic_light*"))
    places = {light.id: light.get_location() for light in lights}
    return sorted(
        lights, key=lambda t: (round(places[t.id].x, 1), round(places[t.id].y, 1), str(t.id))
    )


def brakes_for_somebody(cause: Hazard | None, control: Control) -> bool:
    """Whether an answer of the expert brakes for a vehicle or a person."""
    return cause is not None and cause.kind.value in ACTOR_CAUSES and control.brake >= BRAKES


class MomentReader:
    """Reads moments of one drive; `advance` once a step, as the drive's own parts."""

    def __init__(self, drive: Drive, number: int) -> None:
        """Get to know a drive.

        Args:
            drive: under way.
            number: of it within its town.
        """
        session = drive.setup.session
        self._drive, self._number = drive, number
        self._world = session.world
        self._lights = light_order(session.world)
        self._known: dict[int, _Known] = {}
        self._oncoming = OncomingCar(
            session.world, session.map, drive.ego, drive.spec.seed, DELTA_S, is_shown=False
        )

    def advance(self) -> None:
        """Let the car that is not there go on; before every tick, after the moment was read."""
        self._oncoming.advance()

    def hazard(self, state: WorldState) -> tuple[str, float | None]:
        """Name of the nearest scripted hazard that acts ahead, and metres to it."""
        course = self._drive.course
        found: list[tuple[float, str]] = []
        if course is not None:
            scene = Scene(state, course.way)
            for script in course.scripts:
                main = scene.by_id.get(script.main_id)
                if script.phase is Phase.ACTING and main is not None:
                    ahead_m = ahead_of_bumper_m(script, scene, main)
                    if ahead_m > 0.0:
                        found.append((ahead_m, script.placed.kind))
        distance_m, name = min(found, default=(None, ""))
        return name, None if distance_m is None else round(distance_m, COARSE)

    def read(
        self, observation: Observation, state: WorldState, control: Control, expert: ExpertPolicy
    ) -> FrozenPose:
        """The present moment.

        Args:
            observation: of this step.
            state: likewise.
            control: the expert's answer to it.
            expert: which has just given it.
        """
        ego, spec = state.ego, self._drive.spec
        name, hazard_m = self.hazard(state)
        cause = expert.hazard
        actors = [self._posed(item, ego) for item in (*state.vehicles, *state.walkers)
                  if may_show(item, ego.pose)]  # fmt: skip
        return FrozenPose(
            town=spec.town,
            drive=self._number,
            step=self._drive.steps,
            route_id=spec.route_id,
            seed=spec.seed,
            speed_kmh=spec.speed_kmh or DESIGN_SPEED_KMH,
            time_s=round(observation.time_s, FINE),
            ego=_rounded(ego.pose, FINE),
            forward_speed_mps=round(observation.forward_speed_mps, FINE),
            command=int(observation.command),
            target_point=(
                round(observation.target_point[0], FINE),
                round(observation.target_point[1], FINE),
            ),
            steer=round(control.steer, 4),
            throttle=round(control.throttle, 4),
            brake=round(control.brake, 4),
            wanted_mps=round(expert.wanted_mps, FINE),
            cause="" if cause is None else cause.kind.value,
            gap_m=None if cause is None else round(cause.gap_m, COARSE),
            hazard=name,
            hazard_m=hazard_m,
            lights="".join(str(int(light.get_state())) for light in self._lights),
            oncoming=self._oncoming_pose(state),
            actors=tuple(sorted(actors, key=lambda item: item.number)),
        )

    def _oncoming_pose(self, state: WorldState) -> Pose | None:
        pose = self._oncoming.pose
        if pose is None or any(_apart_m(pose, item.pose) < TOUCH_M for item in state.vehicles):
            return None
        return _rounded(pose, COARSE)

    def _posed(self, state: ActorState, ego: ActorState) -> PosedActor:
        known = self._about(state)
        is_vehicle = state.kind is ActorKind.VEHICLE
        braking = is_vehicle and known.actor.get_control().brake > BRAKES
        pose = _rounded(state.pose, COARSE)
        return PosedActor(
            number=state.actor_id - ego.actor_id,
            blueprint=state.type_id,
            kind=known.kind,
            role=known.role,
            paint=known.paint,
            x=pose.x,
            y=pose.y,
            z=pose.z,
            pitch=pose.pitch,
            yaw=pose.yaw,
            roll=pose.roll,
            speed_mps=round(state.speed_mps, COARSE),
            box=tuple(round(v, FINE) for v in (*state.box_center, *state.box_extent)),
            is_braking=braking,
            is_lit=self._is_lit(state.actor_id, known),
        )

    def _about(self, state: ActorState) -> _Known:
        known = self._known.get(state.actor_id)
        if known is None:
            actor = self._world.get_actor(state.actor_id)
            facts = dict(actor.attributes)
            is_person = state.kind is ActorKind.PEDESTRIAN
            wheels = int(facts.get("number_of_wheels", 4))
            kind = "person" if is_person else "cyclist" if wheels == 2 else "car"
            role = "" if is_person else facts.get("role_name", "")
            paint = "" if is_person else facts.get("color", "")
            known = self._known[state.actor_id] = _Known(actor, kind, role, paint)
        return known

    def _is_lit(self, actor_id: int, known: _Known) -> bool:
        """Whether an actor's lamps would shine at night, as `scenarios` switches them."""
        if known.role == "autopilot":
            return True
        course = self._drive.course
        scripts = () if course is None else course.scripts
        return any(
            actor_id in item.actor_ids and item.placed.kind in LIT_HAZARDS for item in scripts
        )


def may_show(actor: ActorState, ego: Pose) -> bool:
    """Whether a picture from the ego may show an actor, its shadow or its lamps."""
    ahead, right = to_heading(actor.pose.x - ego.x, actor.pose.y - ego.y, ego.yaw)
    apart_m = math.hypot(ahead, right)
    if apart_m <= AROUND_M:
        return True
    return apart_m <= AHEAD_M and abs(math.degrees(math.atan2(right, ahead))) <= HALF_VIEW_DEG


def _apart_m(first: Pose, second: Pose) -> float:
    return math.hypot(first.x - second.x, first.y - second.y)


def _rounded(pose: Pose, digits: int) -> Pose:
    values = {name: round(getattr(pose, name), digits) + 0.0 for name in Pose.__dataclass_fields__}
    return replace(pose, **values)
