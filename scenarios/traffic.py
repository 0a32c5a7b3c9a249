"""Background traffic: Traffic Manager cars, and walkers that this module walks itself.

CARLA's own walker controllers run in a crowd whose timing does not repeat; this module's walks
depend on the seed alone, and are the same on both backends.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import carla
import numpy as np
from numpy.typing import NDArray

from fusiondrive.carla_types import transform_of
from fusiondrive.types import Pose
from scenarios import traffic_manager
from scenarios.pavement import pavement_paths
from scenarios.spec import TRAFFIC_COUNTS

logger = logging.getLogger(__name__)

COUNTS: dict[str, dict[str, tuple[int, int]]] = {
    # traffic -> town -> vehicles, walkers; the vehicles of Town01 and Town02 are NoCrash's
    "empty": {"": (0, 0)},
    "regular": {"Town01": (20, 30), "Town02": (15, 25), "": (30, 40)},
    "dense": {"Town01": (100, 100), "Town02": (70, 75), "": (100, 120)},
}
CLEARANCE_M = 14.0  # of spawned vehicles from the ego's start
WALKER_CLEARANCE_M = 6.0
SPAWN_LIFT_M = 0.5
SPEED_KMH = 25.0  # the Traffic Manager's own choice takes corners at 30 km/h, onto other lanes
WALKER_LIFT_M = 1.0
WALKER_SPEED_MPS = (0.9, 1.6)
ARRIVAL_M = 0.6


def traffic_counts(town: str, traffic: str) -> tuple[int, int]:
    """Numbers of vehicles and walkers in a town for a traffic level or `VEHICLES+WALKERS`."""
    counts = TRAFFIC_COUNTS.fullmatch(traffic)
    if counts:
        return int(counts[1]), int(counts[2])
    level = COUNTS[traffic]
    return level.get(town, level[""])


@dataclass
class _Walk:
    """A walker on its way back and forth along a path."""

    actor: carla.Actor
    path: NDArray[np.float64]  # (N, 3)
    target: int
    step: int  # +1 or -1
    speed_mps: float
    heading: tuple[float, float] | None = None  # last one sent


class Traffic:
    """The other road users of one episode; make a new object for each episode."""

    def __init__(self, client: carla.Client, world: carla.World, tm_port: int, seed: int) -> None:
        self._client = client
        self._world = world
        self._tm_port = tm_port
        self._seed = seed
        self._vehicles: list[int] = []
        self._walks: list[_Walk] = []

    def spawn(
        self, vehicles: int, walkers: int, avoid: Pose, *, is_night: bool = False
    ) -> tuple[int, int]:
        """Place cars at spawn points and walkers on pavements, none near `avoid`.

        The world has to be in synchronous mode. Call `advance` before every tick from here on.

        Returns:
            The numbers of vehicles and walkers that were spawned; occupied places are skipped.
        """
        rng = np.random.default_rng((self._seed, 0x7AFF1C))
        if vehicles:
            self._spawn_vehicles(vehicles, avoid, rng, is_night=is_night)
        if walkers:
            self._spawn_walkers(walkers, avoid, rng)
        found = (len(self._vehicles), len(self._walks))
        if found != (vehicles, walkers):
            logger.info("traffic: %d of %d vehicles, %d of %d walkers found a place",
                        found[0], vehicles, found[1], walkers)  # fmt: skip
        return found

    def advance(self) -> None:
        """Turn the walkers that reached the next point of their path."""
        if not self._walks:
            return
        snapshot = self._world.get_snapshot()
        commands = []
        for walk in self._walks:
            state = snapshot.find(walk.actor.id)
            if state is None:
                continue
            place = state.get_transform().location
            heading = _next_heading(walk, place.x, place.y)
            if heading != walk.heading:
                walk.heading = heading
                control = carla.WalkerControl(carla.Vector3D(*heading, 0.0), walk.speed_mps, False)
                commands.append(carla.command.ApplyWalkerControl(walk.actor.id, control))
        if commands:
            self._client.apply_batch_sync(commands, False)

    def switch_lights(self, *, is_night: bool) -> None:
        """Switch the lamps of all cars on or off, as where night falls or ends during a drive."""
        lights = _lights(is_night=is_night)
        commands = [carla.command.SetVehicleLightState(i, lights) for i in self._vehicles]
        if commands:
            self._client.apply_batch_sync(commands, False)

    def close(self) -> None:
        """Remove everything that `spawn` made; may be called twice.

        Tick once before synchronous mode ends: the Traffic Manager aborts the client when it
        loses its vehicles and the mode in the same frame.
        """
        ids = [*self._vehicles, *(walk.actor.id for walk in self._walks)]
        release = [carla.command.SetAutopilot(i, False, self._tm_port) for i in self._vehicles]
        self._vehicles, self._walks = [], []
        if ids:
            destroy = [carla.command.DestroyActor(i) for i in ids]
            self._client.apply_batch_sync([*release, *destroy], False)

    def _spawn_vehicles(
        self, count: int, avoid: Pose, rng: np.random.Generator, *, is_night: bool
    ) -> None:
        manager = traffic_manager.begin(self._client, self._tm_port, self._seed)
        manager.set_hybrid_physics_mode(False)
        manager.set_global_distance_to_leading_vehicle(2.5)
        blueprints = car_blueprints(self._world)
        lights = _lights(is_night=is_night)
        batch = []
        for place in _free_places(self._world, avoid, rng)[:count]:
            blueprint = blueprints[int(rng.integers(len(blueprints)))]
            if blueprint.has_attribute("color"):
                colors = blueprint.get_attribute("color").recommended_values
                if colors:
                    blueprint.set_attribute("color", colors[int(rng.integers(len(colors)))])
            blueprint.set_attribute("role_name", "autopilot")
            spawn = carla.command.SpawnActor(blueprint, place)
            spawn = spawn.then(
                carla.command.SetVehicleLightState(carla.command.FutureActor, lights)
            )
            batch.append(
                spawn.then(
                    carla.command.SetAutopilot(carla.command.FutureActor, True, self._tm_port)
                )
            )
        answers = self._client.apply_batch_sync(batch, False)
        self._vehicles = [answer.actor_id for answer in answers if not answer.error]
        for actor in self._world.get_actors(self._vehicles):
            manager.set_desired_speed(actor, SPEED_KMH)

    def _spawn_walkers(self, count: int, avoid: Pose, rng: np.random.Generator) -> None:
        paths = pavement_paths(self._world.get_map())
        blueprints = sorted(
            self._world.get_blueprint_library().filter("walker.pedestrian.*"), key=lambda b: b.id
        )
        if not paths or not blueprints:
            return
        lengths = np.array([len(path) for path in paths], dtype=np.float64)
        for _ in range(3 * count):
            if len(self._walks) == count:
                break
            path = paths[int(rng.choice(len(paths), p=lengths / lengths.sum()))]
            start = int(rng.integers(len(path) - 1))
            blueprint = blueprints[int(rng.integers(len(blueprints)))]
            step = 1 if rng.random() < 0.5 else -1
            speed_mps = float(rng.uniform(*WALKER_SPEED_MPS))
            x, y, z = path[start]
            if np.hypot(x - avoid.x, y - avoid.y) < WALKER_CLEARANCE_M:
                continue
            if blueprint.has_attribute("is_invincible"):
                blueprint.set_attribute("is_invincible", "false")
            pose = transform_of(Pose(x, y, z + WALKER_LIFT_M))
            actor = self._world.try_spawn_actor(blueprint, pose)
            if actor is not None:
                self._walks.append(_Walk(actor, path, start + (step > 0), step, speed_mps))


def _lights(*, is_night: bool) -> carla.VehicleLightState:
    lit = carla.VehicleLightState.Position | carla.VehicleLightState.LowBeam
    return carla.VehicleLightState(lit if is_night else carla.VehicleLightState.NONE)


def _next_heading(walk: _Walk, x: float, y: float) -> tuple[float, float]:
    """Unit vector to the walk's next point; picks the following point on arrival."""
    if np.hypot(*(walk.path[walk.target, :2] - (x, y))) < ARRIVAL_M:
        if not 0 <= walk.target + walk.step < len(walk.path):
            walk.step = -walk.step
        walk.target += walk.step
        walk.heading = None
    if walk.heading is not None and not _is_off(walk, x, y):
        return walk.heading
    offset = walk.path[walk.target, :2] - (x, y)
    unit = offset / max(float(np.hypot(*offset)), 1e-6)
    return (float(unit[0]), float(unit[1]))


