"""A world of the embedded server, driven by the real client."""

from __future__ import annotations

import queue
import random
from collections.abc import Iterator
from typing import NamedTuple

import carla
import pytest

from scenarios import traffic_manager

DELTA_S = 0.1


class Session(NamedTuple):
    client: carla.Client
    world: carla.World
    sensors: list[carla.Sensor]  # the client stops those that nobody holds

    def blueprint(self, name: str, **attributes: object) -> carla.ActorBlueprint:
        found = self.world.get_blueprint_library().find(name)
        for key, value in attributes.items():
            found.set_attribute(key, str(value))
        return found

    def spawn_points(self) -> list[carla.Transform]:
        return self.world.get_map().get_spawn_points()

    def car(self, spot: int = 0) -> carla.Vehicle:
        return self.world.spawn_actor(
            self.blueprint("vehicle.tesla.model3"), self.spawn_points()[spot]
        )

    def moving_car(self, spot: int = 0, ticks: int = 15) -> carla.Vehicle:
        car = self.car(spot)
        car.apply_control(carla.VehicleControl(throttle=0.7))
        self.ticks(ticks)
        return car

    def listen(
        self, name: str, place: carla.Transform, parent: carla.Actor | None, **attributes: object
    ) -> queue.Queue[carla.SensorData]:
        blueprint = self.blueprint(f"sensor.{name}", **attributes)
        sensor = self.world.spawn_actor(blueprint, place, attach_to=parent)
        found: queue.Queue[carla.SensorData] = queue.Queue()
        sensor.listen(found.put)
        self.sensors.append(sensor)
        return found

    def ticks(self, count: int) -> int:
        for _ in range(count):
            traffic_manager.await_rest()
            frame = self.world.tick()
        return frame


def connect(host: str, port: int) -> carla.Client:
    client = carla.Client(host, port, worker_threads=8)
    client.set_timeout(60.0)
    return client


def go_synchronous(world: carla.World) -> None:
    settings = world.get_settings()
    settings.synchronous_mode = True
    settings.fixed_delta_seconds = DELTA_S
    world.apply_settings(settings)


@pytest.fixture(scope="session")
def client(carla_server) -> carla.Client:
    return connect(*carla_server("Town02"))


@pytest.fixture
def session(client, carla_server) -> Iterator[Session]:
    carla_server("Town02")  # awake from here on, if the test asks for it again
    world = client.load_world("Town02")
    go_synchronous(world)
    now = Session(client, world, [])
    yield now
    for sensor in now.sensors:
        sensor.stop()


@pytest.fixture
def manager(session) -> Iterator[carla.TrafficManager]:
    port = random.Random().randint(20_000, 30_000)
    yield traffic_manager.begin(session.client, port, seed=7)
    session.client.apply_batch_sync(
        [carla.command.DestroyActor(a) for a in session.world.get_actors().filter("vehicle.*")]
    )
    session.ticks(1)
    traffic_manager.end(session.client, port)


@pytest.fixture(scope="module")
def town(client) -> carla.Map:
    """Town02, loaded once for a module."""
    return client.load_world("Town02").get_map()


@pytest.fixture
def stage(client, carla_server, town) -> Iterator[Session]:
    """The world as it is, synchronous, and empty again afterwards; much faster than `session`."""
    carla_server("Town02")
    world = client.get_world()
    go_synchronous(world)
    now = Session(client, world, [])
    yield now
    for sensor in now.sensors:
        if sensor.is_alive:
            sensor.stop()
    world = client.get_world()
    world.tick()  # what was spawned last is listed from now on
    mine = ("vehicle.", "walker.", "sensor.", "controller.", "static.")
    gone = [a.id for a in world.get_actors() if a.type_id.startswith(mine)]
    client.apply_batch_sync([carla.command.DestroyActor(i) for i in gone], False)
    world.tick()
