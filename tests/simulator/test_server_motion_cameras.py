"""Cameras that see motion or directions, and how cameras are carried; with the real client."""

import carla
import numpy as np
import pytest

SIZE = {"image_size_x": 160, "image_size_y": 120, "fov": 90}
EVENT = np.dtype([("x", "<u2"), ("y", "<u2"), ("t", "<i8"), ("is_on", "?")])


def above(place: carla.Transform, height_m: float) -> carla.Transform:
    return carla.Transform(place.location + carla.Location(z=height_m), place.rotation)


def flow_of(message) -> np.ndarray:
    return np.frombuffer(message.raw_data, np.float32).reshape(message.height, message.width, 2)


def free_camera(session, kind: str, place: carla.Transform, **attributes):
    queue = session.listen(f"camera.{kind}", place, None, **SIZE, **attributes)
    return queue, session.sensors[-1]


def test_flow_of_a_camera_that_turns_right_goes_left_everywhere(session):
    place = above(session.spawn_points()[0], 2.0)
    images, camera = free_camera(session, "optical_flow", place)
    session.world.tick()
    assert np.abs(flow_of(images.get(timeout=30.0))).max() < 1e-6
    place.rotation.yaw += 2.0
    camera.set_transform(place)
    session.world.tick()
    flow = flow_of(images.get(timeout=30.0))
    assert (flow[..., 0] < 0.0).all()
    # In the middle of the image a turn by an angle shifts by its tangent, in half widths.
    assert flow[60, 80, 0] == pytest.approx(-np.tan(np.radians(2.0)), rel=0.02)
    assert abs(flow[60, 80, 1]) < 1e-3


def test_flow_of_a_camera_that_drives_ahead_leads_outwards(session):
    place = above(session.spawn_points()[0], 2.0)
    images, camera = free_camera(session, "optical_flow", place)
    session.world.tick()
    camera.set_transform(
        carla.Transform(place.location + place.get_forward_vector(), place.rotation)
    )
    session.world.tick()
    flow = [flow_of(images.get(timeout=30.0)) for _ in range(2)][-1]
    road = flow[100:, :, :]  # below the horizon, y up: things sink
    assert (road[:, :40, 0] < 0.0).all()
    assert (road[:, 120:, 0] > 0.0).all()
    assert (road[..., 1] < 0.0).all()


def test_flow_of_a_car_that_crosses_before_a_camera_at_rest(session):
    place = session.spawn_points()[0]
    side = place.get_right_vector()
    start = place.location + 15.0 * place.get_forward_vector()
    car = session.world.spawn_actor(
        session.blueprint("vehicle.audi.tt"), carla.Transform(start, place.rotation)
    )
    images, _ = free_camera(session, "optical_flow", above(place, 1.5))
    tags, _ = free_camera(session, "semantic_segmentation", above(place, 1.5))
    car.set_simulate_physics(False)
    session.world.tick()
    car.set_transform(carla.Transform(start + 0.5 * side, place.rotation))
    session.world.tick()
    flow = [flow_of(images.get(timeout=30.0)) for _ in range(2)][-1]
    seen = [tags.get(timeout=30.0) for _ in range(2)][-1]
    is_car = np.frombuffer(seen.raw_data, np.uint8).reshape(120, 160, 4)[..., 2] == 14
    # 0.5 m to the right at about 13 m, of which half the image shows one metre per metre.
    assert np.median(flow[is_car][:, 0]) == pytest.approx(0.5 / 13.0, rel=0.1)
    assert np.abs(flow[~is_car]).max() < 1e-3


def test_events_come_only_from_where_something_changes(session):
    place = session.spawn_points()[0]
    images, _ = free_camera(session, "dvs", above(place, 1.5))
    depth, _ = free_camera(session, "depth", above(place, 1.5))
    session.ticks(4)
    for _ in range(4):
        depth.get(timeout=30.0)
    assert images.empty()  # a quiet street says nothing
    ahead = place.location + 12.0 * place.get_forward_vector()
    session.world.spawn_actor(
        session.blueprint("vehicle.audi.tt", color="255,255,255"),
        carla.Transform(ahead, place.rotation),
    )
    frame = session.world.tick()
    message = images.get(timeout=30.0)
    events = np.frombuffer(message.raw_data, EVENT)
    assert message.frame == frame
    assert len(events) == len(message) > 50
    assert (np.diff(events["t"]) >= 0).all()
    end_ns = message.timestamp * 1e9
    assert events["t"].min() >= end_ns - 0.1e9 - 2
    assert events["t"].max() <= end_ns + 2
    middle = (events["x"] > 50) & (events["x"] < 110) & (events["y"] > 40)
    assert middle.mean() > 0.9
    assert message[0].pol == bool(events["is_on"][0])


