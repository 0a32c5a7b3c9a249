"""Track tests on the embedded server, through the client alone."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusiondrive.errors import AgentError, SimulatorError
from harness.session import Address, Session
from harness.track.config import TrackOptions, check_options
from harness.track.detection import PrivilegedDetector
from harness.track.eyes import Eyes, track_arm
from harness.track.protocol import STEP_S, TESTS
from harness.track.road import longest_straight
from harness.track.runner import TrackRunner
from harness.track.scene import Scene
from harness.track.trial import Result, Track
from perceivers.brake import BRAKE_MPS2
from perceivers.detection import Detection, Detector, Place, Sight
from results.store import Store
from results.track_row import TrackRow
from scenarios.weather import preset
from sensors.arms import make_image_maker
from tests.conftest import CarlaServer

MEETING = [name for name, test in TESTS.items() if not test.is_clear]


@pytest.fixture
def track(carla_server: CarlaServer) -> Iterator[Track]:
    with Session(Address(*carla_server("track")), delta_s=STEP_S) as session:
        session.load("track")
        yield Track(session, longest_straight(session.map, 400.0), preset("clear"), seed=0)


def eyes(arm: str, detector: Detector) -> Eyes:
    return Eyes(track_arm(arm), make_image_maker(track_arm(arm)), detector)


def braked(track: Track, scene: Scene) -> Result:
    looking = eyes("rgb", PrivilegedDetector())
    approach = track.approach(scene, [looking])
    return approach if looking.brake_step is None else track.braked(scene, looking.brake_step)


def test_without_braking_the_named_point_is_struck_at_the_test_speed(track: Track) -> None:
    for name in MEETING:
        contact = track.braked(Scene(TESTS[name], 50), None).contact
        assert contact is not None, name
        assert contact.struck == pytest.approx(TESTS[name].struck, abs=0.03), name
        assert contact.speed_mps == pytest.approx(50 / 3.6, rel=0.005), name


def test_with_the_privileged_detector_everything_is_avoided_at_60(track: Track) -> None:
    for name in MEETING:
        result = braked(track, Scene(TESTS[name], 60))
        assert result.contact is None, name
        assert result.brake_step is not None, name
        assert result.decel_mps2 == pytest.approx(BRAKE_MPS2, rel=0.02), name
        assert result.least_gap_m is None or result.least_gap_m > 0.5, name


def test_nobody_in_the_way_raises_no_alarm(track: Track) -> None:
    for name in set(TESTS) - set(MEETING):
        for has_car in (False, True):
            assert braked(track, Scene(TESTS[name], 50, has_car)).brake_step is None, name


def test_a_late_brake_lowers_the_impact_speed(track: Track) -> None:
    scene = Scene(TESTS["CCRs"], 50)
    free = track.braked(scene, None).contact
    late = track.braked(scene, 108).contact
    assert free is not None
    assert late is not None
    # 0.6 s before the contact: 0.2 s of delay, then 7 m/s2 over what is left of 8.2 m.
    speed, left = 50 / 3.6, 0.55 * 50 / 3.6
    expected = (speed**2 - 2 * BRAKE_MPS2 * (left - 0.2 * speed)) ** 0.5
    assert late.speed_mps == pytest.approx(expected, abs=0.5)
    assert late.closing_mps == late.speed_mps


class Startled(Detector):
    """Sees a wall at once, and keeps what it was shown."""

    def __init__(self) -> None:
        self.shown: list[Sight] = []

    def detect(self, sight: Sight) -> tuple[Detection, ...]:
        self.shown.append(sight)
        place = Place(5.0 - sight.ego_speed_mps * STEP_S * len(self.shown), 0.0, 1.0)
        return (Detection("car", 1.0, 300.0, 200.0, 340.0, 260.0, place),)


@pytest.mark.parametrize("weather", ["clear", "night:headlights"])
def test_a_detector_sees_its_arms_image_and_no_actors(track: Track, weather: str) -> None:
    track = Track(track.session, track.road, preset(weather), seed=0)
    detectors = {name: Startled() for name in ("rgb", "thermal", "clahe")}
    looking = [eyes(name, detector) for name, detector in detectors.items()]
    scene = Scene(TESTS["CPLA-50"], 30)
    result = track.approach(scene, looking)
    second = 40 + round(scene.look_from_s / STEP_S)
    assert [item.brake_step for item in looking] == [second] * 3
    assert result.contact is None
    images = {name: detector.shown[-1].image for name, detector in detectors.items()}
    assert {image.shape for image in images.values()} == {(480, 640, 3)}
    assert np.array_equal(images["thermal"][..., 0], images["thermal"][..., 2])
    assert not np.array_equal(images["rgb"], images["clahe"])
    assert detectors["rgb"].shown[0].ego is None
    assert detectors["rgb"].shown[0].ego_speed_mps == pytest.approx(30 / 3.6, rel=0.02)


class Broken(Detector):
    name = "broken"

    def detect(self, sight: Sight) -> tuple[Detection, ...]:
        raise IndexError("no boxes")


class Vague(Detector):
    name = "vague"

    def detect(self, sight: Sight) -> tuple[Detection, ...]:
        return (Detection("car", 1.0, math.nan, 0.0, 1.0, 1.0),)


class Strange(Detector):
    name = "strange"

    def detect(self, sight: Sight) -> tuple[Detection, ...]:
        return (Detection("dog", 1.0, 0.0, 0.0, 1.0, 1.0),)


@pytest.mark.parametrize(
    ("detector", "reason"),
    [
        (Broken(), "detector 'broken' failed: IndexError: no boxes"),
        (Vague(), "detector 'vague': not all numbers are finite"),
        (Strange(), "detector 'strange': expected a kind of .*'car'.*, found 'dog'"),
    ],
)
def test_a_detector_that_fails_is_named(track: Track, detector: Detector, reason: str) -> None:
    with pytest.raises(AgentError, match=reason):
        track.approach(Scene(TESTS["CCRs"], 50), [eyes("rgb", detector)])


@pytest.mark.parametrize(("failures", "outcomes"), [(1, ["avoided"]), (9, ["sim_error"])])
def test_what_the_simulator_broke_is_driven_again(
    carla_server: CarlaServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failures: int,
    outcomes: list[str],
) -> None:
    drive, broken = TrackRunner._drive, itertools.count(1)

    def fail_at_first(self: TrackRunner, *arguments: Any) -> list[TrackRow]:
        if next(broken) <= failures:
            raise SimulatorError("gone")
        return drive(self, *arguments)

    monkeypatch.setattr(TrackRunner, "_drive", fail_at_first)
    options = options_for(carla_server("track"), tmp_path, test=("CCRs",), speed=(30,))
    assert [row.outcome for row in driven(options)] == outcomes
    assert {row.error for row in driven(options)} <= {"", "gone"}


def options_for(address: tuple[str, int], out: Path, **more: Any) -> TrackOptions:
    host, port = address
    return TrackOptions(backend="external", host=host, port=port, town="track", out=out, **more)


def driven(options: TrackOptions) -> list[TrackRow]:
    arms = check_options(options)
    with Store(TrackRow, options.directory) as store:
        with TrackRunner(options, arms, store) as runner:
            runner.run()
        return store.rows()


def test_equal_runs_give_equal_rows_and_are_driven_once(
    carla_server: CarlaServer, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"test": ("CPNCO-50", "free-road"), "speed": (30, 80)}
    asked["arms"] = ("rgb", "thermal")
    found = [
        driven(options_for(carla_server("track"), tmp_path / name, **asked))
        for name in ("first", "second", "second")
    ]
    plain = [[replace(row, wall_seconds=None, wall_finished="") for row in rows] for rows in found]
    assert plain[0] == plain[1]
    assert found[1] == found[2]  # wall-clock columns, too: nothing was driven again
    outcomes = [(row.test, row.speed_kmh, row.arm, row.outcome) for row in found[0]]
    assert outcomes[:4] == [
        ("CPNCO-50", 30, "rgb", "avoided"),
        ("CPNCO-50", 30, "thermal", "avoided"),
        ("CPNCO-50", 80, "rgb", "hit"),
        ("CPNCO-50", 80, "thermal", "hit"),
    ]
    assert {outcome[3] for outcome in outcomes[4:]} == {"quiet"}
    assert all(row.is_privileged and row.map.startswith("authored:") for row in found[0])
