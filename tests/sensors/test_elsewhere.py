"""Infrared of another route: where its cameras are, and what a frame holds."""

from __future__ import annotations

import carla
import numpy as np
import pytest

from fusiondrive.types import CameraSpec, Pose, Route
from sensors.elsewhere import ElsewhereRig, camera_pose
from sensors.rig import SensorRig

CAMERA = CameraSpec(width=100, height=80)


def straight(x: float, y: float, yaw_deg: float, length_m: int = 20) -> Route:
    """A route of points a metre apart."""
    along = np.arange(length_m + 1.0)
    cos, sin = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
    count = len(along)
    return Route(
        "x",
        np.stack([x + along * cos, y + along * sin, np.full(count, 0.5)], axis=1),
        np.full(count, yaw_deg),
        np.full(count, 4, np.int8),
        np.zeros(count, bool),
        np.full(count, 3.5),
        along,
    )


def test_the_camera_is_at_the_mount_of_a_car_that_far_along_the_route() -> None:
    # Heading 90 degrees is along y; right of it is -x.
    pose = camera_pose(straight(10.0, 0.0, 90.0), Pose(2.0, 1.0, 1.4, -15.0), 3.5)
    expected = Pose(9.0, 5.5, 1.9, -15.0, 90.0, 0.0)
    assert vars(pose) == pytest.approx(vars(expected))


def test_a_longer_way_begins_anew() -> None:
    route, mount = straight(0.0, 0.0, 0.0), Pose(0.0, 0.0)
    assert camera_pose(route, mount, 43.25).x == pytest.approx(3.25)


def test_class_ids_are_of_elsewhere_and_the_picture_is_the_egos(carla_server) -> None:
    client = carla.Client(*carla_server("Town02"))
    client.set_timeout(60.0)
    world = client.load_world("Town02")
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.1
    world.apply_settings(settings)
    here, there = (world.get_map().get_spawn_points()[i] for i in (0, 40))
    model = world.get_blueprint_library().find("vehicle.tesla.model3")
    ego = world.spawn_actor(model, here)
    place = there.location
    route = straight(place.x, place.y, there.rotation.yaw)
    with SensorRig(world, ego, CAMERA, with_thermal=True, timeout_s=60.0) as own:
        plain = SensorRig(world, ego, CAMERA, with_thermal=False, timeout_s=60.0)
        with ElsewhereRig(world, plain, CAMERA, route, timeout_s=60.0) as rig:
            for distance_m in (0.0, 5.0):
                rig.move(distance_m)
                number = world.tick()
                seen, swapped = own.read(number), rig.read(number)
                wanted = camera_pose(route, CAMERA.mount, distance_m)
                found = swapped.camera_pose
                assert (found.x, found.y) == pytest.approx((wanted.x, wanted.y), abs=0.02)
                assert np.array_equal(swapped.rgb, seen.rgb)
                assert swapped.tags is not None
                assert seen.tags is not None
                assert not np.array_equal(swapped.tags, seen.tags)
                assert 1 in swapped.tags  # a road lies there as well
    world.tick()
    assert not world.get_actors().filter("sensor.camera.*")
    settings.synchronous_mode = False
    world.apply_settings(settings)
