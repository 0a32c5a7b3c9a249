"""Every call of World but those of pictures, of BlueprintLibrary, ActorList and WorldSnapshot."""

from __future__ import annotations

import threading
from collections.abc import Callable

import carla
import pytest

from tests.simulator.calls import by_check

BUILDINGS = carla.CityObjectLabel.Buildings


def identity(stage) -> None:
    world = stage.world
    assert world.id == stage.client.get_world().id
    assert world.get_map().name == "Carla/Maps/Town02"
    assert len(world.get_map().get_spawn_points()) > 50
    assert world.get_spectator().type_id == "spectator"
    spectator = world.get_spectator()
    spectator.set_transform(carla.Transform(carla.Location(5.0, 6.0, 7.0)))
    world.tick()
    assert spectator.get_location().distance(carla.Location(5.0, 6.0, 7.0)) < 1e-3


def actors(stage) -> None:
    car = stage.car()
    stage.world.tick()
    found = stage.world.get_actors()
    assert stage.world.get_actor(car.id).id == car.id
    assert stage.world.get_actor(999_999) is None
    assert [a.id for a in stage.world.get_actors([car.id, 999_999])] == [car.id]
    assert [a.id for a in found.filter("vehicle.*")] == [car.id]
    assert found.find(car.id).type_id == car.type_id
    assert len(found) == len(list(found))


def spawning(stage) -> None:
    blueprint, place = stage.blueprint("vehicle.audi.tt"), stage.spawn_points()[0]
    car = stage.world.spawn_actor(blueprint, place)
    assert isinstance(car, carla.Vehicle)
    assert stage.world.try_spawn_actor(blueprint, place) is None
    with pytest.raises(RuntimeError, match="Spawn failed because of collision at spawn position"):
        stage.world.spawn_actor(blueprint, place)
    at = carla.Transform(carla.Location(x=-6.0, z=3.0))
    kind = stage.blueprint("sensor.camera.rgb")
    for attachment in carla.AttachmentType.values.values():
        child = stage.world.spawn_actor(kind, at, attach_to=car, attachment_type=attachment)
        assert child.parent.id == car.id
    car.destroy()
    stage.world.tick()
    with pytest.raises(RuntimeError, match="unable to attach actor: parent actor not found"):
        stage.world.spawn_actor(kind, at, attach_to=car)


def ticking(stage) -> None:
    seen: list[int] = []
    called = threading.Event()

    def note(snapshot: carla.WorldSnapshot) -> None:
        seen.append(snapshot.frame)
        called.set()

    number = stage.world.on_tick(note)
    frame = stage.world.tick()
    assert called.wait(10.0)
    assert seen == [frame]
    stage.world.remove_on_tick(number)
    assert stage.world.tick() == frame + 1
    waiting: list[carla.WorldSnapshot] = []
    thread = threading.Thread(target=lambda: waiting.append(stage.world.wait_for_tick(20.0)))
    thread.start()
    while thread.is_alive():
        stage.world.tick()
        thread.join(0.02)
    assert waiting[0].frame > frame
    assert seen == [frame]


def snapshots(stage) -> None:
    car = stage.car()
    frame = stage.world.tick()
    now = stage.world.get_snapshot()
    assert now.frame == now.frame_count == now.timestamp.frame == frame
    assert now.delta_seconds == pytest.approx(0.1)
    assert now.elapsed_seconds == pytest.approx(now.timestamp.elapsed_seconds)
    assert now.platform_timestamp > 0.0
    assert now.id == stage.world.id
    assert now.has_actor(car.id)
    record = now.find(car.id)
    assert record.id == car.id
    assert record.get_transform().location.distance(car.get_location()) < 1e-6
    assert record.get_velocity().length() == pytest.approx(car.get_velocity().length())
    assert record.get_acceleration().length() >= 0.0
    assert record.get_angular_velocity().length() == pytest.approx(0.0, abs=5.0)
    assert not now.has_actor(999_999)


def settings(stage) -> None:
    now = stage.world.get_settings()
    now.max_substeps, now.max_substep_delta_time = 16, 0.02
    now.fixed_delta_seconds = 0.2
    frame = stage.world.apply_settings(now)
    assert frame > 0
    assert stage.world.get_settings() == now
    stage.world.tick()
    assert stage.world.get_snapshot().delta_seconds == pytest.approx(0.2)
    now.fixed_delta_seconds = 1e9
    with pytest.raises(RuntimeError, match="fixed_delta_seconds: expected"):
        stage.world.apply_settings(now)
    now.fixed_delta_seconds = 0.1
    now.max_substeps, now.max_substep_delta_time = 10, 0.01
    stage.world.apply_settings(now)


def weather(stage) -> None:
    before = stage.world.get_weather()
    stage.world.set_weather(carla.WeatherParameters.HardRainNight)
    stage.world.tick()
    assert stage.world.get_weather() == carla.WeatherParameters.HardRainNight
    stage.world.set_weather(before)


