"""Command: median milliseconds of a lidar scan in a full town, and agreement with a camera."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from time import perf_counter

import numpy as np

from simulator.benchmarks.render import traffic
from simulator.render.view import view_of
from simulator.sensors.lidar import LidarScan, LidarSpec
from simulator.system.commands import user_path
from simulator.types import F64, Camera, Pose, Weather
from simulator.world.scene import Scene, SceneOptions, SceneStore

_STEP_S = 0.1
_SPECS = {
    "32 channels, 56 k/s, 10 m": LidarSpec(32, 10.0, 56_000, 10.0, 10.0, -30.0, 360.0),
    "32 channels, 56 k/s, 100 m": LidarSpec(32, 100.0, 56_000, 10.0, 10.0, -30.0, 360.0),
    "64 channels, 1.2 M/s, 100 m": LidarSpec(64, 100.0, 1_200_000, 10.0, 10.0, -30.0, 360.0),
}


def _scan_ms(scene: Scene, spec: LidarSpec, frames: int) -> float:
    """Median over spawn points all over the town; the first round builds the trees."""
    places = scene.town.spawn_points[:: max(1, len(scene.town.spawn_points) // 12)]
    times = []
    for n in range(frames + len(places)):
        ego = places[n % len(places)]
        things = traffic(scene.town, ego, lights=0)
        roof, generator = ego.compose(Pose(z=2.4)), np.random.default_rng(n)
        scan = LidarScan(0, b"", roof, spec, None, 0.0, _STEP_S, generator)
        began = perf_counter()
        scan.measure(scene.caster, things)
        if n >= len(places):
            times.append(perf_counter() - began)
    return float(np.median(times)) * 1e3


def _rays(camera: Camera) -> tuple[F64, F64]:
    """Unit vectors through the pixels' centres, (N, 3), and what a metre of depth is long."""
    view = view_of(camera)
    u = (np.arange(camera.width) + 0.5) * 2.0 / camera.width - 1.0
    v = 1.0 - (np.arange(camera.height) + 0.5) * 2.0 / camera.height
    rays = view.ray_z + u[None, :, None] * view.ray_x + v[:, None, None] * view.ray_y
    rays = rays.reshape(-1, 3).astype(np.float64)
    lengths = np.linalg.norm(rays, axis=1)
    return rays / lengths[:, None], lengths


def _agreement(scene: Scene) -> tuple[float, float]:
    """Share of pixels with equal tags, and median relative difference of depth."""
    ego = scene.town.spawn_points[0]
    things = traffic(scene.town, ego, lights=0)
    camera = Camera(200, 150, 90.0, ego.compose(Pose(x=-8.0, z=2.4)))
    frame = scene.renderer.render(camera, things, Weather(), 0.0, color=False)
    rays, per_m = _rays(camera)
    hits = scene.caster.cast(np.array(camera.pose[:3]), rays, np.full(len(rays), 390.0), things)
    met = np.isfinite(hits.distance_m) & (frame.depth_m.ravel() < 380.0)
    depth = hits.distance_m[met] / per_m[met]
    differs = np.abs(depth / frame.depth_m.ravel()[met] - 1.0)
    return float((hits.tags == frame.tags.ravel())[met].mean()), float(np.median(differs))


def main(arguments: Sequence[str] | None = None) -> None:
    """Grow a town, scan it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--maps", type=user_path, help="directory of OpenDRIVE files")
    parser.add_argument("--town", default="Town02")
    parser.add_argument("--frames", type=int, default=36)
    parser.add_argument("--threads", type=int)
    chosen = parser.parse_args(arguments)
    scene = SceneStore(SceneOptions(chosen.maps, 0, chosen.threads)).scene(chosen.town)
    print(f"{scene.town.name}: 30 cars, 30 walkers, {scene.renderer.threads} threads")
    for name, spec in _SPECS.items():
        print(f"{name:30s}{_scan_ms(scene, spec, chosen.frames):8.1f} ms for {_STEP_S} s")
    tags, depth = _agreement(scene)
    print(f"against a camera: tags equal on {tags:.2%} of pixels, depth differs by {depth:.1e}")
    scene.renderer.close()


if __name__ == "__main__":
    main()
