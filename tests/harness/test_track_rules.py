"""The parts of the track tests that need no server."""

import math
from dataclasses import replace
from pathlib import Path

import carla
import numpy as np
import pandas as pd
import pytest

from fusiondrive import door
from fusiondrive.errors import ConfigError, MapError
from fusiondrive.types import ActorKind, ActorState, Pose
from harness.track.config import TrackOptions, check_options
from harness.track.contact import Box, Motion, first_contact
from harness.track.detection import PrivilegedDetector, make_detector
from harness.track.plot import draw_curves
from harness.track.protocol import LEAD_S, SPEEDS_KMH, STEP_S, TESTS
from harness.track.road import longest_straight
from harness.track.scene import Scene, Script
from perceivers.brake import EmergencyBrake
from perceivers.detection import CAMERA, Place, Sight, placed
from results.store import Store
from results.track_row import IDENTITY, TrackRow, identity_of
from results.track_table import curve_table, impact_table
from simulator.maps import load_town
from tests.conftest import ROOT, shared_path

PUBLISHED = ROOT / "results" / "published" / "track_privileged.parquet"


def actor(
    x: float,
    y: float,
    kind: ActorKind = ActorKind.PEDESTRIAN,
    half: tuple[float, float] = (0.2, 0.2),
) -> ActorState:
    height = 0.9 if kind is ActorKind.PEDESTRIAN else 0.8
    return ActorState(
        actor_id=int(10 * x),
        type_id="",
        kind=kind,
        pose=Pose(x, y),
        velocity=(0.0, 0.0, 0.0),
        box_center=(0.0, 0.0, height),
        box_extent=(*half, height),
    )


EGO = actor(0.0, 0.0, ActorKind.VEHICLE, (2.4, 1.08))


def seen(*actors: ActorState) -> list[float]:
    """How far ahead of the bumper the detected ones are."""
    sight = Sight(np.zeros((0, 0, 3), np.uint8), 10.0, CAMERA, EGO, actors)
    return [item.place.ahead_m for item in PrivilegedDetector().detect(sight) if item.place]


def test_a_contact_within_a_step_has_its_own_speed() -> None:
    car, wall = Box(0.0, 0.0, 2.0, 1.0), Box(3.1, 0.5, 1.0, 1.0)
    found = first_contact(car, Motion(10.0, along_mps2=-5.0), wall, Motion(), 0.05)
    assert found is not None
    # 5 cm early, as physics in steps may be: 0.05 m at 10 m/s.
    assert found.after_s == pytest.approx(0.005, abs=0.002)
    assert found.speed_mps == pytest.approx(10.0 - 5.0 * found.after_s)
    assert found.struck == pytest.approx(0.25)  # 0.5 m right of the middle of a 2 m wide car
    assert first_contact(car, Motion(10.0), wall._replace(right_m=2.1), Motion(), 0.05) is None
    assert first_contact(car, Motion(1.0), wall._replace(along_m=4.0), Motion(), 0.05) is None


def test_a_script_brakes_to_a_stop_and_stays() -> None:
    script = Script(0.0, 0.0, along_mps=12.0, begins_s=0.0, brakes_s=1.0, brake_mps2=6.0)
    assert script.place(0.5)[0] == pytest.approx(6.0)
    assert script.place(2.0)[0] == pytest.approx(12.0 + 12.0 - 3.0)
    assert script.place(9.0)[0] == pytest.approx(12.0 + 12.0)
    assert script.motion(2.0) == Motion(6.0, 0.0, -6.0)
    assert script.motion(9.0) == Motion()


@pytest.mark.parametrize("name", [n for n, t in TESTS.items() if not t.is_clear and not t.brakes])
def test_targets_are_where_the_car_would_strike_them(name: str) -> None:
    carla_map = carla.Map("track", load_town("track").xodr)
    road = longest_straight(carla_map, 100.0)
    scene = Scene(TESTS[name], 60)
    parts = scene.parts(road, 2.4, 1.0)
    target = next(part for part in parts if part.role == "target")
    along, right = target.script.place(LEAD_S)
    front = scene.start_m + 2.4 + scene.speed_mps * (LEAD_S + 2.0)
    assert right == pytest.approx((1.0 - 2.0 * TESTS[name].struck) * 1.0)
    assert along == pytest.approx(front)


def test_the_track_is_straight_for_long_and_towns_may_not_be() -> None:
    road = longest_straight(carla.Map("track", load_town("track").xodr), 600.0)
    assert road.length_m > 600.0
    assert road.oncoming_m == pytest.approx(-3.5)
    assert road.place(road.pose(100.0, 2.0)) == pytest.approx((100.0, 2.0))
    with pytest.raises(MapError, match=r"straight two-way road of 600 m, .* 'Town02' has \d+ m"):
        longest_straight(carla.Map("Town02", load_town("Town02").xodr), 600.0)


