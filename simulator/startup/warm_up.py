"""Uses every kernel once before anybody is served: while they compile, no thread can answer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from time import perf_counter

import numpy as np

from simulator.blueprints.sensors import CAMERAS
from simulator.physics import Physics, VehicleInput, VehicleSpec
from simulator.raycast import RayCaster
from simulator.render import Renderer
from simulator.scenery import Ground
from simulator.sensors.camera import Shot, blank_output, encode
from simulator.types import Camera, Drawable, Frame, Obstacle, Pose, Weather
from simulator.world.scene import Scene

logger = logging.getLogger(__name__)

SLOW_S = 5.0  # a start from compiled kernels takes about a second
WEATHERS = (
    Weather(),
    Weather(fog_density=80.0, wetness=50.0, precipitation=80.0),
    Weather(sun_altitude_angle=-60.0),
)


def warm_up(scene: Scene) -> None:
    """Step a pair of touching cars and a walker, and draw them by day, in fog and at night.

    Nothing of it stays: the physics is thrown away, the renderer keeps no state between frames.
    """
    began = perf_counter()
    place = scene.town.spawn_points[0]
    step(place, scene.obstacles, scene.ground)
    frame = draw(place, scene.renderer)
    measure(place, scene.caster, frame)
    spent_s = perf_counter() - began
    if spent_s > SLOW_S:
        logger.warning("kernels were compiled in %.0f s; later starts use the cache", spent_s)


def step(place: Pose, obstacles: Sequence[Obstacle], ground: Ground) -> None:
    """Let two cars touch and a walker stand beside them."""
    physics = Physics(obstacles, ground.heights)
    physics.add_vehicle(1, place, VehicleSpec())
    physics.add_vehicle(2, place.compose(Pose(x=-3.0)), VehicleSpec())
    physics.add_walker(3, place.compose(Pose(x=2.5, z=0.9)), (0.2, 0.2, 0.9))
    physics.control(2, VehicleInput(throttle=1.0))
    physics.overlaps(place, (2.4, 1.0, 0.7), (0.0, 0.0, 0.7))
    physics.step(0.1, 10)


def draw(place: Pose, renderer: Renderer) -> Frame:
    """Draw all weathers; returns a frame with normals."""
    camera, seen = camera_at(place), things_at(place)
    for weather in WEATHERS:
        renderer.render(camera, seen, weather, 0.0)
    return renderer.render(camera, seen, WEATHERS[0], 0.0, color=False, normals=True)


def measure(place: Pose, caster: RayCaster, frame: Frame) -> None:
    """Write a frame down as every kind of camera does, and cast a ray."""
    camera, seen = camera_at(place), things_at(place)
    shot = Shot(camera, 0, 0.0, 0.0)
    for kind in CAMERAS.values():
        output = blank_output(kind)
        for _ in range(2):  # some compare with the image before
            encode(output, shot, frame, seen)
    eye, down = np.array(camera.pose[:3]), np.array([[0.0, 0.0, -1.0]])
    caster.cast(eye, down, np.full(1, 20.0), seen)


def camera_at(place: Pose) -> Camera:
    """A small camera behind a place."""
    return Camera(64, 48, 90.0, place.compose(Pose(x=-8.0, z=2.0)))


def things_at(place: Pose) -> tuple[Drawable, ...]:
    """A car with its lamps on, a walker and a traffic light."""
    behind = place.compose(Pose(x=-3.0))
    return (
        Drawable("vehicle.tesla.model3", place, lights=3, instance=1),
        Drawable("walker.pedestrian.0001", behind, half_extent=(0.2, 0.2, 0.9), instance=2),
        Drawable("traffic.traffic_light", behind, signal_state=0),
    )
