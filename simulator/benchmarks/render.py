"""Command: median milliseconds of each stage of drawing, by resolution and weather."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import carla
import numpy as np

from simulator.maps import load_town
from simulator.render.choice import DEFAULT, RENDERERS, describe, make_renderer
from simulator.render.renderer import Renderer
from simulator.scenery import grow
from simulator.system.commands import user_path
from simulator.types import Camera, Drawable, Pose, Town, Weather

WEATHERS = {
    "clear": Weather(cloudiness=20.0),
    "fog": Weather(cloudiness=70.0, fog_density=90.0),
    "night": Weather(sun_altitude_angle=-30.0),
}
RESOLUTIONS = ((200, 88), (400, 300), (800, 600))
_CAR = "vehicle.tesla.model3"
_COLORS = ((180, 30, 30), (30, 60, 160), (220, 220, 220), (40, 40, 45), (200, 160, 40))


def traffic(town: Town, ego: Pose, *, lights: int, count: int = 30) -> list[Drawable]:
    """The ego, cars on the nearest spawn points and a walker beside each."""
    by_distance = sorted(
        town.spawn_points, key=lambda p: ((p.x - ego.x) ** 2 + (p.y - ego.y) ** 2, p)
    )
    things = []
    for n, pose in enumerate(by_distance[: count + 1]):
        color = _COLORS[n % len(_COLORS)]
        things.append(Drawable(_CAR, pose, color=color, instance=n + 1, lights=lights))
        beside = pose.compose(Pose(1.0, 4.5, 0.0))
        things.append(
            Drawable(
                f"walker.pedestrian.{n % 40 + 1:04d}",
                beside,
                velocity=(1.4, 0.0, 0.0),
                half_extent=(0.19, 0.19, 0.93),
                instance=n + 101,
                age_s=0.37 * n,
            )
        )
    return things


def measure(renderer: Renderer, town: Town, frames: int) -> list[str]:
    """Lines of the table; the camera visits spawn points all over the town."""
    lines = []
    places = town.spawn_points[:: max(1, len(town.spawn_points) // 12)]
    for name, weather in WEATHERS.items():
        for width, height in RESOLUTIONS:
            rows = []
            for n in range(frames + len(places)):
                ego = places[n % len(places)]
                things = traffic(town, ego, lights=3 if name == "night" else 0)
                camera = Camera(
                    width, height, 100.0, ego.compose(Pose(2.0, 0.0, 1.4, -15.0, 0.0, 0.0))
                )
                moved = [replace(thing, age_s=thing.age_s + 0.1 * n) for thing in things]
                renderer.render(camera, moved, weather, 0.1 * n, shot_noise_seed=n)
                if n >= len(places):
                    rows.append(renderer.stages)
            stages = np.median(np.array(rows), axis=0) * 1e3
            total = float(np.median(np.sum(rows, axis=1)) * 1e3)
            cells = "".join(f"{value:10.1f}" for value in stages)
            lines.append(f"{name:6s} {width}x{height:<5d}{cells}{total:10.1f}")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Grow a town, draw it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--maps", type=user_path, help="directory of OpenDRIVE files")
    parser.add_argument("--town", default="Town02")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--renderer", default=DEFAULT, choices=sorted(RENDERERS))
    chosen = parser.parse_args(arguments)
    town = load_town(chosen.town, chosen.maps)
    scenery = grow(carla.Map(town.name, town.xodr), town)
    renderer = make_renderer(chosen.renderer, scenery, chosen.threads)
    faces = sum(len(layer.mesh.faces) for layer in scenery.layers)
    drawn_by = f"{describe(renderer)}, {renderer.threads} threads"
    print(f"{town.name}: {faces} faces, {drawn_by}; median ms over places")
    heads = "".join(f"{name:>10s}" for name in ("cull", "project", "draw", "glare", "total"))
    print(" " * 15 + heads)
    for line in measure(renderer, town, chosen.frames):
        print(line)
    renderer.close()


if __name__ == "__main__":
    main()
