"""Maps, settings, weather, errors and the process of the embedded server."""

import contextlib
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import carla
import msgpack
import pytest

ROOT = Path(__file__).parents[2]


def call(host: str, port: int, method: str, *args: object) -> list[Any]:
    """One plain msgpack-rpc call; gives [1, id, error, result]."""
    with contextlib.closing(socket.create_connection((host, port), timeout=10.0)) as sock:
        sock.sendall(msgpack.packb([0, 1, method, [[False], *args]]))
        reader = msgpack.Unpacker()
        while True:
            reader.feed(sock.recv(65536))
            for message in reader:
                return message


def test_frames_follow_each_other_and_carry_the_step(session):
    first = session.world.tick()
    assert session.world.tick() == first + 1
    snapshot = session.world.get_snapshot()
    assert snapshot.frame == first + 1
    assert snapshot.timestamp.delta_seconds == pytest.approx(0.1)


def test_weather_comes_back(session):
    wanted = carla.WeatherParameters(fog_density=70.0, sun_altitude_angle=-30.0, wetness=10.0)
    session.world.set_weather(wanted)
    session.world.tick()
    assert session.world.get_weather() == wanted


def test_settings_come_back(session):
    settings = session.world.get_settings()
    assert settings.synchronous_mode
    assert settings.fixed_delta_seconds == pytest.approx(0.1)
    assert settings.max_substeps == 10


def test_a_map_is_loaded_twice_while_sensors_listen_and_cars_drive(session, manager):
    world = session.world
    for _ in range(2):
        now = session._replace(world=world)
        cars = [now.car(spot) for spot in (0, 20, 40)]
        for car in cars:
            car.set_autopilot(True, manager.get_port())
        place = carla.Transform(carla.Location(z=2.0))
        size = {"image_size_x": 64, "image_size_y": 48}
        images = now.listen("camera.depth", place, cars[0], **size)
        frame = now.ticks(5)
        while images.get(timeout=60.0).frame < frame:
            pass
        before = world.id
        world = session.client.load_world("Town02", False)
        assert world.id != before
        assert world.get_settings().synchronous_mode
        world.tick()
        assert not world.get_actors().filter("vehicle.*")
    assert world.get_map().name == "Carla/Maps/Town02"


def test_an_unknown_map_is_named(session):
    with pytest.raises(RuntimeError, match="Map 'Town99' not found"):
        session.client.load_world("Town99")
    session.world.tick()


def test_lights_are_actors_of_the_map_and_can_be_switched(session):
    lights = session.world.get_actors().filter("traffic.traffic_light")
    assert lights
    light = lights[0]
    light.set_state(carla.TrafficLightState.Green)
    light.freeze(True)
    session.ticks(3)
    assert light.state == carla.TrafficLightState.Green
    assert light.is_frozen()
    assert light.id in [a.id for a in light.get_group_traffic_lights()]
    session.world.freeze_all_traffic_lights(False)


def test_a_car_before_a_light_knows_its_state(session):
    light = session.world.get_actors().filter("traffic.traffic_light")[0]
    place = light.get_stop_waypoints()[0].previous(4.0)[0].transform
    place.location.z += 0.5
    car = session.world.spawn_actor(session.blueprint("vehicle.tesla.model3"), place)
    session.ticks(2)
    assert car.is_at_traffic_light()
    assert car.get_traffic_light().id == light.id
    assert car.get_traffic_light_state() == light.state


def test_the_town_has_buildings_to_ask_for(session):
    boxes = session.world.get_level_bbs(carla.CityObjectLabel.Buildings)
    assert len(boxes) > 20
    objects = session.world.get_environment_objects(carla.CityObjectLabel.Buildings)
    assert len(objects) == len(boxes)


def test_a_ray_downwards_meets_the_road(session):
    above = session.spawn_points()[0].location + carla.Location(z=5.0)
    found = session.world.ground_projection(above, 20.0)
    assert found.label == carla.CityObjectLabel.Roads
    assert found.location.z == pytest.approx(above.z - 5.0, abs=1.0)


def test_what_is_not_supported_is_named(carla_server):
    answer = call(*carla_server("Town02"), "set_ignored_vehicles", 1, [])
    assert "set_ignored_vehicles is not supported" in str(answer)


def test_a_foreign_method_and_garbage_do_no_harm(session, carla_server):
    host, port = carla_server("Town02")
    assert b"frobnicate" in msgpack.packb(call(host, port, "frobnicate")[2])
    assert call(host, port, "set_actor_location", 1)[3][0][0] is True
    with socket.create_connection((host, port)) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert sock.recv(100) == b""
    session.world.tick()


def test_a_client_that_leaves_while_a_map_is_loaded_does_not_stop_the_world(session, carla_server):
    host, port = carla_server("Town02")
    episode = call(host, port, "get_episode_info")[3][0][1][0]
    assert call(host, port, "load_new_episode", "Town02", False, 65535)[3] == [[False]]
    assert call(host, port, "get_weather_parameters")[3][0][0] == 1  # answered after the change
    assert call(host, port, "get_episode_info")[3][0][1][0] == episode + 1


def test_the_profile_says_where_the_time_goes(session, carla_server):
    where = carla_server("Town02")
    call(*where, "fusiondrive_profile")
    session.ticks(5)
    means = call(*where, "fusiondrive_profile")[3]
    assert means["ticks"] == 5.0
    assert 0.0 < means["physics"] < 50.0


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simulator", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_port_in_use_is_one_line_and_code_2(carla_server):
    _, port = carla_server("Town02")
    done = run("--port", str(port))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert str(port) in done.stderr


@pytest.mark.server
def test_an_unknown_town_is_one_line_and_code_2():
    done = run("--port", "0", "--town", "Town99")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "Town99" in done.stderr
    assert "Town02" in done.stderr


@pytest.mark.server
def test_a_broken_map_is_one_line_and_code_2(tmp_path):
    (tmp_path / "Town02.xodr").write_text("<OpenDRIVE>")
    done = run("--port", "0", "--maps", str(tmp_path))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_sigterm_ends_the_server_at_once(launch_server):
    assert launch_server("--town", "Town02").stop() == 0


@pytest.mark.server
def test_the_server_ends_with_its_parent():
    code = (
        "import subprocess, sys, os\n"
        "p = subprocess.Popen([sys.executable, '-m', 'simulator', '--port', '0',"
        " '--parent-pid', str(os.getpid())], stdout=subprocess.PIPE, text=True)\n"
        "print(p.pid, p.stdout.readline(), flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120,
        check=True,
    )  # fmt: skip
    # The pipe of our child is inherited by the server, so the run above ended with the server.
    assert "listening on" in done.stdout
