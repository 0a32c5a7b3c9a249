"""Command: milliseconds of a tick with RGB, tags and depth of one pose, as a client sees them.

`python -m simulator.benchmarks.tick` starts a server of its own and drives it with the real client:
30 cars and 30 walkers that move, three cameras on one of the cars.
"""

from __future__ import annotations

import argparse
import os
import queue
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

import carla
import numpy as np

from simulator.render.choice import DEFAULT, RENDERERS
from simulator.system import launch
from simulator.system.commands import lenient_output

KINDS = ("rgb", "semantic_segmentation", "depth")
RESOLUTIONS = ((200, 88), (400, 300), (800, 600))
WEATHERS = {
    "clear": {"cloudiness": 20.0, "sun_altitude_angle": 45.0},
    "fog": {"cloudiness": 70.0, "sun_altitude_angle": 45.0, "fog_density": 90.0},
    "night": {"sun_altitude_angle": -30.0},
}
COUNT = 30  # of cars and of walkers
WARM_UP = 20  # ticks
WAIT_S = 30.0


@contextmanager
def own_server(town: str, renderer: str) -> Iterator[int]:
    """A server in a process of its own; gives its port."""
    command = launch.command("simulator", "--port", "0", "--town", town)
    command += ["--renderer", renderer]
    process = subprocess.Popen(
        [*command, "--parent-pid", str(os.getpid())],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout is not None, "it was asked for"
    try:
        line = process.stdout.readline()
        if "listening" not in line:
            raise SystemExit("the server did not start")
        yield int(line.rsplit(":", 1)[1])
    finally:
        process.terminate()
        process.wait(10)


def populate(world: carla.World) -> carla.Actor:
    """Cars that drive straight ahead and walkers; returns the car that stays, with its lamps on."""
    library = world.get_blueprint_library()
    points = world.get_map().get_spawn_points()
    ego = world.spawn_actor(library.find("vehicle.tesla.model3"), points[0])
    points = sorted(points[1:], key=lambda p: p.location.distance(points[0].location))
    cars = walkers = 0
    for point in points:
        if cars < COUNT:
            car = world.try_spawn_actor(library.find("vehicle.audi.tt"), point)
            if car is not None:
                cars += 1
                car.apply_control(carla.VehicleControl(throttle=0.3))
                car.set_light_state(carla.VehicleLightState(0x3))
        beside = carla.Transform(point.location + carla.Location(z=1.0), point.rotation)
        beside.location += 4.5 * point.get_right_vector()
        if walkers < COUNT:
            walker = world.try_spawn_actor(library.find("walker.pedestrian.0001"), beside)
            if walker is not None:
                walkers += 1
                walker.apply_control(carla.WalkerControl(point.get_forward_vector(), 1.0))
    return ego


def measure(world: carla.World, ego: carla.Actor, size: tuple[int, int], ticks: int) -> list[float]:
    """Milliseconds from the call of `tick` to the last of its images, for each tick."""
    library = world.get_blueprint_library()
    place = carla.Transform(carla.Location(x=1.5, z=1.6))
    images: list[queue.Queue[carla.Image]] = []
    sensors = []
    for kind in KINDS:
        blueprint = library.find(f"sensor.camera.{kind}")
        blueprint.set_attribute("image_size_x", str(size[0]))
        blueprint.set_attribute("image_size_y", str(size[1]))
        sensors.append(world.spawn_actor(blueprint, place, attach_to=ego))
        images.append(queue.Queue())
        sensors[-1].listen(images[-1].put)
    spent = []
    for n in range(WARM_UP + ticks):
        began = perf_counter()
        frame = world.tick()
        for waiting in images:
            # The first images may come frames after the call to listen.
            while n >= WARM_UP and waiting.get(timeout=WAIT_S).frame < frame:
                pass
        if n >= WARM_UP:
            spent.append(1e3 * (perf_counter() - began))
    for sensor in sensors:
        sensor.stop()
        sensor.destroy()
    return spent


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table: median, fastest and slowest tenth by weather and size."""
    lenient_output()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--town", default="Town02")
    parser.add_argument("--ticks", type=int, default=60)
    parser.add_argument("--renderer", default=DEFAULT, choices=sorted(RENDERERS))
    chosen = parser.parse_args(arguments)
    with own_server(chosen.town, chosen.renderer) as port:
        client = carla.Client("127.0.0.1", port, worker_threads=8)
        client.set_timeout(60.0)
        world = client.get_world()
        settings = world.get_settings()
        settings.synchronous_mode = True
        settings.fixed_delta_seconds = 0.05
        world.apply_settings(settings)
        ego = populate(world)
        print("ms per tick         median       10 %       90 %")
        for name, values in WEATHERS.items():
            world.set_weather(carla.WeatherParameters(**values))
            for width, height in RESOLUTIONS:
                spent = measure(world, ego, (width, height), chosen.ticks)
                low, middle, high = np.percentile(spent, (10, 50, 90))
                print(f"{name:6s} {width}x{height:<6d}{middle:11.1f}{low:11.1f}{high:11.1f}")


if __name__ == "__main__":
    main()