def test_normals_of_a_road_point_upwards(session):
    place = above(session.spawn_points()[0], 3.0)
    place.rotation.pitch = -90.0
    images, _ = free_camera(session, "normals", place)
    session.world.tick()
    image = images.get(timeout=30.0)
    bgra = np.frombuffer(image.raw_data, np.uint8).reshape(120, 160, 4)
    assert np.abs(bgra[60, 80, :3].astype(int) - (255, 128, 128)).max() <= 2


@pytest.mark.parametrize("delta_s", [0.1, 0.05, 0.033])
def test_a_period_holds_over_many_frames_whatever_the_step(session, delta_s):
    settings = session.world.get_settings()
    settings.fixed_delta_seconds = delta_s
    session.world.apply_settings(settings)
    period_s, count = 0.1, 120
    gnss = session.listen("other.gnss", carla.Transform(), None, sensor_tick=period_s)
    first = session.world.get_snapshot().timestamp.elapsed_seconds + delta_s
    session.ticks(count)
    last = first + (count - 1) * delta_s
    expected = int((last - first) / period_s + 1e-6) + 1
    times = [gnss.get(timeout=10.0).timestamp for _ in range(expected)]
    assert gnss.empty()
    assert times[0] == pytest.approx(first)
    late = np.array(times) - first - period_s * np.arange(expected)
    assert late.min() > -1e-6
    assert late.max() < delta_s - 1e-6


def test_spring_arms_look_at_their_parent(session):
    car = session.car()
    place = carla.Transform(carla.Location(x=-5.5, z=2.5), carla.Rotation(pitch=8.0))
    blueprint = session.blueprint("sensor.camera.rgb")
    kinds = carla.AttachmentType
    cameras = {
        kind: session.world.spawn_actor(blueprint, place, car, kind)
        for kind in (kinds.Rigid, kinds.SpringArm, kinds.SpringArmGhost)
    }
    session.ticks(2)
    own = car.get_transform()
    seen = {kind: camera.get_transform() for kind, camera in cameras.items()}
    assert seen[kinds.Rigid].rotation.pitch == pytest.approx(8.0, abs=0.2)
    down = -np.degrees(np.arctan2(2.5, 5.5)) + 8.0
    for kind, lift in ((kinds.SpringArm, 0.3), (kinds.SpringArmGhost, 0.0)):
        assert seen[kind].rotation.pitch == pytest.approx(down, abs=0.01)
        assert seen[kind].location.z - own.location.z == pytest.approx(2.5 + lift, abs=0.01)


def test_only_the_yielding_arm_stops_at_a_wall(session):
    world, place = session.world, session.spawn_points()[0]
    walls = world.get_level_bbs(carla.CityObjectLabel.Buildings)
    wall = min(walls, key=lambda box: box.location.distance(place.location))
    prop = world.spawn_actor(session.blueprint("static.prop.box01"), place)
    arm = carla.Transform(carla.Location(x=-60.0, z=1.0))
    blueprint = session.blueprint("sensor.camera.rgb")
    prop.set_transform(
        carla.Transform(
            carla.Location(place.location.x, place.location.y, place.location.z + 1.0),
            carla.Rotation(yaw=_yaw(wall.location - place.location) + 180.0),
        )
    )
    cameras = [
        world.spawn_actor(blueprint, arm, prop, kind)
        for kind in (carla.AttachmentType.SpringArm, carla.AttachmentType.SpringArmGhost)
    ]
    session.ticks(2)
    near, far = (c.get_location().distance(prop.get_location()) for c in cameras)
    assert far == pytest.approx(60.0, abs=0.2)
    assert near < 55.0


def _yaw(step: carla.Location) -> float:
    return float(np.degrees(np.arctan2(step.y, step.x)))


def test_a_full_hd_camera_on_a_walker(session):
    place = above(session.spawn_points()[0], 1.0)
    walker = session.world.spawn_actor(session.blueprint("walker.pedestrian.0001"), place)
    camera = carla.Transform(carla.Location(z=0.6, x=0.3))
    size = {"image_size_x": 1920, "image_size_y": 1080}
    images = session.listen("camera.rgb", camera, walker, lens_k=0.5, fstop=2.8, **size)
    frame = session.world.tick()
    image = images.get(timeout=60.0)
    assert (image.frame, image.width, image.height) == (frame, 1920, 1080)
    assert len(image.raw_data) == 1920 * 1080 * 4
