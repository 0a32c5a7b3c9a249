"""Cars and walkers of the client's own traffic, judged: `python -m harness.robustness.traffic`.

A script as CARLA's users write it, with nothing but the client: the Traffic Manager drives vehicles
of all kinds, the client's crowd walks the walkers. Exit code 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import logging
import math
import queue
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import carla
import numpy as np

from fusiondrive.carla_types import pose_of
from fusiondrive.paths import user_path
from fusiondrive.text import lenient_output
from harness.robustness.embedded import EmbeddedServer
from harness.robustness.traffic_watch import Collision, Contacts, StopLine, TrafficWatch
from harness.robustness.verdict import Check, at_most, conclude
from scenarios import traffic_manager

logger = logging.getLogger(__name__)

DELTA_S = 0.05
DEADLOCK_S = 90.0
COLLISIONS_PER_CAR_HOUR = 1.0
RED_SHARE = 0.01  # of all passes of a light; yellow that turns red below a car is none
TIMEOUT_S = 60.0
WALKER_LIFT_M = 2.0
GAP_M = 2.5


@dataclass(frozen=True)
class SoakOptions:
    """What drives where."""

    town: str
    vehicles: int
    walkers: int
    minutes: float
    seed: int
    tm_port: int


class Population:
    """The vehicles and walkers of a world, as CARLA's traffic generator makes them."""

    def __init__(self, client: carla.Client, options: SoakOptions) -> None:
        self.client, self.world = client, client.get_world()
        self.options = options
        self.events: queue.SimpleQueue[carla.CollisionEvent] = queue.SimpleQueue()
        self._chooser = random.Random(options.seed)
        self.manager = traffic_manager.begin(client, options.tm_port, options.seed)
        self.manager.set_global_distance_to_leading_vehicle(GAP_M)
        self.vehicles = self._spawn_vehicles()
        self.sensors = [self._feel(vehicle) for vehicle in self.vehicles]
        self.walkers, self.minds = self._spawn_walkers()

    def tick(self) -> None:
        """One step, beside a manager that hears it."""
        traffic_manager.await_rest()
        self.world.tick()

    def _spawn_vehicles(self) -> list[carla.Actor]:
        blueprints = sorted(self.world.get_blueprint_library().filter("vehicle.*"),
                            key=lambda blueprint: blueprint.id)  # fmt: skip
        places = self.world.get_map().get_spawn_points()
        self._chooser.shuffle(places)
        batch = []
        for place in places[: self.options.vehicles]:
            blueprint = self._chooser.choice(blueprints)
            pilot = carla.command.SetAutopilot(
                carla.command.FutureActor, True, self.options.tm_port
            )
            batch.append(carla.command.SpawnActor(blueprint, place).then(pilot))
        answers = self.client.apply_batch_sync(batch, False)
        self.tick()
        ids = [answer.actor_id for answer in answers if not answer.error]
        return [self.world.get_actor(actor_id) for actor_id in ids]

    def _feel(self, vehicle: carla.Actor) -> carla.Sensor:
        blueprint = self.world.get_blueprint_library().find("sensor.other.collision")
        sensor = self.world.spawn_actor(blueprint, carla.Transform(), attach_to=vehicle)
        sensor.listen(self.events.put)
        return sensor

    def _spawn_walkers(self) -> tuple[list[carla.Actor], list[carla.WalkerAIController]]:
        world = self.world
        world.set_pedestrians_seed(self.options.seed)
        world.set_pedestrians_cross_factor(0.0)
        library = world.get_blueprint_library()
        blueprints = sorted(library.filter("walker.pedestrian.*"), key=lambda b: b.id)
        walkers = []
        for _ in range(self.options.walkers):
            place = world.get_random_location_from_navigation()
            if place is None:
                continue
            place.z += WALKER_LIFT_M
            blueprint = self._chooser.choice(blueprints)
            walker = world.try_spawn_actor(blueprint, carla.Transform(place))
            if walker is not None:
                walkers.append(walker)
        self.tick()
        kind = library.find("controller.ai.walker")
        minds = [world.spawn_actor(kind, carla.Transform(), attach_to=w) for w in walkers]
        self.tick()
        for mind in minds:
            mind.start()
            mind.go_to_location(world.get_random_location_from_navigation())
            mind.set_max_speed(1.4)
        return walkers, minds

    def close(self) -> None:
        """Take all away."""
        for sensor in self.sensors:
            sensor.stop()
        for mind in self.minds:
            mind.stop()
        actors = [*self.sensors, *self.minds, *self.walkers, *self.vehicles]
        self.client.apply_batch_sync([carla.command.DestroyActor(a) for a in actors], False)
        self.tick()
        traffic_manager.end(self.client, self.options.tm_port)


def stop_lines(lights: Sequence[carla.TrafficLight]) -> list[StopLine]:
    """The lanes that each light stops."""
    lines = []
    for index, light in enumerate(lights):
        for waypoint in light.get_stop_waypoints():
            place = pose_of(waypoint.transform)
            lines.append(StopLine(index, place.x, place.y, math.radians(place.yaw)))
    return lines


