"""Every call of Map, Waypoint, Junction and Landmark, of a map that the embedded server sends."""

from __future__ import annotations

import math
from collections.abc import Callable

import carla
import pytest

from tests.simulator.calls import by_check


def whole_map(town: carla.Map, folder) -> None:
    assert town.name == "Carla/Maps/Town02"
    text = town.to_opendrive()
    assert "<OpenDRIVE" in text[:400]
    town.save_to_disk(str(folder / "town.xodr"))
    assert (folder / "town.xodr").read_text().rstrip() == text.rstrip()
    points = town.get_spawn_points()
    assert len(points) > 50
    assert all(-180.0 < p.rotation.yaw <= 180.0 for p in points)
    edges = town.get_topology()
    assert len(edges) > 20
    assert all(a.transform.location.distance(b.transform.location) > 0.0 for a, b in edges)
    assert len(town.generate_waypoints(5.0)) > 200
    corners = town.get_crosswalks()
    assert len(corners) % 5 == 0
    assert len(corners) > 0
    town.cook_in_memory_map(str(folder / "cooked.bin"))  # of the Traffic Manager
    assert (folder / "cooked.bin").stat().st_size > 1000


def geography(town: carla.Map, folder) -> None:
    place = carla.Location(30.0, -40.0, 2.0)
    geo = town.transform_to_geolocation(place)
    assert abs(geo.latitude) <= 90.0
    assert geo.altitude == pytest.approx(2.0)
    assert town.geolocation_to_transform(geo).distance(place) < 0.05


def waypoints(town: carla.Map, folder) -> None:
    point = town.get_spawn_points()[0]
    way = town.get_waypoint(point.location)
    assert way.transform.location.distance(point.location) < 1.5
    assert way.lane_type == carla.LaneType.Driving
    same = town.get_waypoint_xodr(way.road_id, way.lane_id, way.s)
    assert same.transform.location.distance(way.transform.location) < 0.01
    assert same.id == way.id
    assert way.section_id >= 0
    assert 2.5 < way.lane_width < 5.0
    assert way.is_rht is True
    assert way.is_intersection == way.is_junction
    ahead = way.next(3.0)[0]
    assert ahead.transform.location.distance(way.transform.location) == pytest.approx(3.0, abs=0.3)
    behind = way.previous(3.0)[0]
    assert behind.transform.location.distance(way.transform.location) == pytest.approx(3.0, abs=0.3)
    assert len(way.next_until_lane_end(1.0)) > 0
    assert len(way.previous_until_lane_start(1.0)) > 0
    walk = town.get_waypoint(point.location, lane_type=carla.LaneType.Sidewalk)
    assert walk.lane_type == carla.LaneType.Sidewalk


def neighbours(town: carla.Map, folder) -> None:
    way = next(w for w in town.generate_waypoints(20.0) if not w.is_junction)
    left, right = way.get_left_lane(), way.get_right_lane()
    assert left is not None
    assert right is not None
    assert way.lane_change in carla.LaneChange.values.values()
    for mark in (way.left_lane_marking, way.right_lane_marking):
        assert mark.type in carla.LaneMarkingType.values.values()
        assert mark.color in carla.LaneMarkingColor.values.values()
        assert mark.lane_change in carla.LaneChange.values.values()
        assert mark.width >= 0.0


def junctions(town: carla.Map, folder) -> None:
    way = next(w for w in town.generate_waypoints(3.0) if w.is_junction)
    junction = way.get_junction()
    assert junction.id == way.junction_id
    assert junction.bounding_box.extent.x > 2.0
    pairs = junction.get_waypoints(carla.LaneType.Driving)
    assert len(pairs) > 1
    assert all(start.is_junction for start, _ in pairs)


def landmarks(town: carla.Map, folder) -> None:
    every = town.get_all_landmarks()
    lights = town.get_all_landmarks_of_type("1000001")
    assert 0 < len(lights) <= len(every)
    light = lights[0]
    assert light.id in [mark.id for mark in town.get_all_landmarks_from_id(light.id)]
    assert light.id in [mark.id for mark in town.get_landmark_group(light)]
    assert light.is_dynamic
    assert light.type == "1000001"
    assert light.get_lane_validities()
    assert light.waypoint is None  # only what a waypoint finds has one
    assert light.s >= 0.0
    assert math.isfinite(light.value)
    beside = town.get_waypoint(light.transform.location)
    assert beside.transform.location.distance(light.transform.location) < 15.0
    assert light.orientation in carla.LandmarkOrientation.values.values()
    numbers = ("distance", "h_offset", "height", "pitch", "roll", "t", "width", "z_offset")
    assert all(math.isfinite(getattr(light, name)) for name in numbers)
    texts = ("country", "name", "sub_type", "text", "unit")
    assert all(isinstance(getattr(light, name), str) for name in texts)
    low, high = light.get_lane_validities()[0]
    stop = town.get_waypoint_xodr(light.road_id, low if abs(low) < abs(high) else high, light.s)
    before = stop.previous(8.0)[0]
    assert before.get_landmarks(60.0)
    found = before.get_landmarks_of_type(60.0, "1000001")[0]
    assert found.id == light.id
    assert found.waypoint.road_id == light.road_id
    assert 0.0 < found.distance < 20.0


def road_marks(town: carla.Map, folder) -> None:
    marks = town.get_all_road_marks()
    assert isinstance(list(marks), list)
    assert len(town.get_all_road_marks_of_type("none")) == 0
    assert len(town.get_road_marks_from_id("none")) == 0


CASES: dict[str, Callable[..., None]] = {
    **{f"Map.{name}": whole_map for name in (
        "name", "to_opendrive", "save_to_disk", "get_spawn_points", "get_topology",
        "generate_waypoints", "get_crosswalks", "cook_in_memory_map")},
    "Map.transform_to_geolocation": geography,
    "Map.geolocation_to_transform": geography,
    **{f"Map.{name}": waypoints for name in ("get_waypoint", "get_waypoint_xodr")},
    **{f"Map.{name}": landmarks for name in (
        "get_all_landmarks", "get_all_landmarks_from_id", "get_all_landmarks_of_type",
        "get_landmark_group")},
    **{f"Map.{name}": road_marks for name in (
        "get_all_road_marks", "get_all_road_marks_of_type", "get_road_marks_from_id")},
    **{f"Waypoint.{name}": waypoints for name in (
        "id", "road_id", "section_id", "lane_id", "s", "transform", "lane_type", "lane_width",
        "is_rht", "is_junction", "is_intersection", "next", "previous", "next_until_lane_end",
        "previous_until_lane_start")},
    **{f"Waypoint.{name}": neighbours for name in (
        "get_left_lane", "get_right_lane", "lane_change", "left_lane_marking",
        "right_lane_marking")},
    **{f"LaneMarking.{name}": neighbours for name in ("type", "color", "lane_change", "width")},
    "Waypoint.get_junction": junctions,
    "Waypoint.junction_id": junctions,
    **{f"Junction.{name}": junctions for name in ("id", "bounding_box", "get_waypoints")},
    "Waypoint.get_landmarks": landmarks,
    "Waypoint.get_landmarks_of_type": landmarks,
    **{f"Landmark.{name}": landmarks for name in (
        "country", "distance", "get_lane_validities", "h_offset", "height", "id", "is_dynamic",
        "name", "orientation", "pitch", "road_id", "roll", "s", "sub_type", "t", "text",
        "transform", "type", "unit", "value", "waypoint", "width", "z_offset")},
}  # fmt: skip


@pytest.mark.parametrize("check", by_check(CASES))
def test_calls(town, tmp_path, check):
    check(town, tmp_path)
