"""Command: draws small pictures that stand for all; a test compares with those in the tree.

`python -m simulator.benchmarks.reference tests/simulator/look`
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import carla
import cv2
import numpy as np

from simulator.benchmarks.render import traffic
from simulator.maps import load_town
from simulator.render.renderer import Renderer
from simulator.render.version import RENDER_VERSION
from simulator.scenery import grow
from simulator.system.commands import user_path
from simulator.types import U8, Camera, Pose, Town, Weather

TOWN = "Town02"
WIDTH, HEIGHT = 200, 88
# Spawn point and weather of each picture.
SCENES = {
    "clear": (5, Weather(cloudiness=20.0)),
    "fog": (40, Weather(cloudiness=70.0, fog_density=60.0, fog_distance=5.0)),
    "night": (5, Weather(sun_altitude_angle=-30.0)),
    "wet": (71, Weather(cloudiness=60.0, wetness=90.0, precipitation_deposits=60.0)),
    "rain": (71, Weather(cloudiness=95.0, precipitation=70.0, precipitation_deposits=60.0)),
    "sunset": (20, Weather(sun_altitude_angle=8.0, sun_azimuth_angle=120.0)),
}


def draw_reference(renderer: Renderer, town: Town) -> dict[str, U8]:
    """RGB (H, W, 3) by name of the scene, and tags (H, W) by `tags_` and the name."""
    pictures: dict[str, U8] = {}
    for name, (spot, weather) in SCENES.items():
        ego = town.spawn_points[spot % len(town.spawn_points)]
        things = traffic(town, ego, lights=3 if name == "night" else 0)
        camera = Camera(WIDTH, HEIGHT, 100.0, ego.compose(Pose(2.0, 0.0, 1.4, -12.0, 0.0, 0.0)))
        frame = renderer.render(camera, things, weather, 3.0, shot_noise_seed=7)
        pictures[name] = np.ascontiguousarray(frame.bgra[..., 2::-1])
        pictures[f"tags_{name}"] = frame.tags
    return pictures


def grown() -> tuple[Renderer, Town]:
    """The town of the pictures and its renderer; the caller closes it."""
    town = load_town(TOWN, None)
    return Renderer(grow(carla.Map(town.name, town.xodr), town)), town


def folder_of(root: Path) -> Path:
    """Where the pictures of this version lie."""
    return root / f"version_{RENDER_VERSION}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the pictures as PNG files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=user_path, help="directory with a folder for each version")
    folder = folder_of(parser.parse_args(arguments).root)
    folder.mkdir(parents=True, exist_ok=True)
    renderer, town = grown()
    for name, picture in draw_reference(renderer, town).items():
        stored = picture[..., ::-1] if picture.ndim == 3 else picture
        cv2.imwrite(str(folder / f"{name}.png"), stored)
    renderer.close()
    print(f"wrote {folder}")


if __name__ == "__main__":
    main()
