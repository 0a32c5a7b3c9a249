"""A car that stands on a straight road, and what stands before it; all by the client's calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import carla
import numpy as np
from numpy.typing import NDArray

from fusiondrive.carla_types import transform_of
from fusiondrive.errors import SimulatorError
from fusiondrive.types import ActorState, CameraSpec, Closing, Pose
from harness.ego import BLUEPRINTS, LIFT_M, lights_for
from harness.session import Session
from harness.town import LoadedTown
from harness.track.road import longest_straight
from harness.world import WorldReader
from scenarios.oncoming import BLUEPRINTS as ONCOMING_CARS
from scenarios.street_lamps import DarkStreets
from scenarios.weather import carla_weather
from scenarios.weather_preset import WeatherPreset
from sensors.config import ThermalConfig
from sensors.frame import RigFrame, focal_px, rotation_matrix
from sensors.rig import SensorRig
from sensors.thermal import ThermalCamera

F32 = NDArray[np.float32]

FRAMES = 6  # even: two halves are compared
SETTLE_TICKS = 12
ONCOMING_M = 25.0  # from the camera to the oncoming car of `night:glare`
BEHIND_M = 10.0  # of straight road behind the car
WALKER_LIFT_M = 1.0
NOISE_SEED = 0
LOW_BEAM = carla.VehicleLightState(
    carla.VehicleLightState.Position | carla.VehicleLightState.LowBeam
)


@dataclass(frozen=True)
class Target:
    """Who stands in the lane."""

    blueprints: tuple[str, ...]  # the first that the server has
    tags: tuple[int, ...]  # classes of its pixels
    turned_deg: float  # from the lane's direction
    is_walker: bool = False


TARGETS: Mapping[str, Target] = {
    "person": Target(("walker.pedestrian.0004", "walker.pedestrian.*"), (12,), 90.0, True),
    "cyclist": Target(("vehicle.bh.crossbike", "vehicle.diamondback.century"), (13, 18, 19), 90.0),
    "car": Target(("vehicle.audi.tt", "vehicle.tesla.model3"), (14,), 0.0),
}


class Frames(NamedTuple):
    """Several frames of one scene."""

    visible: F32  # (N, H, W) mean of the three channels, grey levels
    infrared: F32  # (N, H, W) grey levels
    tags: NDArray[np.uint8]  # (H, W) of the last one
    depth_m: F32  # (H, W) of the last one
    rgb: NDArray[np.uint8]  # (H, W, 3) of the last one
    thermal: NDArray[np.uint8]  # (H, W) of the last one


class Stage(Closing):
    """The scene of one weather and one camera."""

    def __init__(
        self,
        session: Session,
        town: LoadedTown,
        weather: WeatherPreset,
        camera: CameraSpec,
        thermal: ThermalConfig,
        reach_m: float,
    ) -> None:
        """Set the scene up.

        Args:
            session: with the town loaded.
            town: what is derived from its map.
            weather: of the scene.
            camera: of both spectra.
            thermal: the thermal camera.
            reach_m: greatest distance that will be asked for.

        Raises:
            MapError: the town has no straight two-way road that is long enough.
            SimulatorError: the server refuses an actor.
        """
        self._session, self._camera, self._weather = session, camera, weather
        self._thermal = ThermalCamera(thermal, NOISE_SEED)
        self._seen: tuple[RigFrame, list[ActorState]]
        self._owned = ExitStack()
        try:
            world = session.world
            world.set_weather(carla_weather(weather))
            self._road = longest_straight(session.map, BEHIND_M + camera.x + reach_m)
            ego = self._spawn(BLUEPRINTS, self._road.pose(BEHIND_M, 0.0))
            ego.set_light_state(lights_for(weather))
            ego.apply_control(carla.VehicleControl(brake=1.0, hand_brake=True))
            if not weather.has_street_lamps:
                self._owned.enter_context(DarkStreets(world))
            if weather.has_oncoming_car:
                self._place_oncoming()
            own = self._owned.enter_context
            self._rig = own(SensorRig(world, ego, camera, with_thermal=True))
            self._reader = own(WorldReader(world, town.stop_lines, ego))
            session.expect_slow_tick()
            for _ in range(SETTLE_TICKS):
                self._rig.read(session.tick(), 60.0)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def target(self, target: Target, distance_m: float) -> Iterator[int]:
        """Have a target in the middle of the lane, at a distance from the camera; its id."""
        along_m = BEHIND_M + self._camera.x + distance_m
        place = self._road.pose(along_m, 0.0, target.turned_deg)
        with ExitStack() as owned:
            actor = self._spawn(target.blueprints, place, owned)
            if not target.is_walker:
                actor.set_simulate_physics(False)
                actor.set_transform(transform_of(place))
            for _ in range(2):
                self._rig.read(self._session.tick())
            yield int(actor.id)
        self._rig.read(self._session.tick())

    def look(self) -> Frames:
        """Several frames of the scene as it stands."""
        self._thermal.reset(NOISE_SEED)
        rgb, thermal = [], []
        for _ in range(FRAMES):
            frame = self._rig.read(self._session.tick())
            state = self._reader.read(self._session.snapshot(frame.frame))
            actors = [state.ego, *state.vehicles, *state.walkers]
            rgb.append(frame.rgb.mean(2, dtype=np.float32))
            image = self._thermal.render(frame, actors, self._weather.atmosphere)
            thermal.append(image.astype(np.float32))
        assert frame.tags is not None  # the rig has class ids and depth
        assert frame.depth_m is not None
        self._seen = (frame, actors)
        return Frames(np.stack(rgb), np.stack(thermal), frame.tags, frame.depth_m, frame.rgb, image)

    def rectangle(self, actor_id: int, margin_px: int) -> NDArray[np.bool_]:
        """Pixels of the rectangle that an actor's box spans in the last frame, (H, W).

        Args:
            actor_id: of one in view.
            margin_px: by which it is widened.
        """
        frame, actors = self._seen
        (actor,) = (actor for actor in actors if actor.actor_id == actor_id)
        rows, columns = frame.rgb.shape[:2]
        signs = np.array(list(product((-1.0, 1.0), repeat=3)))
        corners = np.array(actor.box_center) + signs * np.array(actor.box_extent)
        places = corners @ rotation_matrix(actor.pose).T + _position(actor.pose)
        pose = frame.camera_pose
        seen = (places - _position(pose)) @ rotation_matrix(pose)  # forward, right, up
        focal = focal_px(columns, frame.fov_deg)
        across = seen[:, 1] / seen[:, 0] * focal + 0.5 * columns
        down = -seen[:, 2] / seen[:, 0] * focal + 0.5 * rows
        mask = np.zeros((rows, columns), np.bool_)
        top, bottom = int(down.min()) - margin_px, int(down.max()) + 1 + margin_px
        left, right = int(across.min()) - margin_px, int(across.max()) + 1 + margin_px
        mask[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
        return mask

    def close(self) -> None:
        """Remove everything; may be called twice."""
        self._owned.close()

    def _place_oncoming(self) -> None:
        along_m = BEHIND_M + self._camera.x + ONCOMING_M
        place = self._road.pose(along_m, self._road.oncoming_m, 180.0)
        car = self._spawn(ONCOMING_CARS, place)
        car.set_simulate_physics(False)
        car.set_transform(transform_of(place))
        car.set_light_state(LOW_BEAM)

    def _spawn(
        self, names: tuple[str, ...], pose: Pose, owner: ExitStack | None = None
    ) -> carla.Actor:
        """Spawn the first of some blueprints; it goes with its owner, by default the stage."""
        world = self._session.world
        library = world.get_blueprint_library()
        lift_m = WALKER_LIFT_M if names[0].startswith("walker.") else LIFT_M
        fitting = [blueprint for name in names for blueprint in library.filter(name)]
        if not fitting:
            raise SimulatorError(f"the server has none of {', '.join(names)}")
        try:
            actor = world.spawn_actor(fitting[0], transform_of(replace(pose, z=pose.z + lift_m)))
        except RuntimeError as err:
            raise SimulatorError(
                f"could not place {fitting[0].id} at ({pose.x:.1f}, {pose.y:.1f}): {err}"
            ) from err
        (owner or self._owned).callback(actor.destroy)
        return actor


def _position(pose: Pose) -> NDArray[np.float64]:
    return np.array([pose.x, pose.y, pose.z])
