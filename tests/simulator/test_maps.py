"""Towns: authored and official networks as carla.Map sees them, and how broken files fail."""

import math
import time
from pathlib import Path

import carla
import networkx as nx
import pytest

from simulator.maps import MapError, available_towns, load_town
from simulator.maps.loading import AUTHORED
from simulator.maps.opendrive import write_opendrive
from simulator.maps.spawn_points import connected_lanes, lane_key
from simulator.types import Town
from tests.conftest import shared_path

FILES = ("Town01", "Town02", "Town02_2020", "Town03")


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("simulator.maps.loading.maps_cache", lambda: tmp_path / "no-cache")


@pytest.fixture(params=sorted(AUTHORED))
def town(request: pytest.FixtureRequest) -> Town:
    return load_town(request.param)


@pytest.fixture
def carla_map(town: Town) -> carla.Map:
    return carla.Map(town.name, town.xodr)


def official(name: str) -> Town:
    return load_town(name, shared_path("maps", f"{name}.xodr").parent)


def official_text(name: str) -> str:
    return shared_path("maps", f"{name}.xodr").read_text()


def turned(a: float, b: float) -> float:
    return abs((a - b + 180.0) % 360.0 - 180.0)


def test_same_layout_gives_same_bytes_quickly() -> None:
    begin = time.perf_counter()
    texts = [write_opendrive(AUTHORED["Town03"]()) for _ in range(2)]
    assert texts[0] == texts[1]
    assert time.perf_counter() - begin < 2.0


def test_every_lane_reaches_every_other_without_lane_changes(carla_map: carla.Map) -> None:
    graph = nx.DiGraph((lane_key(a), lane_key(b)) for a, b in carla_map.get_topology())
    assert nx.is_strongly_connected(graph)


def test_lanes_run_on_smoothly_and_can_be_steered(carla_map: carla.Map) -> None:
    for waypoint in carla_map.generate_waypoints(2.0):
        here = waypoint.transform
        onward = waypoint.next(1.0)
        assert onward, f"dead end at road {waypoint.road_id}, lane {waypoint.lane_id}"
        for following in onward:
            there = following.transform
            step = here.location.distance(there.location)
            assert step == pytest.approx(1.0, abs=0.2)
            assert abs(here.location.z - there.location.z) < 0.1
            turn = math.radians(turned(here.rotation.yaw, there.rotation.yaw))
            assert turn < step / 5.0  # radius of 5 m or more


def test_traffic_keeps_right(carla_map: carla.Map) -> None:
    pairs = 0
    for waypoint in carla_map.generate_waypoints(10.0):
        opposite = waypoint.get_left_lane()
        if opposite is None or opposite.lane_id * waypoint.lane_id > 0:
            continue
        if opposite.lane_type == carla.LaneType.Driving:
            gap = opposite.transform.location - waypoint.transform.location
            assert waypoint.transform.get_right_vector().dot(gap) < 0.0
            pairs += 1
    assert pairs > 50


@pytest.mark.parametrize(
    "label",
    [
        *(f"authored {name}" for name in (*sorted(AUTHORED), "random:1", "random:5", "random:7")),
        *(f"carla {name}" for name in FILES),
    ],
)
def test_spawn_points_lie_on_all_connected_lanes_outside_junctions(label: str) -> None:
    origin, name = label.split()
    town = load_town(name) if origin == "authored" else official(name)
    carla_map = carla.Map(town.name, town.xodr)
    connected = connected_lanes(carla_map)
    lanes = set()
    assert len(town.spawn_points) >= 100
    for pose in town.spawn_points:
        waypoint = carla_map.get_waypoint(carla.Location(pose.x, pose.y, pose.z))
        lanes.add((waypoint.road_id, waypoint.lane_id))
        assert lane_key(waypoint) in connected
        assert not waypoint.is_junction
        assert 0.3 <= pose.z - waypoint.transform.location.z <= 0.6
        assert -180.0 < pose.yaw <= 180.0
        assert turned(pose.yaw, waypoint.transform.rotation.yaw) < 4.0
    for waypoint in carla_map.generate_waypoints(5.0):
        ends = (*waypoint.previous(14.0), *waypoint.next(14.0))
        is_inside = ends and all(w.road_id == waypoint.road_id for w in (waypoint, *ends))
        if is_inside and not waypoint.is_junction and lane_key(waypoint) in connected:
            assert (waypoint.road_id, waypoint.lane_id) in lanes


