"""What CARLA 0.9.16's own examples and smoke tests rely on, one fact a test."""

from __future__ import annotations

import random
import time

import carla
import numpy as np
import pytest

from simulator.sensors.cosmos import control_words
from simulator.types import Frame, Tag
from tests.simulator.test_conformance_blueprints import ahead_of

# What `manual_control` of 0.9.16 looks up when it starts; one that is missing ends it.
MANUAL_CONTROL = (
    "camera.rgb", "camera.depth", "camera.semantic_segmentation", "camera.instance_segmentation",
    "camera.cosmos_visualization", "camera.dvs", "camera.optical_flow", "camera.normals",
    "lidar.ray_cast", "lidar.ray_cast_semantic", "other.collision", "other.lane_invasion",
    "other.gnss", "other.imu", "other.radar", "other.obstacle",
)  # fmt: skip
LENS = {
    "fov": "90", "image_size_x": "800", "image_size_y": "600", "sensor_tick": "0",
    "lens_circle_falloff": "5", "lens_circle_multiplier": "0", "lens_k": "-1",
    "lens_kcube": "0", "lens_x_size": "0.08", "lens_y_size": "0.08", "role_name": "front",
    "ros_name": "sensor.camera.cosmos_visualization",
}  # fmt: skip
TWO_WHEELERS = ("gazelle.omafiets", "harley-davidson.low_rider")
ORIGIN = carla.Location()


@pytest.fixture
def running(client, town):
    """The world as it is by default: time passes by itself."""
    world = client.get_world()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = False, 0.05
    world.apply_settings(settings)
    made: list[carla.Actor] = []
    yield world, made
    client.apply_batch_sync([carla.command.DestroyActor(actor) for actor in reversed(made)])


def pixels(image: carla.Image) -> np.ndarray:
    """Red, green, blue, (H, W, 3)."""
    return np.frombuffer(image.raw_data, np.uint8).reshape(image.height, image.width, 4)[..., 2::-1]


def test_all_that_manual_control_looks_up_is_there(stage):
    for name in MANUAL_CONTROL:
        assert stage.blueprint(f"sensor.{name}").tags[-1]
    cosmos = stage.blueprint("sensor.camera.cosmos_visualization")
    assert {attribute.id: text_of(attribute) for attribute in cosmos} == LENS


def text_of(attribute: carla.ActorAttribute) -> str:
    """The value, as the client prints it."""
    return str(attribute).removesuffix(")").split("value=")[1]


def test_the_cosmos_camera_shows_edges_of_classes_over_depth(stage):
    car = stage.car(0)
    place = carla.Transform(carla.Location(x=-8.0, z=3.0), carla.Rotation(pitch=-8.0))
    size = {"image_size_x": 160, "image_size_y": 120}
    names = ("cosmos_visualization", "semantic_segmentation", "depth")
    queues = [stage.listen(f"camera.{name}", place, car, **size) for name in names]
    stage.world.tick()
    images = [pixels(queue.get(timeout=20.0)).astype(int) for queue in queues]
    picture, tags, depth = images[0], images[1][..., 0], images[2] @ (1, 256, 65536)
    metres = 1000.0 * depth / (2.0**24 - 1.0)
    grey = np.round(160.0 * (1.0 - np.log1p(metres) / np.log1p(1000.0)))
    inside = np.ones(tags.shape, bool)  # no other class beside it
    for axis in (0, 1):
        same = np.diff(tags, axis=axis) == 0
        inside &= np.insert(same, 0, True, axis) & np.insert(same, same.shape[axis], True, axis)
    flat = inside & np.isin(tags, (1, 11))  # roads and sky: one thing each
    assert flat.mean() > 0.2
    assert np.abs(picture - grey[..., None])[flat].max() <= 1
    outline = (picture == (255, 0, 0)).all(2)
    assert 20 < outline.sum() < 0.2 * (tags == int(carla.CityObjectLabel.Car)).sum() + 200
    assert (tags[outline] == int(carla.CityObjectLabel.Car)).all()
    assert not (outline & inside).any()


def test_a_walker_can_be_sent_on_its_way_right_after_it_was_spawned(running):
    world, made = running
    library = world.get_blueprint_library()
    for blueprint in random.Random(1).sample(list(library.filter("walker.pedestrian.*")), 4):
        place = carla.Transform(world.get_random_location_from_navigation())
        walker = world.spawn_actor(blueprint, place)
        assert walker.get_location().distance(place.location) < 2.0
        assert walker.id in [actor.id for actor in world.get_actors()]
        brain = world.spawn_actor(library.find("controller.ai.walker"), carla.Transform(), walker)
        brain.start()
        brain.go_to_location(world.get_random_location_from_navigation())
        made += [walker, brain]
    for brain in made[1::2]:
        brain.stop()


