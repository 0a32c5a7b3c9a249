"""What the blueprints of CARLA 0.9.16 offer, and that each of them spawns."""

from __future__ import annotations

import carla
import pytest

NAMED_IN_CARLA = {
    "controller.ai.walker", "static.prop.mesh", "static.trigger.friction", "util.actor.empty",
    "static.prop.bike helmet", "static.prop.foodcart", "static.prop.trashcan05",
}  # fmt: skip
WITH_DOORS = {
    "vehicle.carlamotors.firetruck", "vehicle.dodge.charger_2020",
    "vehicle.dodge.charger_police_2020", "vehicle.ford.ambulance", "vehicle.ford.crown",
    "vehicle.lincoln.mkz_2020", "vehicle.mercedes.coupe_2020", "vehicle.mercedes.sprinter",
    "vehicle.mini.cooper_s_2021", "vehicle.nissan.patrol_2021", "vehicle.volkswagen.t2_2021",
}  # fmt: skip


def ahead_of(point: carla.Transform, metres: float) -> carla.Transform:
    return carla.Transform(point.location + point.get_forward_vector() * metres, point.rotation)


def tyres(car: carla.Vehicle) -> list[float]:
    return [wheel.tire_friction for wheel in car.get_physics_control().wheels]


def rolling(stage, speed_mps: float) -> carla.Vehicle:
    """A car on its wheels with a speed, from which it brakes."""
    car = stage.car()
    stage.ticks(8)
    car.set_target_velocity(stage.spawn_points()[0].get_forward_vector() * speed_mps)
    car.apply_control(carla.VehicleControl(brake=1.0))
    return car


def test_the_library_has_carlas_names(stage):
    library = stage.world.get_blueprint_library()
    assert {blueprint.id for blueprint in library} >= NAMED_IN_CARLA
    assert len(library.filter("static.prop.*")) >= 96
    assert len(library.filter("vehicle.*")) == 41


def test_doors_and_lights_are_those_of_carlas_catalogue(stage):
    vehicles = stage.world.get_blueprint_library().filter("vehicle.*")
    doors = {b.id for b in vehicles if b.get_attribute("has_dynamic_doors").as_bool()}
    lights = {b.id for b in vehicles if b.get_attribute("has_lights").as_bool()}
    assert doors == WITH_DOORS
    assert lights == {*WITH_DOORS, "vehicle.mitsubishi.fusorosa"}


def test_riders_can_be_chosen(stage):
    bike = stage.blueprint("vehicle.gazelle.omafiets", driver_id=3)
    assert stage.world.spawn_actor(bike, stage.spawn_points()[0]).attributes["driver_id"] == "3"


@pytest.mark.parametrize("kind", ["static.prop.*", "vehicle.*", "walker.*", "util.*"])
def test_every_blueprint_spawns_where_it_is_told(stage, kind):
    point = stage.spawn_points()[5]
    point.location.z += 1.0
    for blueprint in stage.world.get_blueprint_library().filter(kind):
        actor = stage.world.spawn_actor(blueprint, point)
        stage.world.tick()
        assert actor.get_location().distance(point.location) < 0.2, blueprint.id
        assert actor.destroy()


def test_cars_pass_over_what_lies_flat(stage):
    car, point = stage.car(), stage.spawn_points()[0]
    debris = stage.blueprint("static.prop.dirtdebris02")
    stage.world.spawn_actor(debris, ahead_of(point, 6.0))
    car.apply_control(carla.VehicleControl(throttle=0.7))
    stage.ticks(30)
    assert car.get_location().distance(point.location) > 10.0


def test_a_friction_trigger_holds_for_those_inside(stage):
    blueprint = stage.blueprint(
        "static.trigger.friction", friction=0.5, extent_x=500, extent_y=300, extent_z=300
    )
    trigger = stage.world.spawn_actor(blueprint, ahead_of(stage.spawn_points()[0], 15.0))
    box = trigger.bounding_box.extent
    assert (box.x, box.y, box.z) == (5.0, 3.0, 3.0)
    car = stage.car()
    car.apply_control(carla.VehicleControl(throttle=0.7))
    seen = []
    for _ in range(60):
        stage.world.tick()
        seen.append(tyres(car))
        if car.get_location().distance(trigger.get_location()) < 2.0:
            break
    assert seen[0] == [3.5] * 4
    assert seen[-1] == [0.5] * 4
    trigger.destroy()
    stage.world.tick()
    assert tyres(car) == [3.5] * 4


def test_without_friction_nothing_but_the_air_brakes(stage):
    car = rolling(stage, 15.0)
    control = car.get_physics_control()
    wheels = control.wheels
    for wheel in wheels:
        wheel.tire_friction = 0.0
    control.wheels, control.drag_coefficient = wheels, 0.0
    car.apply_physics_control(control)
    stage.ticks(20)
    assert car.get_velocity().length() == pytest.approx(15.0, abs=0.1)
    car.set_target_velocity(carla.Vector3D())
    car.apply_control(carla.VehicleControl(throttle=1.0))
    stage.ticks(20)
    assert car.get_velocity().length() < 0.1


def test_boxes_of_the_level_are_of_lights_and_of_what_was_spawned_too(stage):
    car = stage.car()
    stage.world.tick()
    (box,) = stage.world.get_level_bbs(carla.CityObjectLabel.Car)
    middle = car.get_transform().transform(car.bounding_box.location)
    assert box.location.distance(carla.Location(middle)) < 0.05
    assert box.extent == car.bounding_box.extent
    lights = stage.world.get_actors().filter("traffic.traffic_light")
    heads = stage.world.get_level_bbs(carla.CityObjectLabel.TrafficLight)
    assert len(heads) == sum(len(light.get_light_boxes()) for light in lights) > 0