def test_lights_stop_lanes_that_lead_into_their_junction(town: Town, carla_map: carla.Map) -> None:
    assert len(carla_map.get_all_landmarks_of_type("1000001")) == len(town.signals)
    for signal in town.signals:
        for line in signal.stop_lines:
            waypoint = carla_map.get_waypoint(carla.Location(line.x, line.y, line.z))
            assert not waypoint.is_junction
            assert waypoint.next(5.0)[0].is_junction
            assert turned(line.yaw, waypoint.transform.rotation.yaw) < 1.0
        assert turned(signal.pose.yaw, signal.stop_lines[0].yaw) == pytest.approx(180.0, abs=1.0)


def test_each_approach_has_a_phase_of_its_own(town: Town) -> None:
    for a in town.signals:
        for b in town.signals:
            if a.group == b.group:
                angle = turned(a.stop_lines[0].yaw, b.stop_lines[0].yaw)
                assert (a.phase == b.phase) == (angle < 35.0)


def test_crossings_with_lights_have_zebras_inside_the_stop_lines(
    town: Town, carla_map: carla.Map
) -> None:
    corners = carla_map.get_crosswalks()
    lines = [line for signal in town.signals for line in signal.stop_lines]
    assert len(corners) == 5 * len(town.signals)  # closed outlines
    for line in lines:
        foot = carla.Location(line.x, line.y, line.z)
        assert 0.3 < min(foot.distance(corner) for corner in corners) < 7.0


def test_official_lights_have_one_stop_line_per_lane() -> None:
    signals = official("Town02_2020").signals
    assert len(signals) == 24
    assert {len(signal.stop_lines) for signal in signals} == {1}
    assert len({signal.group for signal in signals}) == 8


def test_official_files_of_2019_have_no_lights(tmp_path: Path) -> None:
    text = official_text("Town02")
    (tmp_path / "Town02.xodr").write_text(text)  # without the files that add some
    town = load_town("Town02", tmp_path)
    assert (town.signals, town.xodr) == ((), text)


def test_speed_limits_are_in_the_map(carla_map: carla.Map, town: Town) -> None:
    limits = {road.profile.speed_kmh for road in AUTHORED[town.name]().streets}
    assert all(f'<speed max="{limit}" unit="km/h"' in town.xodr for limit in limits)


def test_town03_climbs_a_hill() -> None:
    heights = [pose.z for pose in load_town("Town03").spawn_points]
    assert max(heights) - min(heights) == pytest.approx(5.0, abs=0.1)


@pytest.mark.parametrize("name", ["Town02", "Town02_Opt", "/Game/Carla/Maps/Town02"])
def test_carla_spellings_name_one_town(name: str) -> None:
    assert load_town(name).name == "Town02"


def test_files_come_before_authored_towns(tmp_path: Path) -> None:
    text = write_opendrive(AUTHORED["Town02"]())
    (tmp_path / "Town02.xodr").write_text(text)
    found, own = load_town("Town02", tmp_path), load_town("Town02")
    assert (found.origin, own.origin) == ("carla", "authored")
    assert found.digest == own.digest
    assert len(own.digest) == 12


def test_unknown_town_lists_the_known(tmp_path: Path) -> None:
    (tmp_path / "Town05.xodr").touch()
    assert available_towns(tmp_path) == ("Town01", "Town02", "Town03", "Town05", "track")
    with pytest.raises(
        MapError, match=r"unknown town 'Town7'; known: Town01, Town02, Town03, Town05"
    ):
        load_town("Town7", tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("</OpenDRIVE>", "", r"not XML: .* line \d+"),
        ("OpenDRIVE>", "OpenSCENARIO>", "root element is <OpenSCENARIO>"),
        ('type="driving"', 'type="biking"', "no driving lanes"),
        ('connectingRoad="1000"', 'connectingRoad="777777"', "connectingRoad is 777777"),
        ('hdg="0"', 'hdg="north"', "hdg='north', expected a number"),
        ("laneSection", "laneSections", "road 0: it has no laneSection"),
    ],
)
def test_broken_file_names_itself_and_the_reason(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    text = write_opendrive(AUTHORED["Town02"]())
    assert old in text
    (tmp_path / "Town02.xodr").write_text(text.replace(old, new))
    with pytest.raises(MapError, match=rf"Town02\.xodr: .*{reason}"):
        load_town("Town02", tmp_path)
