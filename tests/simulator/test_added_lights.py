"""Lights from the files beside a map without signals: the same as if they stood in the map."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import carla
import pytest

from harness.world import StopLines
from simulator.maps import MapError, load_town
from simulator.types import Town
from simulator.world.lights import LightState, TrafficLights

LINES = "carla_Town02_stoplines.json"
GROUPS = "carla_Town02_traffic_light_controller.json"
PAST_LINE_M = 1.6  # a light still governs so far past its line
OFFICIAL_LIGHTS = {"Town01": (36, 12), "Town02": (24, 8), "Town03": (37, 11)}

Edit = Callable[[Any], None]


def bare_xodr() -> str:
    """The authored Town02 as CARLA's files of 2019 are: without signals and controllers."""
    root = ET.fromstring(load_town("Town02").xodr)
    for road in root.findall("road"):
        for signals in road.findall("signals"):
            road.remove(signals)
    for controller in root.findall("controller"):
        root.remove(controller)
    for junction in root.findall("junction"):
        for controller in junction.findall("controller"):
            junction.remove(controller)
    return ET.tostring(root, "unicode")


def entries_of(town: Town) -> tuple[list[Any], list[Any]]:
    """The contents of the two files that describe the lights of a town."""
    lines = [
        {
            "actor_id": int(signal.signal_id),
            "agent_type": "traffic_light",
            "x": line.x,
            "y": line.y,
            "orientation": math.radians(line.yaw),
        }
        for signal in town.signals
        for line in signal.stop_lines
    ]
    members: dict[int, list[str]] = {}
    for signal in town.signals:
        members.setdefault(signal.group, []).append(signal.signal_id)
    groups = [[{"actor_states": dict.fromkeys(ids, "red")}] for ids in members.values()]
    return lines, groups


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    """A directory with a map without signals, and its lights beside it."""
    (tmp_path / "Town02.xodr").write_text(bare_xodr())
    for name, entries in zip((LINES, GROUPS), entries_of(load_town("Town02")), strict=True):
        (tmp_path / name).write_text(json.dumps(entries))
    return tmp_path


def edit(path: Path, change: Edit) -> None:
    entries = json.loads(path.read_text())
    change(entries)
    path.write_text(json.dumps(entries))


def test_lights_are_those_of_the_files(maps: Path) -> None:
    found, wanted = load_town("Town02", maps), load_town("Town02")
    assert found.origin == "carla"
    assert [s.signal_id for s in found.signals] == [s.signal_id for s in wanted.signals]
    for ours, theirs in zip(found.signals, wanted.signals, strict=True):
        assert (ours.group, ours.phase) == (theirs.group, theirs.phase)
        for a, b in zip(ours.stop_lines, theirs.stop_lines, strict=True):
            assert (a.x, a.y, a.yaw) == pytest.approx((b.x, b.y, b.yaw), abs=0.05)
        assert ours.pose.yaw == pytest.approx(theirs.pose.yaw, abs=0.1)


def test_another_map_has_another_digest(maps: Path) -> None:
    lit = load_town("Town02", maps).digest
    assert lit == load_town("Town02", maps).digest
    (maps / LINES).unlink()
    (maps / GROUPS).unlink()
    assert load_town("Town02", maps).digest != lit


def test_without_the_files_the_map_is_served_as_it_is(maps: Path) -> None:
    (maps / LINES).unlink()
    (maps / GROUPS).unlink()
    town = load_town("Town02", maps)
    assert town.xodr == (maps / "Town02.xodr").read_text()
    assert town.signals == ()


def test_a_map_with_signals_keeps_its_own(maps: Path) -> None:
    text = load_town("Town02").xodr
    (maps / "Town02.xodr").write_text(text)
    assert load_town("Town02", maps).xodr == text


def test_poles_stand_beside_the_lanes(maps: Path) -> None:
    assert_poles_are_clear(load_town("Town02", maps))


def assert_poles_are_clear(town: Town) -> None:
    carla_map = carla.Map(town.name, town.xodr)
    for signal in town.signals:
        for angle in range(0, 360, 45):
            x = signal.pose.x + 0.5 * math.cos(math.radians(angle))
            y = signal.pose.y + 0.5 * math.sin(math.radians(angle))
            spot = carla.Location(x, y, signal.pose.z)
            assert carla_map.get_waypoint(spot, project_to_road=False) is None
        first = signal.stop_lines[0]
        assert math.hypot(signal.pose.x - first.x, signal.pose.y - first.y) < 12.0


@pytest.mark.parametrize("name", sorted(OFFICIAL_LIGHTS))
def test_carlas_own_maps(name: str, official_maps: Path) -> None:
    if not (official_maps / f"carla_{name}_stoplines.json").is_file():
        pytest.skip(f"no lights beside {name}")
    town = load_town(name, official_maps)
    groups = {signal.group for signal in town.signals}
    assert (len(town.signals), len(groups)) == OFFICIAL_LIGHTS[name]
    assert_poles_are_clear(town)
    carla_map = carla.Map(name, town.xodr)
    for signal in town.signals:
        for line in signal.stop_lines:
            waypoint = carla_map.get_waypoint(carla.Location(line.x, line.y, line.z))
            assert not waypoint.is_junction
            assert any(w.is_junction for ahead_m in range(1, 12) for w in waypoint.next(ahead_m))
    assert_lights_govern_their_own_lanes(town, carla_map)
    assert_phases_take_turns(town)


