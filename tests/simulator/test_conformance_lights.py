"""Every call of TrafficLight, LightManager and Light."""

from __future__ import annotations

import time
from collections.abc import Callable

import carla
import numpy as np
import pytest

from simulator.types import Pose
from simulator.world.lights import trigger_box
from tests.simulator.calls import by_check

GREEN = carla.TrafficLightState.Green


def _light(stage) -> carla.TrafficLight:
    return stage.world.get_actors().filter("traffic.traffic_light")[0]


def switching(stage) -> None:
    light = _light(stage)
    light.freeze(True)
    for state in (carla.TrafficLightState.Off, carla.TrafficLightState.Yellow, GREEN):
        light.set_state(state)
        stage.world.tick()
        assert light.state == light.get_state() == state
        assert light.is_frozen()
    stage.ticks(200)
    assert light.state == GREEN
    assert light.get_elapsed_time() == pytest.approx(0.0, abs=0.2)  # its clock stands, too
    light.freeze(False)
    stage.world.tick()
    assert not light.is_frozen()
    stage.world.reset_all_traffic_lights()


def timing(stage) -> None:
    light = _light(stage)
    group = light.get_group_traffic_lights()
    for one in group:
        one.set_green_time(4.0)
        one.set_yellow_time(1.0)
        one.set_red_time(0.5)
    stage.world.tick()
    assert light.get_green_time() == pytest.approx(4.0)
    assert light.get_yellow_time() == pytest.approx(1.0)
    assert light.get_red_time() == pytest.approx(0.5)
    light.reset_group()
    stage.world.tick()
    first = [one.id for one in group if one.state == GREEN]
    assert first
    stage.ticks(60)  # 4 + 1 + 0.5 s later the next phase has its green
    assert [one.id for one in group if one.state == GREEN] != first
    stage.world.reset_all_traffic_lights()
    stage.world.tick()
    assert light.get_green_time() == pytest.approx(10.0)


def places(stage) -> None:
    town = stage.world.get_map()
    for light in stage.world.get_actors().filter("traffic.traffic_light"):
        lanes = {(w.road_id, w.lane_id) for w in light.get_affected_lane_waypoints()}
        stops = {(w.road_id, w.lane_id) for w in light.get_stop_waypoints()}
        assert len(stops) >= 1
        assert len(stops) == len(lanes)
        box = light.trigger_volume
        center = light.get_transform().transform(box.location)
        nearest = town.get_waypoint(center)
        assert nearest.transform.location.distance(center) < 4.0
        group = light.get_group_traffic_lights()
        assert light.id in [one.id for one in group]
        assert light.get_pole_index() < len(group)
        assert town.get_all_landmarks_from_id(light.get_opendrive_id())
        for head in light.get_light_boxes():
            assert head.location.distance(light.get_location()) < 10.0
            assert head.extent.z > 0.2


def _settle(stage) -> None:
    """The client sends and asks for states in a thread of its own, beside the ticks."""
    for _ in range(4):
        stage.world.tick()
        time.sleep(0.1)


def street_lamps(stage) -> None:
    manager = stage.world.get_lightmanager()
    manager.set_day_night_cycle(True)
    stage.world.set_weather(carla.WeatherParameters.ClearNight)
    _settle(stage)
    lights = manager.get_all_lights(carla.LightGroup.Street)
    assert len(lights) == len(manager.get_all_lights()) > 20
    assert len(manager.get_turned_on_lights(carla.LightGroup.Street)) == len(lights)
    assert all(manager.is_active(lights))
    some = lights[:3]
    manager.turn_off(some)
    _settle(stage)
    off = manager.get_turned_off_lights(carla.LightGroup.Street)
    assert {light.id for light in off} == {light.id for light in some}
    manager.turn_on(some)
    manager.set_active(some, [True, False, True])
    assert list(manager.is_active(some)) == [True, False, True]
    manager.set_color(some, carla.Color(1, 2, 3))
    manager.set_colors(some[:1], [carla.Color(4, 5, 6)])
    assert [c.g for c in manager.get_color(some)] == [5, 2, 2]
    manager.set_intensity(some, 7.0)
    manager.set_intensities(some[:1], [9.0])
    assert list(manager.get_intensity(some)) == [9.0, 7.0, 7.0]
    manager.set_light_group(some, carla.LightGroup.Building)
    manager.set_light_groups(some[:1], [carla.LightGroup.Other])
    groups = list(manager.get_light_group(some))
    assert groups == [carla.LightGroup.Other, *[carla.LightGroup.Building] * 2]
    state = carla.LightState(11.0, carla.Color(7, 8, 9), carla.LightGroup.Street, True)
    manager.set_light_state(some, state)
    manager.set_light_states(some[:1], [state])
    assert [s.intensity for s in manager.get_light_state(some)] == [11.0] * 3
    _settle(stage)
    manager.set_day_night_cycle(False)
    stage.world.set_weather(carla.WeatherParameters.ClearNoon)
    _settle(stage)
    assert len(manager.get_turned_on_lights(carla.LightGroup.Street)) == len(lights)
    manager.set_day_night_cycle(True)
    _settle(stage)
    assert not manager.get_turned_on_lights(carla.LightGroup.Street)


