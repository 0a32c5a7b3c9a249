"""Hazards by name, their places along routes, and what a route file says of them; no server."""

from dataclasses import replace
from pathlib import Path

import carla
import numpy as np
import pytest

from fusiondrive.errors import ConfigError
from fusiondrive.types import ActorKind, ActorState, Pose, Progress, Route, WorldState
from scenarios.hazards.course import SCRIPTS
from scenarios.hazards.kinds import HAZARDS, read_hazards, stopping_m
from scenarios.hazards.pedestrians import VAN_LEAST_M, CrossingPerson, HiddenPerson
from scenarios.hazards.placement import APART_M, PlacedHazard, place_hazards, shortest_route_m
from scenarios.hazards.roadside import MapRoadside, Verge
from scenarios.hazards.route_file import hazards_digest, place_file_hazards
from scenarios.hazards.scene import Scene
from scenarios.hazards.script import Patience, Phase
from scenarios.hazards.way import Way
from scenarios.route_files import load_routes, map_identity, read_route_xml
from scenarios.routes import RoutePlanner
from simulator.maps import load_town

VERGE = Verge(1.75, 3.3, -6.8)
CRUISE_MPS = 35 / 3.6
ALL = tuple(HAZARDS)


class Pavements:
    """A road with the same verges everywhere."""

    def verge(self, route: Route, index: int) -> Verge:
        return VERGE


@pytest.fixture(scope="module")
def town02() -> carla.Map:
    return carla.Map("Town02", load_town("Town02").xodr)


@pytest.fixture(scope="module")
def routes(town02: carla.Map) -> list[Route]:
    planner = RoutePlanner(town02)
    specs = load_routes("Town02", map_identity(town02))[:25]
    return [planner.plan(spec.keypoints, spec.route_id) for spec in specs]


