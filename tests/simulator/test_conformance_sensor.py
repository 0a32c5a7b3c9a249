"""Every call of Sensor and ServerSideSensor, and what each kind of measurement offers."""

from __future__ import annotations

import queue
from collections.abc import Callable

import carla
import numpy as np
import pytest

from tests.simulator.calls import by_check

SMALL = {"image_size_x": 64, "image_size_y": 48}
ROOF = carla.Transform(carla.Location(x=1.0, z=2.5))
BUMPER = carla.Transform(carla.Location(x=2.5, z=0.7))
IMAGES = ("rgb", "depth", "semantic_segmentation", "instance_segmentation", "normals")


def _camera(stage) -> carla.Sensor:
    return stage.world.spawn_actor(stage.blueprint("sensor.camera.depth", **SMALL), ROOF)


def listening(stage) -> None:
    found: queue.Queue[carla.SensorData] = queue.Queue()
    camera = _camera(stage)
    assert not camera.is_listening()
    camera.listen(found.put)
    assert camera.is_listening()
    frame = stage.world.tick()
    image = found.get(timeout=30.0)
    assert image.frame == image.frame_number == frame
    assert image.timestamp == pytest.approx(stage.world.get_snapshot().elapsed_seconds)
    assert image.transform.location.distance(ROOF.location) < 1e-3
    camera.stop()
    assert not camera.is_listening()
    stage.ticks(3)
    assert found.empty()


def ros(stage) -> None:
    camera = _camera(stage)
    camera.enable_for_ros()  # asynchronous: no error comes back
    camera.disable_for_ros()
    assert camera.is_enabled_for_ros() is False


def gbuffers(stage) -> None:
    camera = stage.world.spawn_actor(stage.blueprint("sensor.camera.rgb", **SMALL), ROOF)
    with pytest.raises(RuntimeError, match="enable_gbuffers is not supported"):
        camera.enable_gbuffers(True)
    assert not camera.is_listening_gbuffer(carla.GBufferTextureID.SceneColor)
    with pytest.raises(RuntimeError, match="get_gbuffer_token is not supported"):
        camera.listen_to_gbuffer(carla.GBufferTextureID.SceneColor, print)
    with pytest.raises(RuntimeError, match="get_gbuffer_token is not supported"):
        camera.stop_gbuffer(carla.GBufferTextureID.SceneColor)


def ignored_vehicles(stage) -> None:
    camera, car = _camera(stage), stage.car()
    with pytest.raises(TypeError, match="No to_python"):  # the wheel cannot hand the list out
        camera.get_ignored_vehicles()
    with pytest.raises(RuntimeError, match="set_ignored_vehicles is not supported"):
        camera.set_ignored_vehicles([car.id])


def messages(stage) -> None:
    _camera(stage).send("text")  # asynchronous: no error comes back
    stage.world.tick()


def images(stage) -> None:
    car = stage.car()
    waiting = {k: stage.listen(f"camera.{k}", ROOF, car, **SMALL) for k in IMAGES}
    frame = stage.world.tick()
    for kind, found in waiting.items():
        image = found.get(timeout=60.0)
        assert (image.width, image.height, image.frame) == (64, 48, frame), kind
        assert image.fov == pytest.approx(90.0)
        assert len(image.raw_data) == 64 * 48 * 4
        image.convert(carla.ColorConverter.Raw)
        assert np.frombuffer(image.raw_data, np.uint8)[3::4].min() == 255


def special_images(stage) -> None:
    car = stage.car()
    flow = stage.listen("camera.optical_flow", ROOF, car, **SMALL)
    events = stage.listen("camera.dvs", ROOF, car, **SMALL)
    car.apply_control(carla.VehicleControl(throttle=1.0))
    stage.ticks(8)
    image = flow.get(timeout=60.0)
    assert (image.width, image.height) == (64, 48)
    assert image.get_color_coded_flow().width == 64
    array = events.get(timeout=60.0)
    assert array.width == 64
    assert len(array.to_array_x()) == len(array.to_array_y()) == len(array) > 0
    with pytest.raises(TypeError, match="No to_python"):  # the wheel cannot hand this list out
        array.to_array()
    assert len(array.to_array_t()) == len(array.to_array_pol()) == len(array)
    assert len(array.to_image()) == 64 * 48
    assert array[0].x < 64