def soak(client: carla.Client, options: SoakOptions) -> list[Check]:
    """Let traffic drive and judge it."""
    world = client.get_world()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, DELTA_S
    world.apply_settings(settings)
    people = Population(client, options)
    try:
        watch, contacts = observe(people)
        return judge(people, watch, contacts)
    finally:
        people.close()
        settings.synchronous_mode = False
        world.apply_settings(settings)


def observe(people: Population) -> tuple[TrafficWatch, Contacts]:
    """Tick for as long as the options want."""
    world = people.world
    lights = list(world.get_actors().filter("traffic.traffic_light"))
    watch = TrafficWatch(stop_lines(lights), len(people.vehicles))
    places, speeds = np.zeros((len(people.vehicles), 3)), np.zeros(len(people.vehicles))
    is_there = np.zeros(len(people.vehicles), np.bool_)
    contacts = Contacts()
    begin_s = world.get_snapshot().timestamp.elapsed_seconds
    for _ in range(round(people.options.minutes * 60.0 / DELTA_S)):
        people.tick()
        snapshot = world.get_snapshot()
        for row, vehicle in enumerate(people.vehicles):
            state = snapshot.find(vehicle.id)
            is_there[row] = state is not None
            if state is None:  # the Traffic Manager takes away what is stuck
                continue
            pose, velocity = pose_of(state.get_transform()), state.get_velocity()
            places[row] = pose.x, pose.y, math.radians(pose.yaw)
            speeds[row] = math.hypot(velocity.x, velocity.y)
        red = np.array([light.state == carla.TrafficLightState.Red for light in lights], np.bool_)
        watch.advance(DELTA_S, places, speeds, red, is_there)
        while not people.events.empty():
            _note(contacts, people.events.get(), begin_s)
    return watch, contacts


def _note(contacts: Contacts, event: carla.CollisionEvent, begin_s: float) -> None:
    place = event.transform.location
    names = (event.actor.type_id, event.other_actor.type_id)
    found = Collision(event.timestamp - begin_s, *names, place.x, place.y)
    contacts.add((event.actor.id, event.other_actor.id), found)


def judge(people: Population, watch: TrafficWatch, contacts: Contacts) -> list[Check]:
    """The table of bars and measurements."""
    cars, options = len(people.vehicles), people.options
    for hit in contacts.found:
        logger.info("%.1f s: %s met %s at (%.1f, %.1f)", *hit)
    for car, light in watch.passed_red:
        logger.info("%s passed light %d at red", people.vehicles[car].type_id, light)
    is_gone = watch.alive_s < watch.alive_s.max(initial=0.0) - 1.0
    for row, vehicle in enumerate(people.vehicles):
        stood_s = float(watch.longest_stand_s[row])
        if stood_s > DEADLOCK_S or is_gone[row]:
            x, y = watch.places[row, :2]
            end = ", then it was taken away" if is_gone[row] else ""
            logger.info(
                "%s stood for %.0f s at (%.1f, %.1f)%s", vehicle.type_id, stood_s, x, y, end
            )
    hours = max(float(watch.alive_s.sum()) / 3600.0, 1e-9)
    stuck = int((watch.longest_stand_s > DEADLOCK_S).sum())
    passes = watch.passed_green + len(watch.passed_red)
    return [
        Check("vehicles", str(cars), str(options.vehicles), cars == options.vehicles),
        Check("walkers", str(len(people.walkers)), str(options.walkers),
              len(people.walkers) >= 0.9 * options.walkers),
        at_most("collisions per car-hour", len(contacts.found) / hours, COLLISIONS_PER_CAR_HOUR),
        at_most("cars that stood > 90 s", stuck, 0),
        at_most("cars that the manager took away", int(is_gone.sum()), 0),
        at_most("longest stand", float(watch.longest_stand_s.max(initial=0.0)), DEADLOCK_S, " s"),
        at_most(f"lights passed at red, of {passes}", len(watch.passed_red), RED_SHARE * passes),
        Check("mean speed", f"{3.6 * watch.mean_speed_mps:.1f} km/h", "", True),
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    lenient_output()
    parser = argparse.ArgumentParser(prog="python -m harness.robustness.traffic",
                                     description=__doc__)  # fmt: skip
    parser.add_argument("--town", default="Town02")
    parser.add_argument("--maps", type=user_path, help="directory with TownXX.xodr files")
    parser.add_argument("--vehicles", type=int, default=50)
    parser.add_argument("--walkers", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=10.0, help="of simulation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tm-port", type=int, help="port of the Traffic Manager; default random")
    parser.add_argument("--verbose", action="store_true", help="name each collision and red light")
    args = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO if args.verbose else logging.WARNING,
                        format="%(message)s")  # fmt: skip
    port = args.tm_port or random.SystemRandom().randrange(20_000, 30_000)
    options = SoakOptions(args.town, args.vehicles, args.walkers, args.minutes, args.seed, port)
    where = ["--maps", str(args.maps)] if args.maps else []
    with EmbeddedServer("--town", args.town, *where) as server:
        client = carla.Client(*server.address, worker_threads=8)
        client.set_timeout(TIMEOUT_S)
        checks = soak(client, options)
    title = f"{args.minutes:g} simulated minutes of {args.town}, seed {args.seed}"
    return conclude(title, checks)


if __name__ == "__main__":
    sys.exit(main())
