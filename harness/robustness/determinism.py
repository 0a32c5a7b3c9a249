"""`python -m harness.robustness.determinism`: same seed and inputs, same snapshots and pixels.

A scripted drive is hashed frame by frame: on a fresh server, again after other actors came and
went and the map was reloaded, with one and with two threads, alone and beside a busy server.
"""

from __future__ import annotations

import argparse
import hashlib
import queue
import random
import subprocess
import sys
from collections.abc import Sequence
from typing import NamedTuple

import carla

from fusiondrive.text import lenient_output
from harness import launch
from harness.robustness.embedded import EmbeddedServer
from harness.robustness.ticker import Ticker
from harness.robustness.verdict import Check, conclude, equal

WAIT_S = 120.0
DELTA_S = 0.1
FIRST = "cars="  # of a line of digests
IMAGE = {"image_size_x": "160", "image_size_y": "96"}
SENSORS: tuple[tuple[str, dict[str, str]], ...] = (
    ("sensor.camera.rgb", IMAGE), ("sensor.camera.depth", IMAGE),
    ("sensor.camera.instance_segmentation", IMAGE),
    ("sensor.lidar.ray_cast", {"channels": "16", "noise_stddev": "0.05"}),
    ("sensor.other.radar", {}), ("sensor.other.gnss", {"noise_lat_stddev": "0.00001"}),
    ("sensor.other.imu", {"noise_gyro_stddev_z": "0.01"}),
)  # fmt: skip


class Script(NamedTuple):
    """What is driven."""

    town: str
    ticks: int
    cars: int
    seed: int


def drive(client: carla.Client, script: Script) -> list[str]:
    """Load the town, drive cars with seeded controls; the digest of each frame."""
    world = client.load_world(script.town)
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, DELTA_S
    world.apply_settings(settings)
    world.reset_all_traffic_lights()
    world.set_weather(carla.WeatherParameters.HardRainSunset)
    rng = random.Random(script.seed)
    library, spots = world.get_blueprint_library(), world.get_map().get_spawn_points()
    model = library.find("vehicle.tesla.model3")
    cars = [world.spawn_actor(model, spot) for spot in spots[: script.cars]]
    sensors, queues = _sensors(world, library, cars[0])
    digests = []
    for _ in range(script.ticks):
        for car in cars:
            car.apply_control(carla.VehicleControl(rng.random(), rng.uniform(-0.4, 0.4)))
        frame = world.tick(WAIT_S)
        digests.append(_digest(world, cars, [_of_frame(q, frame) for q in queues]))
    for sensor in sensors:
        sensor.stop()
    client.apply_batch_sync([carla.command.DestroyActor(a) for a in [*sensors, *cars]], False)
    world.tick(WAIT_S)
    return digests


def _sensors(
    world: carla.World, library: carla.BlueprintLibrary, car: carla.Actor
) -> tuple[list[carla.Actor], list[queue.Queue[carla.SensorData]]]:
    sensors, queues = [], []
    for name, attributes in SENSORS:
        blueprint = library.find(name)
        for key, value in attributes.items():
            blueprint.set_attribute(key, value)
        place = carla.Transform(carla.Location(x=1.5, z=2.4))
        sensor = world.spawn_actor(blueprint, place, attach_to=car)
        found: queue.Queue[carla.SensorData] = queue.Queue()
        sensor.listen(found.put)
        sensors.append(sensor)
        queues.append(found)
    return sensors, queues


def _of_frame(found: queue.Queue[carla.SensorData], frame: int) -> carla.SensorData:
    while (data := found.get(timeout=WAIT_S)).frame < frame:
        pass
    return data


def _digest(
    world: carla.World, cars: Sequence[carla.Actor], readings: Sequence[carla.SensorData]
) -> str:
    """One frame without anything absolute: no ids, no frame numbers, no clock."""
    snapshot = world.get_snapshot()
    states = [snapshot.find(car.id) for car in cars]
    lights = sorted(world.get_actors().filter("traffic.traffic_light"), key=lambda a: int(a.id))
    moved = [(s.get_transform(), s.get_velocity(), s.get_acceleration()) for s in states]
    parts = {"cars": str([[str(v) for v in one] for one in moved]).encode()}
    parts["lights"] = str([str(light.state) for light in lights]).encode()
    for (name, _), data in zip(SENSORS, readings, strict=True):
        parts[name.rsplit(".", 1)[-1]] = _content(data)
    return ",".join(f"{k}={hashlib.sha256(v).hexdigest()[:16]}" for k, v in parts.items())


