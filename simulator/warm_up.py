"""Compiles the kernels before anybody is served: while they compile, no thread can answer."""

from __future__ import annotations

import logging
from time import perf_counter

import numpy as np

from simulator.physics import Physics, VehicleInput, VehicleSpec
from simulator.scene import Scene
from simulator.sensors_camera import CAMERAS, Shot, blank_output, encode
from simulator.types import Camera, Drawable, Pose, Weather

logger = logging.getLogger(__name__)

SLOW_S = 5.0  # a start from compiled kernels takes about a second
WEATHERS = (
    Weather(),
    Weather(fog_density=80.0, wetness=50.0, precipitation=50.0),
    Weather(sun_altitude_angle=-60.0),
)


def warm_up(scene: Scene) -> None:
    """Step a pair of touching cars and a walker, and draw them by day, in fog and at night.

    Nothing of it stays: the physics is thrown away, the renderer keeps no state between frames.
    """
    began = perf_counter()
    place = scene.town.spawn_points[0]
    behind = place.compose(Pose(x=-3.0))
    physics = Physics(scene.obstacles, scene.ground.heights)
    physics.add_vehicle(1, place, VehicleSpec())
    physics.add_vehicle(2, behind, VehicleSpec())
    physics.add_walker(3, place.compose(Pose(x=2.5, z=0.9)), (0.2, 0.2, 0.9))
    physics.control(2, VehicleInput(throttle=1.0))
    physics.overlaps(place, (2.4, 1.0, 0.7), (0.0, 0.0, 0.7))
    physics.step(0.1, 10)
    camera = Camera(64, 48, 90.0, place.compose(Pose(x=-8.0, z=2.0)))
    seen = (
        Drawable("vehicle.tesla.model3", place, lights=3, instance=1),
        Drawable("walker.pedestrian.0001", behind, half_extent=(0.2, 0.2, 0.9), instance=2),
        Drawable("traffic.traffic_light", behind, signal_state=0),
    )
    for weather in WEATHERS:
        scene.renderer.render(camera, seen, weather, 0.0)
    frame = scene.renderer.render(camera, seen, WEATHERS[0], 0.0, color=False, normals=True)
    shot = Shot(camera, 0, 0.0, 0.0)
    for kind in CAMERAS.values():
        output = blank_output(kind)
        for _ in range(2):  # some compare with the image before
            encode(output, shot, frame, seen)
    eye, down = np.array(camera.pose[:3]), np.array([[0.0, 0.0, -1.0]])
    scene.caster.cast(eye, down, np.full(1, 20.0), seen)
    spent_s = perf_counter() - began
    if spent_s > SLOW_S:
        logger.warning("kernels were compiled in %.0f s; later starts use the cache", spent_s)
