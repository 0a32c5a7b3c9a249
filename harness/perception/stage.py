"""Sets recorded poses up again on a server: one batch and one tick a pose, nothing moves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, NamedTuple

import carla

from fusiondrive.carla_types import transform_of
from fusiondrive.errors import SimulatorError
from fusiondrive.types import ActorKind, ActorState, CameraSpec, Closing, Pose
from harness.ego import lights_for, remove_ego, spawn_at
from harness.perception.moment import light_order
from harness.perception.poses import FrozenPose, PosedActor
from harness.session import Session
from scenarios.oncoming import BLUEPRINTS as ONCOMING_CARS
from scenarios.street_lamps import DarkStreets
from scenarios.weather import carla_weather, preset
from scenarios.weather_preset import WeatherPreset
from sensors.frame import RigFrame
from sensors.rig import SensorRig

PARKED = Pose(6000.0, 6000.0, 300.0)  # where actors wait that a pose does not need
PARKED_APART_M = 12.0
LIGHT_REACH_M = 150.0  # of traffic lights from the ego; the state of others is in no picture
WARM_UP_TICKS = 3
EGO_NUMBER, ONCOMING_NUMBER = 0, 1_000_000  # in place of ids: first and last of a scene
LIT = carla.VehicleLightState.Position | carla.VehicleLightState.LowBeam


class Look(NamedTuple):
    """Appearance by which a pool keeps actors."""

    blueprint: str
    paint: str
    role: str


class _Pooled:
    """An actor of the pool, with what the server was told of it last."""

    def __init__(self, actor: carla.Actor, parking: Pose, *, is_vehicle: bool) -> None:
        box = actor.bounding_box
        self.id = int(actor.id)
        self.parking = parking
        self.is_parked = True
        self.is_vehicle = is_vehicle
        self.lights = carla.VehicleLightState.NONE
        self.box = tuple(map(float, (
            *(box.location.x, box.location.y, box.location.z),
            *(box.extent.x, box.extent.y, box.extent.z),
        )))  # fmt: skip


class PoseStage(Closing):
    """A loaded town in one weather, in which pose after pose is set up and seen."""

    def __init__(
        self, session: Session, weather: str, camera: CameraSpec, *, with_thermal: bool = True
    ) -> None:
        """Set the weather and mount the cameras on a car that stands apart.

        Args:
            session: with the poses' town loaded; nobody else may be in it.
            weather: of all pictures.
            camera: of all spectra.
            with_thermal: whether class ids and depth are drawn as well.

        Raises:
            SimulatorError: the server refuses an actor.
        """
        self.session, self.weather = session, preset(weather)
        self._world = session.world
        self._pool: dict[Look, list[_Pooled]] = defaultdict(list)
        self._parked = 0
        self._shown: dict[int, carla.TrafficLightState] = {}
        self._owned = ExitStack()
        try:
            self._begin(camera, with_thermal=with_thermal)
        except RuntimeError as err:
            self.close()
            raise SimulatorError(f"could not set a pose up: {err}") from err
        except BaseException:
            self.close()
            raise

    def show(self, pose: FrozenPose) -> RigFrame:
        """Set a pose up and see it.

        Raises:
            SimulatorError: the server refuses an actor, or a picture does not come.
        """
        try:
            commands = [carla.command.ApplyTransform(self._ego.id, transform_of(pose.ego))]
            commands += self._arrange(cast_of(pose, self.weather))
            self._signal(pose)
            self.session.client.apply_batch(commands)
        except RuntimeError as err:
            raise SimulatorError(f"could not set pose {pose.key} up: {err}") from err
        return self._rig.read(self.session.tick())

    def actors(self, pose: FrozenPose) -> list[ActorState]:
        """Everybody in a pose as thermal camera and labels know them, the ego first."""
        box = self._ego.bounding_box
        ego = ActorState(
            EGO_NUMBER, self._ego.type_id, ActorKind.VEHICLE, pose.ego,
            (pose.forward_speed_mps, 0.0, 0.0),
            (box.location.x, box.location.y, box.location.z),
            (box.extent.x, box.extent.y, box.extent.z),
        )  # fmt: skip
        return [ego, *(_state(item) for item in self._boxed(cast_of(pose, self.weather)))]

    @property
    def bumper_m(self) -> float:
        """From the ego's origin to its front bumper."""
        box = self._ego.bounding_box
        return float(box.location.x + box.extent.x)

    def close(self) -> None:
        """Remove everything, then tick so that every client learns of it; may be called twice."""
        try:
            self._owned.close()
        except RuntimeError:
            return  # the server is gone, and everything with it

    def _begin(self, camera: CameraSpec, *, with_thermal: bool) -> None:
        self._world.set_weather(carla_weather(self.weather))
        self._world.freeze_all_traffic_lights(True)
        self._owned.callback(self._world.freeze_all_traffic_lights, False)
        self._owned.callback(self._last_tick)
        self._lights = light_order(self._world)
        if not self.weather.has_street_lamps:
            self._owned.enter_context(DarkStreets(self._world))
        self._owned.callback(self._clear)
        self._ego = spawn_at(self._world, self._next_parking())
        self._owned.callback(remove_ego, self._ego)
        self._ego.set_simulate_physics(False)
        self._ego.set_light_state(lights_for(self.weather))
        self._rig = self._owned.enter_context(
            SensorRig(self._world, self._ego, camera, with_thermal=with_thermal)
        )
        self.session.expect_slow_tick()
        for _ in range(WARM_UP_TICKS):
            wait_s = self.session.timeouts.first_tick_s
            self._rig.read(self.session.tick(), wait_s)

    def _last_tick(self) -> None:
        try:
            self.session.tick()
        except SimulatorError:
            return  # dead already

    def _clear(self) -> None:
        ids = [item.id for pooled in self._pool.values() for item in pooled]
        self._pool.clear()
        if ids:
            batch = [carla.command.DestroyActor(actor_id) for actor_id in ids]
            self.session.client.apply_batch_sync(batch, False)

    def _arrange(self, cast: Iterable[PosedActor]) -> list[Any]:
        """Commands that bring a cast to its places and everybody else to theirs."""
        used: dict[Look, int] = defaultdict(int)
        commands: list[Any] = []
        for item in cast:
            look = Look(item.blueprint, item.paint, item.role)
            if used[look] == len(self._pool[look]):
                self._pool[look].append(self._enter(look))
            pooled = self._pool[look][used[look]]
            used[look] += 1
            pooled.is_parked = False
            commands.append(carla.command.ApplyTransform(pooled.id, transform_of(item.pose)))
            lights = self._lights_of(item)
            if pooled.is_vehicle and lights != pooled.lights:
                pooled.lights = lights
                commands.append(carla.command.SetVehicleLightState(pooled.id, lights))
        for look, pool in self._pool.items():
            for pooled in pool[used[look] :]:
                if not pooled.is_parked:
                    pooled.is_parked = True
                    where = transform_of(pooled.parking)
                    commands.append(carla.command.ApplyTransform(pooled.id, where))
        return commands

    def _lights_of(self, item: PosedActor) -> carla.VehicleLightState:
        lights = LIT if item.is_lit and self.weather.is_night else carla.VehicleLightState.NONE
        if item.is_braking:
            lights |= carla.VehicleLightState.Brake
        return carla.VehicleLightState(lights)

    def _enter(self, look: Look) -> _Pooled:
        """Spawn an actor where nobody sees it."""
        found = list(self._world.get_blueprint_library().filter(look.blueprint))
        if not found:
            raise SimulatorError(f"the server has no {look.blueprint}; record the poses anew")
        blueprint, parking = found[0], self._next_parking()
        for name, value in (("color", look.paint), ("role_name", look.role)):
            if value and blueprint.has_attribute(name):
                blueprint.set_attribute(name, value)
        actor = self._world.spawn_actor(blueprint, transform_of(parking))
        actor.set_simulate_physics(False)
        is_vehicle = look.blueprint.startswith("vehicle.")
        return _Pooled(actor, parking, is_vehicle=is_vehicle)

    def _next_parking(self) -> Pose:
        self._parked += 1
        return replace(PARKED, x=PARKED.x + PARKED_APART_M * self._parked)

    def _signal(self, pose: FrozenPose) -> None:
        """Show the traffic lights of a pose."""
        if len(pose.lights) != len(self._lights):
            raise SimulatorError(
                f"pose {pose.key} has {len(pose.lights)} traffic lights, the town "
                f"{len(self._lights)}: record the poses anew"
            )
        for light, digit in zip(self._lights, pose.lights, strict=True):
            wanted = carla.TrafficLightState.values[int(digit)]
            if self._shown.get(light.id) == wanted:
                continue
            place = light.get_location()
            if place.distance(carla.Location(pose.ego.x, pose.ego.y, pose.ego.z)) < LIGHT_REACH_M:
                light.set_state(wanted)
                self._shown[light.id] = wanted

    def _boxed(self, cast: Iterable[PosedActor]) -> list[PosedActor]:
        """The cast, with the server's own box where the recording could not know it."""
        found = []
        for item in cast:
            pool = self._pool.get(Look(item.blueprint, item.paint, item.role))
            found.append(item._replace(box=pool[0].box) if not item.box and pool else item)
        return found


def cast_of(pose: FrozenPose, weather: WeatherPreset) -> tuple[PosedActor, ...]:
    """Who is in a pose in a weather."""
    place = pose.oncoming
    if place is None or not weather.has_oncoming_car:
        return pose.actors
    car = PosedActor(
        number=ONCOMING_NUMBER,
        blueprint=ONCOMING_CARS[0],
        kind="car",
        role="oncoming",
        paint="",
        x=place.x,
        y=place.y,
        z=place.z,
        pitch=place.pitch,
        yaw=place.yaw,
        roll=place.roll,
        speed_mps=0.0,
        box=(),
        is_braking=False,
        is_lit=True,
    )
    return (*pose.actors, car)


def _state(item: PosedActor) -> ActorState:
    kind = ActorKind.PEDESTRIAN if item.kind == "person" else ActorKind.VEHICLE
    # Thermal camera and labels look at the speed alone, not where to.
    velocity, box = (item.speed_mps, 0.0, 0.0), item.box
    return ActorState(
        item.number, item.blueprint, kind, item.pose, velocity,
        (box[0], box[1], box[2]), (box[3], box[4], box[5]),
    )  # fmt: skip