def test_carlas_own_map_has_a_straight_for_low_speeds() -> None:
    text = shared_path("maps", "Town01.xodr").read_text()
    road = longest_straight(carla.Map("Town01", text), 200.0)
    assert road.oncoming_m < -2.0
    assert Scene(TESTS["CCRs"], 50).length_m < road.length_m


def test_the_longest_scene_fits_on_the_track() -> None:
    road = longest_straight(carla.Map("track", load_town("track").xodr), 600.0)
    assert max(Scene(TESTS["CCRb"], speed).length_m for speed in SPEEDS_KMH) < road.length_m


def test_the_privileged_detector_sees_what_is_in_view_alone() -> None:
    assert seen(actor(20.0, 0.0)) == pytest.approx([20.0 - 0.2 - 2.4])
    assert seen(actor(20.0, 12.0)) == []  # beside the frame of 50 degrees
    assert seen(actor(-20.0, 0.0)) == []
    wall = actor(15.0, 0.0, ActorKind.VEHICLE, (2.0, 1.0))
    assert len(seen(actor(20.0, 0.0), replace(wall, box_extent=(2.0, 1.0, 2.0)))) == 1  # the wall
    assert len(seen(actor(20.0, 5.0), wall)) == 2


def test_the_foot_of_a_box_gives_the_place_that_is_known() -> None:
    sight = Sight(np.zeros((0, 0, 3), np.uint8), 10.0, CAMERA, EGO, (actor(25.0, 1.5),))
    (found,) = PrivilegedDetector().detect(sight)
    assert found.place is not None
    place = placed(replace(found, place=None), CAMERA, 2.4)
    assert place.ahead_m == pytest.approx(found.place.ahead_m, abs=0.3)
    assert place.right_m == pytest.approx(found.place.right_m, abs=0.1)


@pytest.mark.parametrize("right_m", [-3.0, 3.0])
@pytest.mark.parametrize("ahead_m", [12.0, 25.0, 45.0])
def test_a_parked_car_does_not_reach_into_the_lane(right_m: float, ahead_m: float) -> None:
    parked = actor(ahead_m, right_m, ActorKind.VEHICLE, (2.3, 0.97))
    sight = Sight(np.zeros((0, 0, 3), np.uint8), 10.0, CAMERA, EGO, (parked,))
    (found,) = PrivilegedDetector().detect(sight)
    near_m = ahead_m - 2.3 - CAMERA.x
    place = placed(replace(found, place=None, distance_m=near_m), CAMERA, 2.4)
    assert abs(place.right_m) - place.half_width_m == pytest.approx(3.0 - 0.97, abs=0.1)
    assert place.half_width_m == pytest.approx(0.97, abs=0.15)
    assert place.ahead_m == pytest.approx(ahead_m - 2.3 - 2.4)


def braking_gap(speed_mps: float, right_m: float, right_mps: float = 0.0) -> float | None:
    """The gap at which the brake acts for an object ahead; None where it never does."""
    brake = EmergencyBrake(1.08, 4.8, STEP_S)
    for step in range(400):
        time_s = step * STEP_S
        gap_m = 80.0 - speed_mps * time_s
        if gap_m < 0.0:
            return None
        place = Place(gap_m, right_m + right_mps * time_s, 0.25)
        if brake.decide(time_s, speed_mps, [("person", place)]):
            return gap_m
    return None


@pytest.mark.parametrize("speed_kmh", SPEEDS_KMH)
def test_the_brake_waits_until_it_has_to(speed_kmh: int) -> None:
    speed = speed_kmh / 3.6
    gap = braking_gap(speed, 0.0)
    assert gap is not None
    needed = speed * 0.2 + speed**2 / (2.0 * 7.0)
    assert needed + 0.3 < gap < needed + 9.0
    assert gap / speed < 2.2  # s


def test_the_brake_leaves_those_alone_who_are_not_in_the_way() -> None:
    assert braking_gap(15.0, 3.0) is None
    assert braking_gap(15.0, 6.0, -4.0) is None  # has crossed before the car is there
    assert braking_gap(15.0, 6.0, -1.1) is not None  # comes into the way


