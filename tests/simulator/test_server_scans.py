"""Lidars and radar of the embedded server, read by the real client."""

import math

import carla
import numpy as np
import pytest

SEMANTIC = np.dtype([("place", "<f4", 3), ("facing", "<f4"), ("id", "<u4"), ("tag", "<u4")])
EVENT = np.dtype([("x", "<u2"), ("y", "<u2"), ("t", "<i8"), ("is_on", "?")])
ROAD, CAR = 1, 14
LOSSLESS = {"dropoff_general_rate": 0.0, "dropoff_intensity_limit": 0.0}


def above(place: carla.Transform, height_m: float) -> carla.Transform:
    return carla.Transform(place.location + carla.Location(z=height_m), place.rotation)


def ahead(place: carla.Transform, distance_m: float) -> carla.Transform:
    return carla.Transform(place.location + distance_m * place.get_forward_vector(), place.rotation)


def points(message) -> np.ndarray:
    return np.frombuffer(message.raw_data, np.float32).reshape(-1, 4)


def ground(session, place: carla.Transform) -> float:
    return session.world.ground_projection(above(place, 1.0).location, 10.0).location.z


def test_a_lidar_counts_its_points_and_turns_its_head(session):
    place = above(session.spawn_points()[0], 2.0)
    attributes = {"rotation_frequency": 2.5, "range": 60}
    scans = session.listen("lidar.ray_cast", place, None, **attributes, **LOSSLESS)
    for turn in (1, 2, 3):
        session.world.tick()
        scan = scans.get(timeout=30.0)
        counts = [scan.get_point_count(i) for i in range(scan.channels)]
        assert scan.channels == 32
        assert sum(counts) == len(scan) == len(points(scan))
        assert max(counts) <= 56000 * 0.1 / 32
        assert scan.horizontal_angle == pytest.approx(turn * math.pi / 2, abs=1e-4)
        # A quarter turn, seen from -180 degrees on.
        yaw = np.degrees(np.arctan2(points(scan)[:, 1], points(scan)[:, 0]))
        assert (yaw > 90 * turn - 270.1).all()
        assert (yaw < 90 * turn - 179.9).all()


def test_a_lidar_finds_the_road_below_it_and_the_car_ahead(session):
    place = session.spawn_points()[0]
    other = session.world.spawn_actor(
        session.blueprint("vehicle.audi.tt"), above(ahead(place, 12.0), 0.0)
    )
    scans = session.listen("lidar.ray_cast_semantic", above(place, 1.8), None, range=40)
    session.world.tick()
    rows = np.frombuffer(scans.get(timeout=30.0).raw_data, SEMANTIC)
    road = rows[rows["tag"] == ROAD]
    below = place.location.z + 1.8 - ground(session, place)
    assert np.median(road["place"][:, 2]) == pytest.approx(-below, abs=0.1)
    car = rows[rows["tag"] == CAR]
    assert set(car["id"]) == {other.id}
    nearest = car["place"][:, 0].min()
    assert nearest == pytest.approx(12.0 - other.bounding_box.extent.x, abs=0.35)
    assert (rows["id"][rows["tag"] == ROAD] == 0).all()
    assert ((rows["facing"] >= 0.0) & (rows["facing"] <= 1.0 + 1e-6)).all()


def test_a_lidar_and_a_depth_camera_see_the_same_distance(session):
    place = above(session.spawn_points()[0], 1.5)
    single = {"channels": 1, "upper_fov": 0, "lower_fov": 0, "horizontal_fov": 2.0}
    rate = {"points_per_second": 30, "rotation_frequency": 10, "range": 900}
    scans = session.listen("lidar.ray_cast_semantic", place, None, **single, **rate)
    size = {"image_size_x": 41, "image_size_y": 41, "fov": 30}
    images = session.listen("camera.depth", place, None, **size)
    session.world.tick()
    image = images.get(timeout=30.0)
    b, g, r, _ = np.frombuffer(image.raw_data, np.uint8).reshape(41, 41, 4)[20, 20].astype(float)
    depth = 1000.0 * (r + 256.0 * g + 65536.0 * b) / (2**24 - 1)
    rows = np.frombuffer(scans.get(timeout=30.0).raw_data, SEMANTIC)
    assert len(rows) == 3
    middle = rows["place"][np.abs(rows["place"][:, 1]).argmin()]
    assert middle[0] == pytest.approx(depth, rel=0.01)


def test_losses_of_a_lidar_follow_its_attributes(session):
    place = above(session.spawn_points()[0], 2.0)
    names = {"general": "dropoff_general_rate", "limit": "dropoff_intensity_limit"}
    kinds = {
        "all": {names["general"]: 0.0, names["limit"]: 0.0, "noise_stddev": 0.0},
        "half": {names["general"]: 0.5, names["limit"]: 0.0, "atmosphere_attenuation_rate": 0.1},
        "noisy": {names["general"]: 0.0, names["limit"]: 0.0, "noise_stddev": 0.2},
    }
    queues = {
        name: session.listen("lidar.ray_cast", place, None, range=50, **attributes)
        for name, attributes in kinds.items()
    }
    session.world.tick()
    found = {name: points(queue.get(timeout=30.0)) for name, queue in queues.items()}
    assert len(found["half"]) == pytest.approx(0.5 * len(found["all"]), rel=0.1)
    distance = np.linalg.norm(found["half"][:, :3], axis=1)
    assert np.allclose(found["half"][:, 3], np.exp(-0.1 * distance), atol=1e-4)
    assert len(found["noisy"]) == len(found["all"])
    moved = np.linalg.norm(found["noisy"][:, :3], axis=1)
    moved -= np.linalg.norm(found["all"][:, :3], axis=1)
    assert moved.std() == pytest.approx(0.2, rel=0.1)