def gravity(stage) -> None:
    stage.world.set_imui_sensor_gravity(1.62)
    assert stage.world.get_imui_sensor_gravity() == pytest.approx(1.62)
    stage.world.set_imui_sensor_gravity(9.81)


def library(stage) -> None:
    library = stage.world.get_blueprint_library()
    assert len(library) == len(list(library)) > 100
    car = library.find("vehicle.tesla.model3")
    with pytest.raises(IndexError, match=r"blueprint 'vehicle.none.such' not found"):
        library.find("vehicle.none.such")
    assert {b.id for b in library.filter("sensor.camera.*")} >= {"sensor.camera.rgb"}
    bikes = library.filter_by_attribute("base_type", "bicycle")
    assert all(int(b.get_attribute("number_of_wheels")) == 2 for b in bikes)
    assert car.id == "vehicle.tesla.model3"
    assert set(car.tags) == {"vehicle", "tesla", "model3"}
    assert car.has_tag("tesla")
    assert car.match_tags("vehicle.tesla.*")
    assert car.has_attribute("color")
    with pytest.raises((IndexError, RuntimeError), match="none_such"):
        car.set_attribute("none_such", "1")
    car.set_attribute("color", "9,8,7")
    assert car.get_attribute("color").as_color() == carla.Color(9, 8, 7)


def attributes(stage) -> None:
    camera = stage.blueprint("sensor.camera.rgb", image_size_x=320, fov=70.5)
    size, fov = camera.get_attribute("image_size_x"), camera.get_attribute("fov")
    assert (size.id, size.type, size.is_modifiable) == (
        "image_size_x", carla.ActorAttributeType.Int, True,
    )  # fmt: skip
    assert size.as_int() == 320
    assert fov.as_float() == pytest.approx(70.5)
    assert camera.get_attribute("enable_postprocess_effects").as_bool() is True
    assert camera.get_attribute("role_name").as_str() in list(
        camera.get_attribute("role_name").recommended_values
    )


def street_things(stage) -> None:
    boxes = stage.world.get_level_bbs(BUILDINGS)
    things = stage.world.get_environment_objects(BUILDINGS)
    assert len(things) == len(boxes) > 20
    assert len({thing.id for thing in things}) == len(things)
    assert things[0].type == BUILDINGS
    assert things[0].bounding_box.extent.z > 1.0
    assert things[0].transform.location.distance(things[0].bounding_box.location) < 30.0
    names = stage.world.get_names_of_all_objects()
    assert {thing.name for thing in things} <= set(names)
    assert len(stage.world.get_environment_objects()) == len(names)


def _tall(stage) -> carla.EnvironmentObject:
    found = stage.world.get_environment_objects(BUILDINGS)
    return max(found, key=lambda thing: thing.bounding_box.extent.z)


def _hits(stage, thing: carla.EnvironmentObject) -> bool:
    """Whether a vertical ray meets the thing's roof."""
    box = thing.bounding_box
    top = carla.Location(box.location.x, box.location.y, box.location.z + box.extent.z + 5.0)
    found = stage.world.project_point(top, carla.Vector3D(z=-1.0), 6.0)
    return found is not None and found.label == BUILDINGS


def switched_objects(stage) -> None:
    thing = _tall(stage)
    assert _hits(stage, thing)
    stage.world.enable_environment_objects({thing.id}, False)
    stage.world.tick()
    assert not _hits(stage, thing)
    assert thing.id in {o.id for o in stage.world.get_environment_objects(BUILDINGS)}
    stage.world.enable_environment_objects({thing.id}, True)
    stage.world.tick()
    assert _hits(stage, thing)


def layers(stage) -> None:
    count = len(stage.world.get_environment_objects(carla.CityObjectLabel.Vegetation))
    thing = _tall(stage)
    stage.world.unload_map_layer(carla.MapLayer.Buildings)
    assert not stage.world.get_environment_objects(BUILDINGS)
    assert not _hits(stage, thing)
    left = stage.world.get_environment_objects(carla.CityObjectLabel.Vegetation)
    assert len(left) == count > 0
    stage.world.load_map_layer(carla.MapLayer.Buildings)
    assert _hits(stage, thing)
    assert len(stage.world.get_environment_objects(BUILDINGS)) > 20


def rays(stage) -> None:
    road = stage.spawn_points()[0].location
    above = road + carla.Location(z=5.0)
    found = stage.world.cast_ray(above, road - carla.Location(z=5.0))
    assert carla.CityObjectLabel.Roads in [point.label for point in found]
    ground = stage.world.ground_projection(above, 20.0)
    assert ground.label == carla.CityObjectLabel.Roads
    down = stage.world.project_point(above, carla.Vector3D(z=-1.0), 20.0)
    assert down.location.distance(ground.location) < 0.01
    assert stage.world.project_point(above, carla.Vector3D(z=1.0), 20.0) is None