def _is_off(walk: _Walk, x: float, y: float) -> bool:
    """Whether a walker was pushed so far aside that its heading no longer leads to its point."""
    assert walk.heading is not None  # the caller has just checked it
    offset = walk.path[walk.target, :2] - (x, y)
    unit = offset / max(float(np.hypot(*offset)), 1e-6)
    return bool(unit @ walk.heading < 0.9)


def car_blueprints(world: carla.World) -> list[carla.ActorBlueprint]:
    """Blueprints of four-wheeled cars by id; trucks and buses are left out, as they jam towns."""
    library = sorted(world.get_blueprint_library().filter("vehicle.*"), key=lambda b: b.id)
    wheeled = [b for b in library if int(b.get_attribute("number_of_wheels")) == 4]
    cars = [
        b
        for b in wheeled
        if not b.has_attribute("base_type") or str(b.get_attribute("base_type").as_str()) == "car"
    ]
    return cars or wheeled


def _free_places(
    world: carla.World, avoid: Pose, rng: np.random.Generator
) -> list[carla.Transform]:
    places = list(world.get_map().get_spawn_points())
    order = rng.permutation(len(places))
    chosen = []
    for index in order:
        place = places[int(index)]
        if np.hypot(place.location.x - avoid.x, place.location.y - avoid.y) < CLEARANCE_M:
            continue
        place.location.z += SPAWN_LIFT_M
        chosen.append(place)
    return chosen