def test_a_batch_is_answered_when_its_actors_are_there(running, client):
    world, made = running
    car = world.get_blueprint_library().find("vehicle.tesla.model3")
    points = world.get_map().get_spawn_points()[:6]
    before = world.get_snapshot().frame
    commands = [carla.command.SpawnActor(car, point) for point in points]
    cars = [world.get_actor(answer.actor_id) for answer in client.apply_batch_sync(commands)]
    made += cars
    assert world.get_snapshot().frame - before < 20  # it waits once, not once for each
    for one, point in zip(cars, points, strict=True):
        assert one.get_location().distance(point.location) < 1.0


def test_leaving_asynchronous_mode_keeps_no_answer_back(running):
    world, made = running
    settings = world.get_settings()
    settings.fixed_delta_seconds = 8.0  # an answer that waited so long would be a time-out
    world.apply_settings(settings)
    car = world.get_blueprint_library().find("vehicle.tesla.model3")
    made.append(world.spawn_actor(car, world.get_map().get_spawn_points()[20]))
    settings.fixed_delta_seconds = 0.05
    world.apply_settings(settings)  # and no step of 8 s goes on
    began = time.monotonic()
    made.append(world.spawn_actor(car, world.get_map().get_spawn_points()[21]))
    assert time.monotonic() - began < 4.0


@pytest.mark.parametrize("name", TWO_WHEELERS)
def test_two_wheelers_have_four_wheels_in_the_physics(stage, name):
    blueprint = stage.blueprint(f"vehicle.{name}")
    assert blueprint.get_attribute("number_of_wheels").as_int() == 2
    bike = stage.world.spawn_actor(blueprint, stage.spawn_points()[0])
    stage.world.tick()
    control = bike.get_physics_control()
    wheels = control.wheels
    assert [round(wheel.max_steer_angle) for wheel in wheels] == [70, 70, 0, 0]
    ahead = [0.01 * carla.Location(wheel.position).distance(ORIGIN) for wheel in wheels]
    assert ahead[0] == pytest.approx(ahead[1])
    for number, wheel in enumerate(wheels):
        wheel.tire_friction, wheel.long_stiff_value = 2.0 + number, 900.0 + number
    control.wheels = wheels
    bike.apply_physics_control(control)
    stage.world.tick()
    found = bike.get_physics_control().wheels
    assert [wheel.tire_friction for wheel in found] == [2.0, 3.0, 4.0, 5.0]
    assert [wheel.long_stiff_value for wheel in found] == [900.0, 901.0, 902.0, 903.0]
    assert len(bike.get_telemetry_data().wheels) == 4
    load = sum(wheel.tire_load for wheel in bike.get_telemetry_data().wheels)
    assert load == pytest.approx(9.81 * control.mass, rel=1e-3)


@pytest.mark.parametrize("name", ["gazelle.omafiets", "tesla.model3"])
def test_every_wheel_has_a_steering_angle(stage, name):
    vehicle = stage.world.spawn_actor(
        stage.blueprint(f"vehicle.{name}"), stage.spawn_points()[0]
    )  # fmt: skip
    vehicle.apply_control(carla.VehicleControl(steer=1.0))
    stage.ticks(5)
    where = carla.VehicleWheelLocation
    angles = [vehicle.get_wheel_steer_angle(w) for w in (where.FL_Wheel, where.FR_Wheel)]
    assert angles[0] > 20.0
    assert vehicle.get_wheel_steer_angle(where.Front_Wheel) == angles[0]
    assert (angles[1] > 20.0) == (name == "tesla.model3")  # of a bicycle that is Back_Wheel
    assert [vehicle.get_wheel_steer_angle(w) for w in (where.BL_Wheel, where.BR_Wheel)] == [0, 0]


def test_three_wheels_are_refused(stage):
    car = stage.car()
    control = car.get_physics_control()
    mass = control.mass
    control.wheels, control.mass = control.wheels[:3], 2.0 * mass
    car.apply_physics_control(control)
    stage.world.tick()
    assert (car.get_physics_control().mass, len(car.get_physics_control().wheels)) == (mass, 4)