def one_lamp(stage) -> None:
    manager = stage.world.get_lightmanager()
    stage.world.set_weather(carla.WeatherParameters.ClearNight)
    _settle(stage)
    lamp = manager.get_all_lights(carla.LightGroup.Street)[0]
    assert (lamp.is_on, lamp.light_group) == (True, carla.LightGroup.Street)
    assert lamp.intensity > 0.0
    assert lamp.color.r == 255
    above = carla.Transform(lamp.location + carla.Location(z=6.0), carla.Rotation(pitch=-90.0))
    images = stage.listen("camera.rgb", above, None, image_size_x=64, image_size_y=48)

    def brightness() -> float:
        frame = stage.world.tick()
        while (image := images.get(timeout=60.0)).frame < frame:
            pass
        return float(np.frombuffer(image.raw_data, np.uint8).reshape(-1, 4)[:, :3].mean())

    lit = brightness()
    lamp.turn_off()
    _settle(stage)
    assert not lamp.is_on
    assert brightness() < 0.9 * lit
    lamp.turn_on()
    lamp.set_intensity(3.0)
    lamp.set_color(carla.Color(9, 8, 7))
    lamp.set_light_group(carla.LightGroup.Other)
    assert (lamp.intensity, lamp.color.g, lamp.light_group) == (3.0, 8, carla.LightGroup.Other)
    state = carla.LightState(5.0, carla.Color(1, 1, 1), carla.LightGroup.Street, True)
    lamp.set_light_state(state)
    assert lamp.light_state.intensity == 5.0
    assert lamp.id > 0
    _settle(stage)
    assert brightness() == pytest.approx(lit, rel=0.02)
    manager.set_day_night_cycle(True)
    stage.world.set_weather(carla.WeatherParameters.ClearNoon)
    _settle(stage)


CASES: dict[str, Callable[..., None]] = {
    **{f"TrafficLight.{name}": switching for name in (
        "state", "get_state", "set_state", "freeze", "is_frozen", "get_elapsed_time")},
    **{f"TrafficLight.{name}": timing for name in (
        "get_green_time", "get_yellow_time", "get_red_time", "set_green_time", "set_yellow_time",
        "set_red_time", "reset_group", "get_group_traffic_lights")},
    **{f"TrafficLight.{name}": places for name in (
        "get_affected_lane_waypoints", "get_stop_waypoints", "get_light_boxes",
        "get_opendrive_id", "get_pole_index")},
    "World.get_lightmanager": street_lamps,
    **{f"LightManager.{name}": street_lamps for name in (
        "get_all_lights", "get_turned_on_lights", "get_turned_off_lights", "turn_on", "turn_off",
        "is_active", "set_active", "get_color", "set_color", "set_colors", "get_intensity",
        "set_intensity", "set_intensities", "get_light_group", "set_light_group",
        "set_light_groups", "get_light_state", "set_light_state", "set_light_states",
        "set_day_night_cycle")},
    **{f"Light.{name}": one_lamp for name in (
        "id", "location", "is_on", "color", "intensity", "light_group", "light_state",
        "set_color", "set_intensity", "set_light_group", "set_light_state", "turn_on",
        "turn_off")},
}  # fmt: skip


@pytest.mark.parametrize("check", by_check(CASES))
def test_calls(stage, check):
    check(stage)


def test_the_trigger_volume_of_three_lanes_crosses_them_all():
    lines = tuple(Pose(10.0, y, 1.0, yaw=0.0) for y in (2.0, 5.5, 9.0))
    foot = Pose(12.0, 12.0, 1.0, yaw=90.0)
    center, half, turn = trigger_box(foot, lines)
    world = foot.compose(Pose(*center))
    assert world[:3] == pytest.approx((10.0, 5.5, 2.0))
    assert half == pytest.approx((5.0, 1.5, 1.0))
    assert turn == pytest.approx((0.0, 0.0, 0.0))