def test_what_is_seen_once_is_no_reason_to_brake() -> None:
    brake = EmergencyBrake(1.08, 4.8, STEP_S)
    assert not brake.decide(0.0, 20.0, [("car", Place(10.0, 0.0, 1.0))])
    assert brake.decide(STEP_S, 20.0, [("car", Place(9.0, 0.0, 1.0))])


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"test": ("CPNA",)}, "unknown track test 'CPNA'; known: .*CPNA-25"),
        ({"weather": ("fgo",)}, "unknown weather 'fgo'"),
        ({"weather": ("fog", "fog")}, "weather given twice: fog"),
        ({"weather": ("route",)}, "is a route file's, and track tests have none"),
        ({"thermal": "fog=1"}, "unknown thermal setting 'fog'"),
        ({"speed": (50, 50)}, "speed given twice: 50"),
        ({"arms": ("rgbb",)}, "unknown arm 'rgbb'"),
        ({"arms": ("oracle:swapped",)}, "needs another route, and track tests have none"),
        ({"arms": ("clear",)}, "needs another weather, and track tests have none"),
        ({"arms": ("student", "oracle")}, "arms 'student' and 'oracle' are the same"),
        ({"test": ("CCRm",), "speed": (20,)}, "nothing to drive: CCRm begins at 30 km/h"),
        ({"detector": "yolo"}, "unknown detector 'yolo'; known: perceiver, pkg.module:Class, "),
        ({"detector": "perceiver"}, r"detector weights .*\.onnx: no such file; train them by"),
        ({"detector": "no.such:Thing"}, "detector 'no.such:Thing': No module named 'no'"),
        ({"detector_weights": Path("absent.onnx")}, r"absent\.onnx: no such file"),
        ({"fuser_weights": Path("w.onnx")}, "no arm takes them"),
        ({"maps": Path("/absent")}, "no such directory"),
    ],
)
def test_bad_input_is_one_line_before_a_server_starts(
    wrong: dict[str, object], reason: str
) -> None:
    with pytest.raises((ConfigError, MapError), match=reason) as caught:
        check_options(TrackOptions(**wrong))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_speeds_have_bounds() -> None:
    with pytest.raises(ConfigError, match="--speed: expected at most 130, found 500"):
        TrackOptions(speed=(500,))


def test_a_detector_may_be_the_users_own() -> None:
    made = make_detector(f"{__name__}:Blind")
    assert (made.name, made.is_privileged, made.weights_hash()) == (
        f"{__name__}:Blind",
        False,
        "none",
    )
    with pytest.raises(ConfigError, match=r"is no perceivers\.detection\.Detector"):
        make_detector(f"{__name__}:Stranger")


class Blind(type(make_detector("privileged"))):  # type: ignore[misc]
    """Sees nothing."""

    is_privileged = False

    def detect(self, sight: Sight) -> tuple[()]:
        return ()


class Stranger:
    """No detector."""


def row(speed_kmh: int, outcome: str, arm: str = "rgb", test: str = "CCRs") -> TrackRow:
    values = {
        "version": 1, "package_version": "0", "backend": "embedded", "simulator_version": "0.9.16",
        "map": "authored:0", "town": "track", "weather": "clear", "test": test,
        "speed_kmh": speed_kmh, "arm": arm, "fuser_label": "none", "fuser_weights": "none",
        "detector": "privileged", "detector_weights": "none", "is_privileged": True, "seed": 0,
        "look": 1, "weather_digest": "", "thermal": "", "thermal_look": None,
    }  # fmt: skip
    impact = {"hit": 30.0, "avoided": 0.0}.get(outcome)
    return TrackRow(identity=identity_of(values), outcome=outcome, impact_kmh=impact, **values)  # type: ignore[arg-type]


def test_rows_are_read_back_and_driven_once(tmp_path: Path) -> None:
    with Store(TrackRow, tmp_path) as store:
        store.append(row(50, "sim_error"))
        assert store.done() == set()
        store.append(row(50, "hit"))
    with Store(TrackRow, tmp_path) as store:
        assert store.rows() == [row(50, "hit")]
        assert store.done() == {row(50, "hit").identity}
    assert (tmp_path / "rows.parquet").is_file()
    assert set(IDENTITY) <= set(row(50, "hit").to_dict())
    assert row(50, "hit").identity != row(60, "hit").identity
    with pytest.raises(ValueError, match="unknown outcome 'won'"):
        row(50, "won")


def test_tables_and_plot_say_what_was_avoided() -> None:
    rows = [
        row(50, "avoided"),
        row(60, "hit"),
        row(50, "hit", "thermal"),
        row(50, "quiet", test="free-road"),
    ]
    impact = impact_table(rows)
    assert impact.body[0] == ("clear", "CCRs", "rgb (privileged)", "-", "30", "1/2")
    assert "knows the actors" in impact.notes[1]
    curve = curve_table(rows)
    assert curve.body[0][:6] == ("clear", "rgb (privileged)", "0.0", "30.0", "1/2", "50 [9, 91]")
    assert curve.body[0][6] == "0/1"
    picture = draw_curves(rows)
    assert picture.shape == (720, 960, 3)
    assert math.isclose(float(picture[0, 0].mean()), 255.0)


def test_the_command_has_a_name() -> None:
    assert door.COMMANDS["track-tests"].module == "harness.track"


def test_published_rows_are_those_of_the_privileged_detector() -> None:
    found = pd.read_parquet(PUBLISHED)
    assert set(found["outcome"]) == {"avoided", "hit", "quiet"}
    hits = found[found["outcome"] == "hit"]
    assert [(row.test, row.speed_kmh) for row in hits.itertuples()] == [("CPNCO-50", 80)]
    assert found["is_privileged"].all()
    assert set(found["test"]) == set(TESTS)
