"""Towns made from a seed: same bytes for a seed, sound road networks, what a client sees."""

import hashlib
import math
import re

import carla
import networkx as nx
import pytest

from simulator.maps import MapError, load_town
from simulator.maps.opendrive import write_opendrive
from simulator.maps.random_town import random_town
from simulator.maps.spawn_points import connected_lanes, lane_key

SEEDS = range(8)


@pytest.fixture(scope="module", params=SEEDS)
def carla_map(request: pytest.FixtureRequest) -> carla.Map:
    town = load_town(f"random:{request.param}")
    return carla.Map(town.name, town.xodr)


def test_a_seed_gives_the_same_bytes_everywhere() -> None:
    text = write_opendrive(random_town(7))
    assert hashlib.sha256(text.encode()).hexdigest()[:12] == load_town("random:7").digest
    assert load_town("random:7").digest == "c659dc34bcb9"


def test_seeds_give_different_towns() -> None:
    assert len({load_town(f"random:{seed}").digest for seed in SEEDS}) == len(SEEDS)


def test_every_driving_lane_reaches_every_other(carla_map: carla.Map) -> None:
    lanes = {lane_key(waypoint) for pair in carla_map.get_topology() for waypoint in pair}
    assert connected_lanes(carla_map) == lanes


def test_lanes_run_on_smoothly_and_can_be_steered(carla_map: carla.Map) -> None:
    for waypoint in carla_map.generate_waypoints(2.0):
        here = waypoint.transform
        onward = waypoint.next(1.0)
        assert onward, f"dead end at road {waypoint.road_id}, lane {waypoint.lane_id}"
        for following in onward:
            there = following.transform
            step = here.location.distance(there.location)
            turn = abs((there.rotation.yaw - here.rotation.yaw + 180.0) % 360.0 - 180.0)
            assert step == pytest.approx(1.0, abs=0.25)  # wide streets bend too
            assert abs(here.location.z - there.location.z) < 0.1
            assert math.radians(turn) < step / 4.5  # radius of 4.5 m, as in CARLA's Town03


@pytest.mark.parametrize("seed", SEEDS)
def test_a_town_has_what_a_drive_needs(seed: int) -> None:
    town = load_town(f"random:{seed}")
    assert town.origin == "authored"
    assert len(town.spawn_points) >= 100
    assert len(town.signals) >= 12
    assert {signal.phase for signal in town.signals} >= {0, 1}
    found = carla.Map(town.name, town.xodr)
    assert len(found.get_crosswalks()) == 5 * len(town.signals)
    limits = set(re.findall(r'<speed max="(\d+)" unit="km/h"', town.xodr))
    assert len(limits) >= 2
    assert limits <= {"30", "40", "50", "60"}


@pytest.mark.parametrize("seed", SEEDS)
def test_streets_have_driving_lanes_both_ways(seed: int) -> None:
    for street in random_town(seed).streets:
        is_circle = street.circle_radius_m is not None
        assert street.profile.forward
        assert bool(street.profile.backward) != is_circle


@pytest.mark.parametrize("seed", SEEDS)
def test_crossings_join_three_or_more_streets(seed: int) -> None:
    layout = random_town(seed)
    graph = nx.MultiGraph((street.start, street.end) for street in layout.streets)
    assert set(graph) == set(layout.crossings)
    assert all(graph.degree(name) >= 3 for name in graph)
    assert not list(nx.selfloop_edges(graph))


@pytest.mark.parametrize("name", ["random:", "random:-1", "random:007", "random:x", "random:2.5",
                                  "random:9999999999"])  # fmt: skip
def test_what_is_no_seed_is_refused(name: str) -> None:
    with pytest.raises(MapError, match="expected random:SEED with a whole number from 0 to"):
        load_town(name)


def test_asset_paths_name_random_towns_too() -> None:
    assert load_town("/Game/Carla/Maps/random:7").name == "random:7"


def test_parking_lanes_lie_between_driving_lanes_and_kerb() -> None:
    seed = next(s for s in SEEDS if any(t.profile.parking_m for t in random_town(s).streets))
    town = load_town(f"random:{seed}")
    found = carla.Map(town.name, town.xodr)
    parking = [
        beside
        for waypoint in found.generate_waypoints(5.0)
        if not waypoint.is_junction
        and (beside := waypoint.get_right_lane()) is not None
        and beside.lane_type == carla.LaneType.Parking
    ]
    assert parking
    assert {round(lane.lane_width, 2) for lane in parking} == {3.5}
    kerbs = {str(lane.get_right_lane().lane_type) for lane in parking}
    assert kerbs == {"Shoulder"}


@pytest.mark.parametrize("seed", SEEDS)
def test_crossings_are_wide_enough_for_their_streets(seed: int) -> None:
    layout = random_town(seed)
    for street in layout.streets:
        if street.circle_radius_m is None:
            for name in (street.start, street.end):
                assert layout.crossings[name].reach_m > street.profile.half_width_m


def test_a_turning_lane_lies_between_the_directions_of_wide_streets() -> None:
    seed = next(s for s in SEEDS if any(t.profile.turning_m for t in random_town(s).streets))
    town = load_town(f"random:{seed}")
    found = carla.Map(town.name, town.xodr)
    beside = [
        (waypoint, middle)
        for waypoint in found.generate_waypoints(5.0)
        if not waypoint.is_junction
        and (middle := waypoint.get_left_lane()) is not None
        and middle.lane_type == carla.LaneType.Bidirectional
    ]
    assert {waypoint.lane_id for waypoint, _ in beside} == {-1, 2}
    assert {round(middle.lane_width, 2) for _, middle in beside} == {3.5}
    for waypoint, middle in beside:
        apart = waypoint.transform.location.distance(middle.transform.location)
        assert apart == pytest.approx(3.5, abs=0.05)
        mark = waypoint.left_lane_marking
        own = carla.LaneMarkingType.BrokenSolid, carla.LaneMarkingType.SolidBroken
        assert mark.type == own[0 if waypoint.lane_id < 0 else 1]
        assert mark.color == carla.LaneMarkingColor.Yellow


@pytest.mark.parametrize("town", ["Town01", "Town02", "Town03", *(f"random:{s}" for s in SEEDS)])
def test_the_client_knows_every_mark_of_every_lane(town: str) -> None:
    found = load_town(town)
    waypoints = carla.Map(found.name, found.xodr).generate_waypoints(5.0)
    sides = (side for w in waypoints for side in (w.left_lane_marking, w.right_lane_marking))
    assert carla.LaneMarkingType.Other not in {mark.type for mark in sides if mark is not None}