def _content(data: carla.SensorData) -> bytes:
    if hasattr(data, "raw_data"):
        return bytes(data.raw_data)
    if hasattr(data, "latitude"):
        return repr((data.latitude, data.longitude, data.altitude)).encode()
    return f"{data.accelerometer} {data.gyroscope} {data.compass!r}".encode()


def _stir(client: carla.Client) -> None:
    """Let ids and frames move on by odd numbers."""
    world = client.get_world()
    blueprint = world.get_blueprint_library().find("static.prop.barrel")
    for i in range(37):
        prop = world.spawn_actor(blueprint, carla.Transform(carla.Location(x=3.0 * i, z=30.0)))
        world.tick(WAIT_S)
        prop.destroy()


def run_apart(address: tuple[str, int], script: Script, repeats: int) -> list[list[str]]:
    """Drive in a process of its own: the client library keeps threads until a process ends."""
    child = ("harness.robustness.determinism", "--child")
    command = launch.command(*child, *map(str, address))
    numbers = [script.town, script.ticks, script.cars, script.seed, repeats]
    result = subprocess.run(
        [*command, *map(str, numbers)],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=600,
        check=True,
    )
    return [line.split() for line in result.stdout.splitlines() if line.startswith(FIRST)]


def _child(words: Sequence[str]) -> int:
    host, port, town, *numbers = words
    ticks, cars, seed, repeats = map(int, numbers)
    client = carla.Client(host, int(port), 16)
    client.set_timeout(WAIT_S)
    for repeat in range(repeats):
        if repeat:
            _stir(client)
        digests = drive(client, Script(town, ticks, cars, seed))
        print(*digests, flush=True)
    return 0


def first_difference(a: Sequence[str], b: Sequence[str]) -> str:
    """`same`, or what differs in the first frame that does."""
    if len(a) != len(b) or not a:
        return f"{len(a)} and {len(b)} frames"
    for i, (x, y) in enumerate(zip(a, b, strict=True)):
        parts = zip(x.split(","), y.split(","), strict=True)
        if unequal := [p.split("=")[0] for p, q in parts if p != q]:
            return f"frame {i}: {', '.join(unequal)}"
    return "same"


def determinism(script: Script, reloads: int) -> list[Check]:
    """All comparisons."""
    arguments = ("--town", script.town, "--seed", "5")
    with EmbeddedServer(*arguments, "--threads", "2") as server:
        runs = run_apart(server.address, script, reloads + 1)
        first = runs[0]
        checks = [
            equal(f"after reload {i}", first_difference(first, run), "same")
            for i, run in enumerate(runs[1:], 1)
        ]
        other = run_apart(server.address, script._replace(seed=script.seed + 1), 1)[0]
        differs = first_difference(first, other) != "same"
        checks.append(equal("another seed differs", differs, True))
        with Ticker(server.address), EmbeddedServer(*arguments, "--threads", "1") as second:
            beside = run_apart(second.address, script, 1)[0]
        checks.append(
            equal("1 thread, beside a busy server", first_difference(first, beside), "same")
        )
    return checks


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run; the exit code is 1 if a check fails."""
    lenient_output()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["--child"]:
        return _child(words[1:])
    parser = argparse.ArgumentParser(
        prog="python -m harness.robustness.determinism", description=__doc__
    )
    parser.add_argument("--town", default="Town02")
    parser.add_argument("--ticks", type=int, default=100)
    parser.add_argument("--cars", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reloads", type=int, default=3)
    given = parser.parse_args(words)
    script = Script(given.town, given.ticks, given.cars, given.seed)
    return conclude("determinism", determinism(script, given.reloads))


if __name__ == "__main__":
    sys.exit(main())
