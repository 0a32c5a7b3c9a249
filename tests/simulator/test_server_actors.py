"""Actors of the embedded server, seen and moved by the real client."""

import carla
import pytest


def test_a_spawned_actor_is_in_the_next_frame_and_a_destroyed_one_is_not(session):
    car = session.car()
    session.world.tick()
    assert car.id in [a.id for a in session.world.get_actors()]
    assert session.world.get_snapshot().find(car.id) is not None
    assert car.destroy()
    session.world.tick()
    assert session.world.get_snapshot().find(car.id) is None
    assert not session.world.get_actors().filter("vehicle.*")


def test_throttle_moves_a_car_forward_and_the_record_shows_the_control(session):
    car = session.car()
    session.world.tick()
    before = car.get_transform()
    car.apply_control(carla.VehicleControl(throttle=0.6, steer=-0.1))
    session.ticks(20)
    moved = car.get_location() - before.location
    assert moved.dot(before.get_forward_vector()) > 3.0
    assert car.get_velocity().length() > 3.0
    assert car.get_control().throttle == pytest.approx(0.6)
    assert car.get_control().steer == pytest.approx(-0.1)


def test_two_cars_do_not_fit_into_one_place(session):
    session.car()
    with pytest.raises(RuntimeError, match="Spawn failed because of collision at spawn position"):
        session.car()
    assert session.world.try_spawn_actor(
        session.blueprint("vehicle.audi.tt"), session.spawn_points()[0]
    ) is None  # fmt: skip


def test_a_batch_spawns_and_then_does_what_follows_with_the_new_ids(session, manager):
    blueprint = session.blueprint("vehicle.tesla.model3")
    follow = carla.command.SetAutopilot(carla.command.FutureActor, True, manager.get_port())
    points = session.spawn_points()
    commands = [
        carla.command.SpawnActor(blueprint, points[0]).then(follow),
        carla.command.SpawnActor(blueprint, points[0]).then(follow),
    ]
    good, bad = session.client.apply_batch_sync(commands, False)
    assert not good.error
    assert bad.error == "Spawn failed because of collision at spawn position"
    session.ticks(30)
    assert session.world.get_actor(good.actor_id).get_velocity().length() > 1.0


def test_the_traffic_manager_drives_five_cars(session, manager):
    cars = [session.car(spot) for spot in range(0, 50, 10)]
    for car in cars:
        car.set_autopilot(True, manager.get_port())
    session.world.tick()
    start = [car.get_location() for car in cars]
    session.ticks(50)
    moved = [car.get_location().distance(was) for car, was in zip(cars, start, strict=True)]
    assert sum(m > 5.0 for m in moved) >= 3, moved
    lanes = [session.world.get_map().get_waypoint(car.get_location()) for car in cars]
    off = [
        w.transform.location.distance(c.get_location()) for w, c in zip(lanes, cars, strict=True)
    ]
    assert max(off) < 2.0


def test_a_walker_walks_where_it_is_told_to(session):
    point = session.spawn_points()[0]
    point.location.z += 1.0
    walker = session.world.spawn_actor(session.blueprint("walker.pedestrian.0005"), point)
    session.world.tick()
    before = walker.get_location()
    walker.apply_control(carla.WalkerControl(carla.Vector3D(1.0, 0.0, 0.0), 1.5))
    session.ticks(10)
    assert walker.get_location().x - before.x == pytest.approx(1.5, abs=0.3)
    assert walker.get_control().speed == pytest.approx(1.5)


def test_a_child_follows_its_parent(session):
    car = session.car()
    place = carla.Transform(carla.Location(x=2.0, z=1.0))
    sensor = session.world.spawn_actor(session.blueprint("sensor.other.imu"), place, attach_to=car)
    car.apply_control(carla.VehicleControl(throttle=1.0))
    session.ticks(20)
    expected = car.get_transform().transform(carla.Location(x=2.0, z=1.0))
    assert sensor.get_location().distance(expected) < 0.01
    assert sensor.parent.id == car.id


def test_a_teleport_counts_from_the_next_frame(session):
    car, point = session.car(), session.spawn_points()[30]
    session.world.tick()
    car.set_transform(point)
    session.world.tick()
    assert car.get_location().distance(point.location) < 0.5


def test_without_physics_a_car_stays_where_it_is_put(session):
    car = session.car()
    car.set_simulate_physics(False)
    high = car.get_transform()
    high.location.z += 5.0
    car.set_transform(high)
    session.ticks(5)
    assert car.get_location().z == pytest.approx(high.location.z, abs=0.01)


def test_all_vehicle_blueprints_spawn_with_plausible_boxes(session):
    library = session.world.get_blueprint_library()
    points = session.spawn_points()
    vehicles = list(library.filter("vehicle.*"))
    assert len(vehicles) >= 30
    for blueprint in vehicles:
        actor = session.world.spawn_actor(blueprint, points[7])
        extent = actor.bounding_box.extent
        assert 0.5 < extent.x < 6.0
        assert 0.1 < extent.y < 1.6
        actor.destroy()
    assert len(library.filter("walker.pedestrian.*")) >= 50


def test_lights_of_a_vehicle_come_back(session):
    car = session.car()
    wanted = carla.VehicleLightState(carla.VehicleLightState.LowBeam | carla.VehicleLightState.Fog)
    car.set_light_state(wanted)
    session.world.tick()
    assert car.get_light_state() == wanted
    assert session.world.get_vehicles_light_states()[car.id] == wanted


def test_physics_parameters_come_back(session):
    car = session.car()
    control = car.get_physics_control()
    assert len(control.wheels) == 4
    assert control.wheels[0].max_steer_angle == pytest.approx(70.0)
    control.mass = 2500.0
    car.apply_physics_control(control)
    assert car.get_physics_control().mass == pytest.approx(2500.0)


def test_ackermann_control_reaches_a_speed(session):
    car = session.car()
    car.apply_ackermann_control(carla.VehicleAckermannControl(speed=5.0))
    session.ticks(60)
    assert car.get_velocity().length() == pytest.approx(5.0, abs=1.0)