def lights_of_cars(stage) -> None:
    car = stage.car()
    car.set_light_state(carla.VehicleLightState.HighBeam)
    stage.world.tick()
    states = stage.world.get_vehicles_light_states()
    assert states == {car.id: carla.VehicleLightState.HighBeam}


def signals(stage) -> None:
    world, town = stage.world, stage.world.get_map()
    landmark = town.get_all_landmarks_of_type("1000001")[0]
    light = world.get_traffic_light(landmark)
    assert light.get_opendrive_id() == landmark.id
    assert world.get_traffic_light_from_opendrive_id(landmark.id).id == light.id
    before = light.get_stop_waypoints()[0].previous(10.0)[0]
    assert light.id in [a.id for a in world.get_traffic_lights_from_waypoint(before, 50.0)]
    stop = light.get_stop_waypoints()[0]
    while not stop.is_junction:  # the client crashes on the number -1
        stop = stop.next(1.0)[0]
    around = world.get_traffic_lights_in_junction(stop.junction_id)
    assert light.id in [a.id for a in around]


def all_signals(stage) -> None:
    lights = stage.world.get_actors().filter("traffic.traffic_light")
    stage.world.freeze_all_traffic_lights(True)
    stage.world.tick()
    assert all(light.is_frozen() for light in lights)
    states = [light.state for light in lights]
    stage.ticks(150)
    assert [light.state for light in lights] == states
    stage.world.freeze_all_traffic_lights(False)
    stage.world.reset_all_traffic_lights()
    stage.world.tick()
    assert not any(light.is_frozen() for light in lights)
    assert max(light.get_elapsed_time() for light in lights) < 1.0


def walkers(stage) -> None:
    stage.world.set_pedestrians_seed(3)
    stage.world.set_pedestrians_cross_factor(0.2)
    place = stage.world.get_random_location_from_navigation()
    assert place is not None
    assert stage.world.ground_projection(place + carla.Location(z=1.0), 3.0) is not None


def translucency(stage) -> None:
    stage.world.set_annotations_traverse_translucency(True)  # asynchronous: no error comes back
    stage.world.tick()


CASES: dict[str, Callable[..., None]] = {
    **dict.fromkeys(("World.id", "World.get_map", "World.get_spectator"), identity),
    **dict.fromkeys(("World.get_actor", "World.get_actors"), actors),
    **dict.fromkeys(("ActorList.filter", "ActorList.find"), actors),
    **dict.fromkeys(("World.spawn_actor", "World.try_spawn_actor"), spawning),
    **dict.fromkeys(("World.tick", "World.wait_for_tick"), ticking),
    **dict.fromkeys(("World.on_tick", "World.remove_on_tick"), ticking),
    "World.get_snapshot": snapshots,
    **{f"WorldSnapshot.{name}": snapshots for name in (
        "id", "frame", "timestamp", "delta_seconds", "elapsed_seconds", "platform_timestamp",
        "find", "has_actor", "frame_count")},
    **{f"ActorSnapshot.{name}": snapshots for name in (
        "id", "get_transform", "get_velocity", "get_angular_velocity", "get_acceleration")},
    **dict.fromkeys(("World.get_settings", "World.apply_settings"), settings),
    **dict.fromkeys(("World.get_weather", "World.set_weather"), weather),
    "World.get_imui_sensor_gravity": gravity,
    "World.set_imui_sensor_gravity": gravity,
    "World.get_blueprint_library": library,
    **{f"BlueprintLibrary.{name}": library for name in ("find", "filter", "filter_by_attribute")},
    **{f"ActorBlueprint.{name}": library for name in (
        "id", "tags", "has_tag", "match_tags", "has_attribute", "get_attribute",
        "set_attribute")},
    **{f"ActorAttribute.{name}": attributes for name in (
        "id", "type", "is_modifiable", "recommended_values", "as_bool", "as_int", "as_float",
        "as_str", "as_color")},
    **dict.fromkeys(("World.get_level_bbs", "World.get_environment_objects"), street_things),
    "World.get_names_of_all_objects": street_things,
    "World.enable_environment_objects": switched_objects,
    "World.load_map_layer": layers,
    "World.unload_map_layer": layers,
    **dict.fromkeys(("World.cast_ray", "World.project_point", "World.ground_projection"), rays),
    "World.get_vehicles_light_states": lights_of_cars,
    "World.get_traffic_light": signals,
    "World.get_traffic_light_from_opendrive_id": signals,
    "World.get_traffic_lights_from_waypoint": signals,
    "World.get_traffic_lights_in_junction": signals,
    "World.freeze_all_traffic_lights": all_signals,
    "World.reset_all_traffic_lights": all_signals,
    "World.get_random_location_from_navigation": walkers,
    "World.set_pedestrians_seed": walkers,
    "World.set_pedestrians_cross_factor": walkers,
    "World.set_annotations_traverse_translucency": translucency,
}  # fmt: skip


@pytest.mark.parametrize("check", by_check(CASES))
def test_calls(stage, check):
    check(stage)