def scans(stage) -> None:
    car = stage.car()
    lidar = stage.listen("lidar.ray_cast", ROOF, car, range=50)
    semantic = stage.listen("lidar.ray_cast_semantic", ROOF, car, range=50)
    radar = stage.listen("other.radar", ROOF, car)
    stage.world.tick()
    scan = lidar.get(timeout=60.0)
    assert scan.channels == 32
    counts = sum(scan.get_point_count(i) for i in range(32))
    assert counts == len(scan) > 100
    assert -1.0 <= scan[0].intensity <= 1.0
    assert np.frombuffer(scan.raw_data, np.float32).size == 4 * len(scan)
    tagged = semantic.get(timeout=60.0)
    assert tagged[0].object_tag > 0
    assert tagged[0].object_idx >= 0
    assert 0.0 <= tagged[0].cos_inc_angle <= 1.0
    echo = radar.get(timeout=60.0)
    assert echo.get_detection_count() == len(echo) > 0
    assert echo[0].depth > 0.0


def motion(stage) -> None:
    car = stage.car()
    stage.ticks(12)  # it has come to rest on the road
    gnss, imu = stage.listen("other.gnss", ROOF, car), stage.listen("other.imu", ROOF, car)
    stage.ticks(4)
    assert abs(gnss.get(timeout=30.0).latitude) < 1.0
    measured = [imu.get(timeout=30.0) for _ in range(4)][-1]
    assert measured.accelerometer.z == pytest.approx(9.81, abs=3.0)
    assert measured.gyroscope.length() < 0.1
    assert 0.0 <= measured.compass <= 6.3


def happenings(stage) -> None:
    car = stage.car()
    stage.ticks(3)
    before = car.get_transform()
    before.location += before.get_forward_vector() * 9.0
    other = stage.world.spawn_actor(stage.blueprint("vehicle.audi.tt"), before)
    none = carla.Transform()
    collisions = stage.listen("other.collision", none, car)
    near = stage.listen("other.obstacle", BUMPER, car, distance=20, only_dynamics="true")
    lanes = stage.listen("other.lane_invasion", none, car)
    car.enable_constant_velocity(carla.Vector3D(x=8.0))
    stage.ticks(12)
    hit = collisions.get(timeout=30.0)
    assert (hit.actor.id, hit.other_actor.id) == (car.id, other.id)
    assert hit.normal_impulse.length() > 0.0
    seen = near.get(timeout=30.0)
    assert seen.other_actor.id == other.id
    assert 0.0 < seen.distance < 20.0
    car.disable_constant_velocity()
    aside = car.get_transform()
    aside.location += aside.get_right_vector() * -2.0
    car.set_transform(aside)
    stage.ticks(3)
    assert lanes.get(timeout=30.0).crossed_lane_markings


CASES: dict[str, Callable[..., None]] = {
    **{f"Sensor.{name}": listening for name in ("listen", "stop", "is_listening")},
    **{f"ServerSideSensor.{name}": ros for name in (
        "enable_for_ros", "disable_for_ros", "is_enabled_for_ros")},
    **{f"ServerSideSensor.{name}": gbuffers for name in (
        "enable_gbuffers", "is_listening_gbuffer", "listen_to_gbuffer", "stop_gbuffer")},
    "ServerSideSensor.get_ignored_vehicles": ignored_vehicles,
    "ServerSideSensor.set_ignored_vehicles": ignored_vehicles,
    "ServerSideSensor.send": messages,
}  # fmt: skip
KINDS = (images, special_images, scans, motion, happenings)


@pytest.mark.parametrize("check", by_check(CASES, *KINDS))
def test_calls(stage, check):
    check(stage)