def test_a_lidar_in_the_middle_of_its_car_looks_out_of_it(session):
    car = session.car()
    place = carla.Transform(carla.Location(z=0.8))
    scans = session.listen("lidar.ray_cast_semantic", place, car, range=30)
    session.world.tick()
    rows = np.frombuffer(scans.get(timeout=30.0).raw_data, SEMANTIC)
    assert len(rows) > 1000
    assert car.id not in set(rows["id"])


def test_without_rendering_lidars_go_on_and_cameras_do_not(session):
    place = above(session.spawn_points()[0], 2.0)
    scans = session.listen("lidar.ray_cast", place, None)
    images = session.listen("camera.depth", place, None)
    settings = session.world.get_settings()
    settings.no_rendering_mode = True
    session.world.apply_settings(settings)
    frame = session.world.tick()
    while scans.get(timeout=30.0).frame < frame:
        pass
    assert images.empty()
    settings.no_rendering_mode = False
    session.world.apply_settings(settings)


def test_radar_tells_how_fast_a_car_comes_nearer(session):
    place = session.spawn_points()[0]
    car = session.world.spawn_actor(session.blueprint("vehicle.audi.tt"), ahead(place, 40.0))
    fov = {"horizontal_fov": 6, "vertical_fov": 2, "range": 60, "points_per_second": 3000}
    echoes = session.listen("other.radar", above(place, 0.7), None, **fov)
    session.world.tick()
    car.enable_constant_velocity(carla.Vector3D(x=-8.0))
    session.ticks(5)
    message = [echoes.get(timeout=30.0) for _ in range(6)][-1]
    raw = np.frombuffer(message.raw_data, np.float32).reshape(-1, 4)
    assert len(raw) == len(message)
    assert raw[0].tolist() == [
        message[0].velocity, message[0].azimuth, message[0].altitude, message[0].depth,
    ]  # fmt: skip
    moving = raw[raw[:, 0] < -0.5]
    distance = place.location.distance(car.get_location()) - car.bounding_box.extent.x
    assert moving[:, 0] == pytest.approx(-8.0, abs=0.3)
    assert moving[:, 3].min() == pytest.approx(distance, abs=0.5)
    assert np.abs(raw[:, 1]).max() <= math.radians(3.0) + 1e-4
    assert np.abs(raw[:, 2]).max() <= math.radians(1.0) + 1e-4
    still = raw[raw[:, 0] > -0.5]
    assert np.abs(still[:, 0]).max(initial=0.0) < 1e-3


def test_the_same_seed_gives_the_same_echoes(session):
    place = above(session.spawn_points()[0], 1.0)
    queues = [session.listen("other.radar", place, None, noise_seed=seed) for seed in (3, 3, 4)]
    session.world.tick()
    first, again, other = (queue.get(timeout=30.0).raw_data.tobytes() for queue in queues)
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("name", "attribute", "value"),
    [
        ("lidar.ray_cast", "channels", "0"),
        ("lidar.ray_cast", "range", "-5"),
        ("camera.dvs", "fov", "200"),
        ("other.radar", "points_per_second", "1000000000"),
    ],
)
def test_a_value_out_of_range_is_refused(session, name, attribute, value):
    blueprint = session.blueprint(f"sensor.{name}", **{attribute: value})
    with pytest.raises(RuntimeError, match=f"{attribute} is"):
        session.world.spawn_actor(blueprint, session.spawn_points()[0])


def test_the_same_actions_give_the_same_measurements(session):
    kinds: dict[str, dict[str, object]] = {
        "lidar.ray_cast": {"noise_stddev": 0.1}, "other.imu": {"noise_accel_stddev_x": 0.3},
        "other.gnss": {"noise_lat_stddev": 1e-5},
        "other.radar": {}, "camera.dvs": {"image_size_x": 80, "image_size_y": 60},
        "camera.optical_flow": {"image_size_x": 80, "image_size_y": 60},
    }  # fmt: skip

    def drive(world: carla.World) -> list[bytes]:
        now = session._replace(world=world)
        car = now.car(3)
        place = carla.Transform(carla.Location(x=1.0, z=2.0))
        queues = [now.listen(kind, place, car, **own) for kind, own in kinds.items()]
        car.apply_control(carla.VehicleControl(throttle=0.7, steer=0.1))
        now.ticks(10)
        found = [[waiting.get(timeout=30.0) for _ in range(9)] for waiting in queues]
        return [_bytes(message) for messages in found for message in messages]

    first = drive(session.world)
    session.ticks(3)
    assert drive(session.client.load_world("Town02", False)) == first


def _bytes(message) -> bytes:
    if isinstance(message, carla.IMUMeasurement):
        return repr(message.accelerometer.x).encode()
    if isinstance(message, carla.GnssMeasurement):
        return repr((message.latitude, message.longitude)).encode()
    if isinstance(message, carla.DVSEventArray):  # their times go on over reloads
        events = np.frombuffer(message.raw_data, EVENT)
        return repr(sorted((x, y, on) for x, y, _, on in events.tolist())).encode()
    return message.raw_data.tobytes()
