"""Sensors of the embedded server, read by the real client."""

import queue
import socket
import struct
import threading

import carla
import numpy as np
import pytest

from harness.probe import call

HOOD = carla.Transform(carla.Location(x=2.0, z=1.4), carla.Rotation(pitch=-15.0))
KINDS = ("rgb", "depth", "semantic_segmentation", "instance_segmentation")
CAR, ROAD = 14, 1


def cameras(session, parent, place=HOOD, **attributes) -> dict[str, queue.Queue[carla.SensorData]]:
    """One camera of each kind; gives their queues."""
    size = {"image_size_x": 160, "image_size_y": 120, "fov": 100, **attributes}
    return {kind: session.listen(f"camera.{kind}", place, parent, **size) for kind in KINDS}


def read(queues, frame) -> dict[str, np.ndarray]:
    images = {}
    for kind, waiting in queues.items():
        image = waiting.get(timeout=30.0)
        assert image.frame == frame
        bgra = np.frombuffer(image.raw_data, np.uint8).reshape(image.height, image.width, 4)
        images[kind] = bgra.astype(np.int64)
    return images


def test_every_camera_gives_every_frame_from_the_first_on(session):
    queues = cameras(session, session.car())
    for _ in range(3):
        frame = session.world.tick()
        images = read(queues, frame)
    assert images["rgb"].shape == (120, 160, 4)
    assert images["rgb"].std() > 5.0


def test_depth_and_tags_show_the_car_ahead_where_it_stands(session):
    place = session.spawn_points()[0]
    ahead = carla.Transform(place.location + 15.0 * place.get_forward_vector(), place.rotation)
    seen = session.world.spawn_actor(session.blueprint("vehicle.audi.tt"), ahead)
    camera = carla.Transform(place.location + carla.Location(z=1.0), place.rotation)
    queues = cameras(session, None, camera)
    images = read(queues, session.world.tick())
    tags = images["semantic_segmentation"][..., 2]
    b, g, r = (images["depth"][..., i] for i in range(3))
    depth = 1000.0 * (r + 256 * g + 65536 * b) / (2**24 - 1)
    assert ROAD in tags
    assert depth[tags == CAR].min() == pytest.approx(15.0 - 2.09, abs=0.6)
    instances = images["instance_segmentation"]
    assert (instances[..., 2] == tags).all()
    number = instances[..., 1] + 256 * instances[..., 0]
    first_id = session.world.get_spectator().id
    assert np.unique(number[tags == CAR]).tolist() == [seen.id - first_id + 1]


def test_a_camera_with_a_period_fires_at_once_and_then_at_its_times(session):
    queues = cameras(session, session.car(), sensor_tick=0.3)
    frames = [session.world.tick() for _ in range(7)]
    seen = [queues["depth"].get(timeout=60.0).frame for _ in range(3)]
    assert seen == [frames[0], frames[3], frames[6]]


def test_a_crash_into_a_parked_car_is_reported_with_its_impulse(session):
    car, place = session.car(), session.spawn_points()[0]
    ahead = carla.Transform(place.location + 12.0 * place.get_forward_vector(), place.rotation)
    other = session.world.spawn_actor(session.blueprint("vehicle.audi.tt"), ahead)
    events = session.listen("other.collision", carla.Transform(), car)
    session.world.tick()
    car.apply_control(carla.VehicleControl(throttle=1.0))
    session.ticks(30)
    event = events.get(timeout=5.0)
    assert event.actor.id == car.id
    assert event.other_actor.id == other.id
    assert event.normal_impulse.length() > 100.0


def test_imu_and_gnss_of_a_car_at_rest(session):
    car = session.car()
    names = ("imu", "gnss")
    queues = [session.listen(f"other.{name}", carla.Transform(), car) for name in names]
    session.ticks(10)
    imu, gnss = ([waiting.get(timeout=5.0) for _ in range(10)][-1] for waiting in queues)
    assert imu.accelerometer.z == pytest.approx(9.81, abs=0.05)
    assert imu.gyroscope.length() == pytest.approx(0.0, abs=1e-3)
    exact = session.world.get_map().transform_to_geolocation(car.get_location())
    assert gnss.latitude == pytest.approx(exact.latitude, abs=1e-6)


