"""The camera rig on the embedded server, through the real client."""

from collections.abc import Iterator

import carla
import numpy as np
import pytest

from fusiondrive.errors import SimulatorError
from fusiondrive.types import CameraSpec
from sensors.rig import SensorRig

CAMERA = CameraSpec(width=200, height=150)
ROAD, SKY = 1, 11


@pytest.fixture
def world(carla_server) -> Iterator[carla.World]:
    client = carla.Client(*carla_server("Town02"))
    client.set_timeout(60.0)
    world = client.load_world("Town02")
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.1
    world.apply_settings(settings)
    yield world
    settings.synchronous_mode = False
    world.apply_settings(settings)


@pytest.fixture
def ego(world):
    model = world.get_blueprint_library().find("vehicle.tesla.model3")
    return world.spawn_actor(model, world.get_map().get_spawn_points()[0])


def test_images_of_a_frame_belong_together(world, ego):
    with SensorRig(world, ego, CAMERA, with_thermal=True, timeout_s=60.0) as rig:
        for _ in range(3):
            frame = rig.read(world.tick())
    assert frame.rgb.shape == (150, 200, 3)
    assert frame.tags is not None
    assert frame.depth_m is not None
    assert {ROAD, SKY} <= set(np.unique(frame.tags))
    assert frame.depth_m[frame.tags == SKY].min() > 900.0
    assert 0.5 < frame.depth_m[frame.tags == ROAD].min() < 5.0
    mount = ego.get_transform().transform(carla.Location(CAMERA.x, CAMERA.y, CAMERA.z))
    assert (frame.camera_pose.x, frame.camera_pose.y) == pytest.approx((mount.x, mount.y), abs=0.02)
    assert frame.camera_pose.pitch == pytest.approx(CAMERA.pitch_deg, abs=0.5)


def test_rig_without_thermal_has_one_camera_and_leaves_none_behind(world, ego):
    with SensorRig(world, ego, CAMERA, with_thermal=False, timeout_s=60.0) as rig:
        frame = rig.read(world.tick())
        assert frame.tags is None
        assert frame.depth_m is None
        assert len(world.get_actors().filter("sensor.camera.*")) == 1
    rig.close()
    world.tick()
    assert len(world.get_actors().filter("sensor.camera.*")) == 0


def test_a_frame_that_nobody_ticked_is_late(world, ego):
    with SensorRig(world, ego, CAMERA, with_thermal=False, timeout_s=60.0) as rig:
        seen = world.tick()
        rig.read(seen)
        rig._timeout_s = 0.2
        with pytest.raises(SimulatorError, match=f"frame {seen + 1} did not arrive .* {seen}$"):
            rig.read(seen + 1)
