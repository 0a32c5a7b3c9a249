"""Every call of Client, the recorder, own OpenDRIVE worlds, and signs."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import carla
import pytest

from scenarios.traffic_manager import begin, end
from tests.simulator.calls import by_check

SIGN = (
    '<signal name="limit" id="777" s="20" t="-4" zOffset="2" hOffset="0" roll="0" pitch="0" '
    'orientation="+" dynamic="no" country="OpenDRIVE" type="274" subtype="40" value="40" '
    'text="" height="0.7" width="0.7"><validity fromLane="-1" toLane="-1"/></signal>'
)


def versions(stage, folder) -> None:
    assert stage.client.get_client_version() == "0.9.16"
    assert stage.client.get_server_version() == "0.9.16"
    stage.client.set_timeout(30.0)
    assert stage.client.get_world().id == stage.world.id
    stage.client.set_timeout(60.0)


def maps(stage, folder) -> None:
    names = stage.client.get_available_maps()
    assert {f"/Game/Carla/Maps/{name}" for name in ("Town02", "Town02_Opt")} <= set(names)
    assert len(names) == len(set(names))
    before = stage.world.id
    world = stage.client.load_world("Town02_Opt", True, carla.MapLayer.NONE)
    assert world.id != before
    assert world.get_map().name == "Carla/Maps/Town02_Opt"
    assert not world.get_environment_objects(carla.CityObjectLabel.Buildings)
    assert not world.get_environment_objects(carla.CityObjectLabel.Vegetation)
    again = stage.client.reload_world()
    assert again.id != world.id
    assert again.get_map().name == "Carla/Maps/Town02_Opt"
    stage.client.load_world_if_different("Town02")
    world = stage.client.get_world()
    assert world.get_map().name == "Carla/Maps/Town02"
    assert len(world.get_environment_objects(carla.CityObjectLabel.Buildings)) > 20
    stage.client.load_world_if_different("Town02")
    assert stage.client.get_world().id == world.id
    with pytest.raises(RuntimeError, match="Map 'Town99' not found"):
        stage.client.load_world("Town99")


def files(stage, folder) -> None:
    stage.client.set_files_base_folder(str(folder))
    names = stage.client.get_required_files("Nav", False)
    assert len(names) == 1
    stage.client.request_file(names[0])
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert len(found) == 1
    assert found[0].read_bytes()[:4] == b"TESM"
    with pytest.raises(RuntimeError, match="no such file"):
        stage.client.request_file("nothing.bin")


def own_world(stage, folder) -> None:
    xodr = stage.world.get_map().to_opendrive()
    signed = re.sub(r"<signals>", "<signals>" + SIGN, xodr, count=1)
    parameters = carla.OpendriveGenerationParameters(vertex_distance=2.0, wall_height=0.0)
    world = stage.client.generate_opendrive_world(signed, parameters)
    town = world.get_map()
    assert town.name == "Carla/Maps/OpenDriveMap"
    assert len(town.get_spawn_points()) == len(stage.spawn_points())
    mark = town.get_all_landmarks_of_type("274")[0]
    assert mark.value == 40.0
    sign = world.get_traffic_sign(mark)
    assert isinstance(sign, carla.TrafficSign)
    assert sign.type_id == "traffic.speed_limit.40"
    box = sign.trigger_volume
    assert box.extent.x >= 1.5
    middle = carla.Location(sign.get_transform().transform(box.location))
    assert town.get_waypoint(middle).transform.location.distance(middle) < 1.5
    assert sign.get_transform().location.distance(mark.transform.location) < 0.5
    with pytest.raises(RuntimeError, match=r"OpenDriveMap.xodr: line \d+"):
        stage.client.generate_opendrive_world(signed.replace('length="', 'length="-', 1))
    with pytest.raises(RuntimeError, match="OpenDriveMap"):
        stage.client.generate_opendrive_world("<OpenDRIVE></OpenDRIVE>")
    assert stage.client.get_world().id == world.id
    bare = re.sub(r"<roadMark[^>]*/>", "", xodr)  # the client has no markings then
    world = stage.client.generate_opendrive_world(bare)
    assert world.get_map().get_waypoint(carla.Location()).right_lane_marking is None
    stage.client.load_world("Town02")


def _drive(stage, folder) -> tuple[str, int, int, list[carla.Location]]:
    """Record a car that drives and a parked one that it hits; gives path, ids and places."""
    name = str(folder / "drive.log")
    assert stage.client.start_recorder(name, True) == name
    car = stage.car()
    stage.world.tick()
    before = car.get_transform()
    before.location += before.get_forward_vector() * 14.0
    parked = stage.world.spawn_actor(stage.blueprint("vehicle.audi.tt"), before)
    car.apply_control(carla.VehicleControl(throttle=0.8))
    places = []
    for _ in range(40):
        stage.world.tick()
        places.append(car.get_location())
    stage.client.stop_recorder()
    return name, car.id, parked.id, places


def recorder(stage, folder) -> None:
    client = stage.client
    name, car, parked, _ = _drive(stage, folder)
    info = client.show_recorder_file_info(name, False)
    assert "Map: Town02" in info
    assert f"Create {car}: vehicle.tesla.model3" in info
    assert "Frames: 42" in info
    assert "Duration: 4.1 seconds" in info
    assert len(client.show_recorder_file_info(name, True)) > len(info)
    hits = client.show_recorder_collisions(name, "v", "v")
    assert re.search(rf"v v +{car} vehicle.tesla.model3 +{parked} vehicle.audi.tt", hits)
    assert "vehicle.audi.tt" not in client.show_recorder_collisions(name, "w", "a")
    waiting = client.show_recorder_actors_blocked(name, 1.0, 0.5)
    assert re.search(rf"{parked} vehicle.audi.tt", waiting)
    letter, none = folder / "letter.txt", str(folder / "none.log")
    letter.write_text("dear reader")
    assert f"File {none} not found on server" in client.show_recorder_file_info(none, False)
    assert "not found on server" in client.show_recorder_collisions(none, "a", "a")
    assert "is no recording" in client.show_recorder_actors_blocked(str(letter), 1.0, 1.0)
    assert "not found on server" in client.replay_file(none, 0.0, 0.0, 0)
    with pytest.raises(RuntimeError, match="is no recording, so it stays"):
        client.start_recorder(str(letter))
    with pytest.raises(RuntimeError, match="expected a name below"):
        client.start_recorder("../outside.log")


def replays(stage, folder) -> None:
    client, world = stage.client, stage.world
    name, car, parked, places = _drive(stage, folder)
    client.apply_batch_sync([carla.command.DestroyActor(i) for i in (car, parked)], False)
    world.tick()
    client.set_replayer_time_factor(1.0)
    client.set_replayer_ignore_hero(False)
    client.set_replayer_ignore_spectator(False)
    offset = carla.Transform(carla.Location(x=-8.0, z=4.0))
    said = client.replay_file(name, 0.0, 0.0, car, False, offset)
    assert name in said
    stage.ticks(21)
    shown = world.get_actors().filter("vehicle.tesla.*")[0]
    assert shown.get_location().distance(places[19]) < 0.15
    assert shown.get_velocity().length() > 1.0
    assert shown.get_control().throttle == pytest.approx(0.8)
    expected = shown.get_transform().transform(carla.Location(x=-8.0, z=4.0))
    assert world.get_spectator().get_location().distance(expected) < 0.1
    client.set_replayer_time_factor(2.0)
    stage.ticks(5)
    assert shown.get_location().distance(places[29]) < 0.3
    client.stop_replayer(False)
    world.tick()
    assert not world.get_actors().filter("vehicle.*")
    client.set_replayer_time_factor(1.0)
    client.replay_file(name, -1.0, 0.5, 0, False)
    stage.ticks(8)
    shown = world.get_actors().filter("vehicle.tesla.*")[0]
    assert shown.get_location().distance(places[-1]) < 6.0
    world.tick()


def traffic_manager(stage, folder) -> None:
    port = random.Random().randint(20_000, 30_000)
    manager = begin(stage.client, port, seed=7)  # by Client.get_trafficmanager
    assert manager.get_port() == port
    car = stage.car()
    car.set_autopilot(True, port)
    stage.ticks(30)
    assert car.get_velocity().length() > 1.0
    car.set_autopilot(False, port)
    car.destroy()
    stage.ticks(1)
    end(stage.client, port)


CASES: dict[str, Callable[..., None]] = {
    **{f"Client.{name}": versions for name in (
        "get_client_version", "get_server_version", "set_timeout", "get_world")},
    **{f"Client.{name}": maps for name in (
        "get_available_maps", "load_world", "reload_world", "load_world_if_different")},
    **{f"Client.{name}": files for name in (
        "set_files_base_folder", "get_required_files", "request_file")},
    "Client.generate_opendrive_world": own_world,
    "Client.get_trafficmanager": traffic_manager,
    "World.get_traffic_sign": own_world,
    "TrafficSign.trigger_volume": own_world,
    **{f"Client.{name}": recorder for name in (
        "start_recorder", "stop_recorder", "show_recorder_file_info",
        "show_recorder_collisions", "show_recorder_actors_blocked")},
    **{f"Client.{name}": replays for name in (
        "replay_file", "stop_replayer", "set_replayer_time_factor",
        "set_replayer_ignore_hero", "set_replayer_ignore_spectator")},
}  # fmt: skip


@pytest.mark.parametrize("check", by_check(CASES))
def test_calls(stage, tmp_path, check):
    check(stage, tmp_path)