def straight(length_m: int = 200) -> Route:
    count = length_m + 1
    points = np.zeros((count, 3))
    points[:, 0] = np.arange(count)
    return Route(
        route_id="straight",
        points=points,
        yaws=np.zeros(count),
        commands=np.full(count, 4, np.int8),
        in_junction=np.zeros(count, bool),
        lane_widths=np.full(count, 3.5),
        cumulative_m=np.arange(count, dtype=float),
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("none", ""),
        ("", ""),
        ("all", ",".join(HAZARDS)),
        ("route", "route"),
        ("HardBreakRoute, DynamicObjectCrossing", "DynamicObjectCrossing,HardBreakRoute"),
    ],
)
def test_a_choice_of_hazards_has_one_name(text: str, found: str) -> None:
    assert read_hazards(text) == found
    assert read_hazards(found) == found


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("ParkedObstacel", "unknown hazard 'ParkedObstacel'; known: DynamicObjectCrossing, Hard"),
        ("all,ParkedObstacle", "hazards 'all' stands alone"),
        ("ParkedObstacle,ParkedObstacle", "hazard given twice"),
    ],
)
def test_a_wrong_choice_is_named(text: str, error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        read_hazards(text)


def test_patience_does_not_hang_on_the_noise_of_the_clock() -> None:
    way = Way(straight())
    steps = {}
    for begin_s in (0.0, 1234.567, 98765.4321):
        patience, time_s, count = Patience(3.0), begin_s, 0
        while True:
            now = scene(way, 50.0, 0.0, 3.0)
            if patience.is_over(replace(now, state=replace(now.state, time_s=time_s)), holds=True):
                break
            time_s, count = time_s + 0.1, count + 1
        steps[begin_s] = count
    assert set(steps.values()) == {30}


def test_every_kind_has_a_script() -> None:
    assert set(SCRIPTS) == set(HAZARDS)


def test_stopping_takes_21_m_from_50_km_h() -> None:
    assert stopping_m(50 / 3.6) == pytest.approx(20.7, abs=0.1)


def test_places_repeat_and_depend_on_the_seed(routes: list[Route], town02: carla.Map) -> None:
    roadside = MapRoadside(town02)
    first = place_hazards(routes[0], roadside, ALL, 0, CRUISE_MPS)
    assert place_hazards(routes[0], roadside, ALL, 0, CRUISE_MPS) == first
    assert place_hazards(routes[0], roadside, ALL, 1, CRUISE_MPS) != first
    places = [(item.kind, round(item.route_m)) for item in first]
    assert places == [
        ("ParkingCrossingPedestrian", 115),
        ("HazardAtSideLane", 247),
        ("DynamicObjectCrossing", 377),
    ]


def test_places_are_straight_off_junctions_and_apart(
    routes: list[Route], town02: carla.Map
) -> None:
    roadside = MapRoadside(town02)
    kinds: set[str] = set()
    for route in routes:
        placed = place_hazards(route, roadside, ALL, 3, CRUISE_MPS)
        assert placed, route.route_id
        for item in placed:
            kinds.add(item.kind)
            arc = route.cumulative_m
            assert not route.in_junction[np.abs(arc - item.route_m) < 7.0].any()
            approach = (arc > item.route_m - 20.0) & (arc < item.route_m + 10.0)
            assert np.ptp(np.unwrap(np.deg2rad(route.yaws[approach]))) < np.deg2rad(12.1)
            assert item.verge.right_m is not None
            assert item.verge.edge_m < item.verge.right_m < 6.5
        gaps = np.diff([item.route_m for item in placed])
        assert (gaps >= APART_M).all()
    assert kinds == set(HAZARDS)


def test_a_route_that_is_too_short_is_refused() -> None:
    least_m = shortest_route_m(50 / 3.6)
    with pytest.raises(ConfigError, match="route 'straight' is 60 m long, too short for hazards"):
        place_hazards(straight(60), Pavements(), ALL, 0, 50 / 3.6)
    assert least_m == pytest.approx(80.7, abs=0.1)


def test_a_way_finds_its_own_poses(routes: list[Route]) -> None:
    way = Way(routes[0])
    for along_m in (5.0, 60.3, 211.7):
        pose = way.pose(along_m, 1.5)
        found = way.find(pose.x, pose.y, along_m + 3.0)
        assert found.along_m == pytest.approx(along_m, abs=0.4)
        assert found.right_m == pytest.approx(1.5, abs=0.15)


def scene(way: Way, bumper_m: float, speed_mps: float, person_right_m: float) -> Scene:
    """An ego before a person at 100 m, in its own lane."""
    box = {"box_center": (0.0, 0.0, 0.8), "box_extent": (2.4, 0.95, 0.8)}
    velocity, at = (speed_mps, 0.0, 0.0), Pose(bumper_m - 2.4, 0.0)
    ego = ActorState(1, "ego", ActorKind.VEHICLE, at, velocity, **box)
    place = Pose(100.0, person_right_m)
    person = replace(ego, actor_id=7, kind=ActorKind.PEDESTRIAN, pose=place, velocity=(0.0,) * 3)
    progress = Progress(0, 0.0, bumper_m - 2.4, 0.0, 4, (0.0, 0.0))  # type: ignore[arg-type]
    return Scene(WorldState(0, 0.0, ego, (), (person,), progress=progress), way)


@pytest.mark.parametrize("speed_kmh", [20, 35, 50, 60])
@pytest.mark.parametrize("kind", [CrossingPerson, HiddenPerson])
def test_a_person_is_in_view_before_it_is_too_late_and_struck_if_nobody_brakes(
    kind: type[CrossingPerson], speed_kmh: int
) -> None:
    way, speed_mps = Way(straight()), speed_kmh / 3.6
    script = kind(PlacedHazard("DynamicObjectCrossing", 0, 100.0, VERGE), way)
    script.phase, script.actor_ids, script.main_id = Phase.WAITING, [7], 7
    starts_m = script._from_m
    bumper_m = 20.0
    while script.phase is Phase.WAITING and bumper_m < 100.0:
        bumper_m += 0.1 * speed_mps
        script.act(scene(way, bumper_m, speed_mps, starts_m))
    gap_s = (100.0 - bumper_m) / speed_mps
    right_m = starts_m - script._pace_mps * gap_s  # where the person is when the bumper comes
    assert -0.95 < right_m < 0.3
    hidden_until_m = starts_m if kind is CrossingPerson else VAN_LEAST_M - 0.75
    seen_m = speed_mps * (hidden_until_m - right_m) / script._pace_mps
    assert seen_m > stopping_m(speed_mps)
    assert 0.8 <= script._pace_mps <= 1.5


FILE = """<routes><route id="0" town="Town02"><waypoints><position x="177" y="-2" z="0"/>
<position x="60" y="-2" z="0"/></waypoints><scenarios>
<scenario name="a" type="DynamicObjectCrossing"><trigger_point x="150" y="-2" z="0" yaw="180"/>
<distance value="30"/><direction value="left"/></scenario>
<scenario name="b" type="ParkedObstacle"><trigger_point x="170" y="-2" z="0" yaw="180"/></scenario>
<scenario name="c" type="HardBreakRoute"><trigger_point x="0" y="80" z="0" yaw="0"/></scenario>
<scenario name="d" type="YieldToEmergencyVehicle"><trigger_point x="9" y="0" z="0" yaw="0"/>
</scenario></scenarios></route></routes>"""


def test_a_files_hazards_are_read_and_placed(
    town02: carla.Map, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "r.xml"
    file.write_text(FILE)
    (spec,) = read_route_xml(file)
    assert dict(spec.unserved) == {"scenario YieldToEmergencyVehicle": 1}
    assert [item.kind for item in spec.hazards] == [
        *("DynamicObjectCrossing", "ParkedObstacle", "HardBreakRoute")
    ]
    assert len(hazards_digest(spec.hazards)) == 12
    assert hazards_digest(()) == ""
    route = RoutePlanner(town02).plan(spec.keypoints, "0")
    placed = place_file_hazards(route, MapRoadside(town02), spec.hazards, 0)
    assert [(item.kind, item.number) for item in placed] == [("DynamicObjectCrossing", 0)]
    assert placed[0].route_m == pytest.approx(27.0 + 30.0, abs=1.5)
    assert placed[0].from_left
    assert "ParkedObstacle at (170.0, -2.0) is left out" in caplog.text