def assert_lights_govern_their_own_lanes(town: Town, carla_map: carla.Map) -> None:
    """The line of the light that governs a place lies on the way ahead, or just behind."""
    lights = TrafficLights(town.signals)
    for waypoint in carla_map.generate_waypoints(1.0):
        place = waypoint.transform
        index = lights.light_ahead(place.location.x, place.location.y, place.rotation.yaw)
        if index is None:
            continue
        lines = [carla.Location(*line[:3]) for line in town.signals[index].stop_lines]
        gaps = [min(line.distance(place.location) for line in lines)]
        ahead = [waypoint]
        while min(gaps) > PAST_LINE_M and len(gaps) < 32:
            ahead = [following for one in ahead for following in one.next(0.5)]
            gaps += [min(x.distance(w.transform.location) for x in lines for w in ahead)]
        assert min(gaps) <= PAST_LINE_M, (town.signals[index].signal_id, place)


def assert_phases_take_turns(town: Town) -> None:
    """Each light is green within two minutes, and no junction opens to two phases at once."""
    lights = TrafficLights(town.signals)
    green: set[int] = set()
    for _ in range(1200):
        lights.advance(0.1)
        is_open = [status.state is not LightState.RED for status in lights.states]
        phases = {(s.group, s.phase) for s, o in zip(town.signals, is_open, strict=True) if o}
        assert len(phases) == len({group for group, _ in phases})
        green |= {i for i, s in enumerate(lights.states) if s.state is LightState.GREEN}
    assert len(green) == len(town.signals)


def test_clients_find_lights_lanes_and_ids(maps: Path, launch_server) -> None:
    server = launch_server("--town", "Town02", "--maps", str(maps))
    client = carla.Client(*server.address)
    client.set_timeout(60.0)
    world = client.get_world()
    lights = list(world.get_actors().filter("traffic.traffic_light"))
    wanted = load_town("Town02", maps).signals
    assert len(lights) == len(wanted)
    for signal in wanted:
        light = world.get_traffic_light_from_opendrive_id(signal.signal_id)
        assert light.get_opendrive_id() == signal.signal_id
        assert len(light.get_group_traffic_lights()) == sum(s.group == signal.group for s in wanted)
        stops = light.get_stop_waypoints()
        line = signal.stop_lines[0]
        assert min(w.transform.location.distance(carla.Location(*line[:3])) for w in stops) < 3.0
        assert light.get_affected_lane_waypoints()
    assert len(StopLines(world)) >= len(wanted)
    assert server.stop() == 0


def first(key: str, value: Any) -> Edit:
    return lambda entries: entries[0].__setitem__(key, value)


def states(value: Any) -> Edit:
    return lambda entries: entries[0][0].__setitem__("actor_states", value)


@pytest.mark.parametrize(
    ("file", "change", "reason"),
    [
        (LINES, first("x", "far"), r"stop line 0: x='far', expected a number"),
        (LINES, first("y", math.nan), r"stop line 0: y=nan, expected a number"),
        (LINES, first("actor_id", 1.5), r"actor_id=1\.5, expected a whole number"),
        (LINES, first("agent_type", "yield"), r"agent_type='yield', expected traffic_light or"),
        (LINES, first("x", 9000.0), r"stop line 0: .* within 1\.5 m of \(9000, .*another map\?"),
        (LINES, first("orientation", 9.0), r"stop line 0: .* runs at 516 degrees"),
        (LINES, lambda e: e.append(e[0]), r"actor_id \d+ stands twice"),
        (LINES, lambda e: e.insert(0, []), r"stop line 0: expected an object, found an empty"),
        (LINES, lambda e: e.pop(), r"controller \d+: light \d+ has no stop line"),
        (GROUPS, lambda e: e.pop(), r"light \d+ has no controller"),
        (GROUPS, lambda e: e.append(e[0]), r"light \d+ has two controllers"),
        (GROUPS, lambda e: e.append([]), r"controller \d+: expected a list of phases"),
        (GROUPS, states({"one": "red"}), r"phase 0: 'one': 'red', expected an id"),
        (GROUPS, states({"1": "blue"}), r"expected an id and one of red, yellow, green, off"),
        (GROUPS, states(None), r"phase 0: expected actor_states"),
        (GROUPS, lambda e: e[0].extend(e.pop()), r"lights before one junction, found them"),
    ],
)
def test_broken_files_say_where_and_why(maps: Path, file: str, change: Edit, reason: str) -> None:
    edit(maps / file, change)
    with pytest.raises(MapError, match=reason) as caught:
        load_town("Town02", maps)
    assert str(maps) in str(caught.value)


def test_one_file_without_the_other(maps: Path) -> None:
    (maps / GROUPS).unlink()
    with pytest.raises(MapError, match=rf"{re.escape(GROUPS)}: missing; {re.escape(LINES)} needs"):
        load_town("Town02", maps)


def test_a_file_that_is_no_json(maps: Path) -> None:
    (maps / LINES).write_text("[\n{,}]")
    with pytest.raises(MapError, match=rf"{re.escape(LINES)}: line 2: not JSON"):
        load_town("Town02", maps)