def straight_ahead(stage, metres: float) -> carla.Transform:
    """A spawn point of a lane that is straight for some way."""
    carla_map = stage.world.get_map()
    for point in carla_map.get_spawn_points():
        far = carla_map.get_waypoint(ahead_of(point, metres).location)
        turned = abs(far.transform.rotation.yaw - point.rotation.yaw) % 360.0
        gap = far.transform.location.distance(ahead_of(point, metres).location)
        if gap < 1.0 and min(turned, 360.0 - turned) < 0.1 and not far.is_junction:
            return point
    raise AssertionError("no straight lane is long enough")


@pytest.mark.parametrize("name", ["tesla.model3", "yamaha.yzf"])
def test_without_friction_and_drag_the_speed_stays(stage, name):
    point = straight_ahead(stage, 120.0)
    vehicle = stage.world.spawn_actor(stage.blueprint(f"vehicle.{name}"), point)
    stage.ticks(5)
    control = vehicle.get_physics_control()
    wheels = control.wheels
    for wheel in wheels:
        wheel.tire_friction = 0.0
    control.wheels, control.drag_coefficient = wheels, 0.0
    vehicle.apply_physics_control(control)
    vehicle.set_target_velocity(point.get_forward_vector() * (50.0 / 3.6))
    stage.ticks(1)
    assert vehicle.get_velocity().length() == pytest.approx(13.889, abs=1e-3)
    stage.ticks(80)
    assert vehicle.get_velocity().length() == pytest.approx(13.889, abs=1e-3)


def test_a_replay_gives_back_the_recorded_ids(session, tmp_path):
    point = session.spawn_points()[3]
    cars = [session.car(3), session.car(4)]
    cone = session.world.spawn_actor(
        session.blueprint("static.prop.constructioncone"), ahead_of(point, 15.0)
    )
    before = {actor.id: actor.type_id for actor in [*cars, cone]}
    session.client.start_recorder(str(tmp_path / "run.log"))
    session.ticks(5)
    session.client.stop_recorder()
    world = session.client.reload_world(False)
    assert not [actor for actor in world.get_actors() if actor.id in before]
    session.client.replay_file(str(tmp_path / "run.log"), 0.0, 0.0, 0, False)
    world.tick()
    found = {actor.id: actor.type_id for actor in world.get_actors() if actor.id in before}
    assert found == before
    boxes = {actor.id: actor.bounding_box.extent for actor in world.get_actors(list(before))}
    assert boxes[cars[0].id].x == pytest.approx(2.4, abs=0.1)
    new = world.spawn_actor(session.blueprint("vehicle.audi.tt"), session.spawn_points()[10])
    assert new.id > max(actor.id for actor in world.get_actors() if actor.id != new.id)


def test_roles_are_those_of_carla(stage):
    roles = {
        blueprint.id: blueprint.get_attribute("role_name").as_str()
        for blueprint in stage.world.get_blueprint_library()
    }
    assert roles["sensor.camera.rgb"] == roles["sensor.other.collision"] == "front"
    for name in ("gnss", "imu", "radar", "v2x", "v2x_custom"):
        assert roles[f"sensor.other.{name}"] == "default"
    assert roles["vehicle.audi.tt"] == "autopilot"
    assert roles["static.prop.barrel"] == "prop"
    assert roles["controller.ai.walker"] == "default"


@pytest.mark.parametrize("name", ["rss", "v2x", "v2x_custom"])
def test_sensors_that_are_not_simulated_say_so_when_they_are_spawned(stage, name):
    blueprint = stage.blueprint(f"sensor.other.{name}")
    with pytest.raises(RuntimeError, match=rf"sensor.other.{name} is not simulated by this server"):
        stage.world.spawn_actor(blueprint, carla.Transform())


def test_outlines_of_the_cosmos_camera_are_on_the_side_of_what_is_nearer():
    road, car, sky = (int(tag) for tag in (Tag.ROADS, Tag.CAR, Tag.SKY))
    tags = np.array([[road, car, road, sky, sky]], np.uint8)
    depth = np.array([[10.0, 5.0, 10.0, 1000.0, 1000.0]], np.float32)
    things = np.array([[0, 7, 0, 0, 0]], np.uint16)
    words = control_words(Frame(np.zeros((1, 5, 4), np.uint8), tags, depth, things))
    grey = round(160.0 * (1.0 - np.log1p(10.0) / np.log1p(1000.0)))
    assert [hex(word) for word in words[0]] == [
        f"0xff{grey:02x}{grey:02x}{grey:02x}", "0xffff0000", "0xff804080", "0xff000000",
        "0xff000000",
    ]  # fmt: skip