def test_noise_of_imu_and_gnss_follows_its_attributes_and_seed(session):
    place = session.spawn_points()[0]
    place.location.z += 50.0
    noise = {"noise_gyro_bias_z": 0.25, "noise_accel_stddev_x": 0.5}
    imus = [session.listen("other.imu", place, None, noise_seed=n, **noise) for n in (1, 1, 2)]
    noise = {"noise_alt_bias": 3.0, "noise_lat_stddev": 1e-4}
    gnss = session.listen("other.gnss", place, None, **noise)
    session.ticks(200)
    first, again, other = (
        np.array([waiting.get(timeout=10.0).accelerometer.x for _ in range(200)])
        for waiting in imus
    )
    assert (first == again).all()
    assert np.abs(first - other).max() > 0.1
    assert first.std() == pytest.approx(0.5, rel=0.15)
    found = [gnss.get(timeout=10.0) for _ in range(200)]
    exact = session.world.get_map().transform_to_geolocation(place.location)
    assert found[0].altitude == pytest.approx(exact.altitude + 3.0, abs=1e-3)
    assert np.std([fix.latitude for fix in found]) == pytest.approx(1e-4, rel=0.15)
    assert len({fix.longitude for fix in found}) == 1


def test_an_obstacle_sensor_reports_the_car_ahead_once_it_is_near(session):
    car, place = session.car(), session.spawn_points()[0]
    ahead = carla.Transform(place.location + 12.0 * place.get_forward_vector(), place.rotation)
    other = session.world.spawn_actor(session.blueprint("vehicle.audi.tt"), ahead)
    bumper = carla.Transform(carla.Location(x=2.4, z=0.7))
    far, near = (
        session.listen("other.obstacle", bumper, car, distance=reach, only_dynamics=True)
        for reach in (15.0, 4.0)
    )
    session.world.tick()
    event = far.get(timeout=10.0)
    assert (event.actor.id, event.other_actor.id) == (car.id, other.id)
    gap = 12.0 - 2.4 - other.bounding_box.extent.x
    assert event.distance == pytest.approx(gap - 0.5, abs=0.2)  # less the radius of the probe
    assert near.empty()


def test_lane_invasion_works_inside_the_client(session):
    car = session.car()
    events = session.listen("other.lane_invasion", carla.Transform(), car)
    session.world.tick()
    car.apply_control(carla.VehicleControl(throttle=0.6, steer=-0.4))
    session.ticks(30)
    assert events.get(timeout=5.0).crossed_lane_markings


def test_the_same_actions_give_the_same_snapshots_and_pixels(session):
    def drive(world: carla.World) -> tuple[list[float], bytes]:
        now = session._replace(world=world)
        car = now.car(3)
        queues = cameras(now, car)
        car.apply_control(carla.VehicleControl(throttle=0.7, steer=0.1))
        for _ in range(15):
            images = read(queues, world.tick())
        place = car.get_transform()
        numbers = [place.location.x, place.location.y, place.rotation.yaw]
        return numbers, b"".join(images[kind].tobytes() for kind in KINDS)

    first = drive(session.world)
    session.ticks(7)
    again = session.client.load_world("Town02", False)
    assert drive(again) == first


def test_a_first_frame_waits_for_a_client_that_connects_late(session, carla_server):
    """As on busy cores: the token was asked for, the tick comes, and only then the connection."""
    host, port = carla_server("Town02")
    camera = session.world.spawn_actor(session.blueprint("sensor.camera.depth"), HOOD)
    ((_, (described,)),) = call(host, port, "get_actors_by_id", [camera.id])
    stream_id = struct.unpack_from("<I", described[-1])[0]
    ((_, (token,)),) = call(host, port, "get_sensor_token", stream_id)
    stream_port = struct.unpack_from("<H", token, 4)[0]
    frames: list[int] = []
    ticking = threading.Thread(target=lambda: frames.append(session.world.tick()))
    ticking.start()
    ticking.join(1.5)
    assert ticking.is_alive()
    with socket.create_connection((host, stream_port), timeout=20.0) as stream:
        stream.sendall(struct.pack("<I", stream_id))
        ticking.join(20.0)
        assert not ticking.is_alive()
        head = stream.recv(32, socket.MSG_WAITALL)
    frame = struct.unpack_from("<Q", head, 4 + 8)[0]
    assert frame == frames[0]
    camera.destroy()
