"""Emergency braking around a policy: it overrides, holds, and lets go."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fusiondrive.errors import ConfigError, WeightsError
from fusiondrive.types import (
    CameraSpec,
    Command,
    Control,
    EpisodeContext,
    Observation,
    Reading,
    WorldState,
)
from perceivers.detection import Detection, Detector, Place, Sight
from perceivers.trained import TrainedDetector
from policies import check_policy, make_policy
from policies.aeb import IMU, AebPolicy
from policies.base import Policy
from policies.constant import AutopilotPolicy, ConstantPolicy

STEP_S = 0.1


class Goes(Policy):
    def act(self, observation: Observation, state: WorldState | None) -> Control:
        return Control(throttle=0.5, steer=0.1)


class Sees(Detector):
    """Sees a car so far ahead of the bumper, or nobody."""

    ahead_m: float | None = None
    cameras = (CameraSpec(),)
    looks = (24, 25)

    def detect(self, sight: Sight) -> tuple[Detection, ...]:
        if self.ahead_m is None:
            return ()
        place = Place(self.ahead_m, 0.0, 1.0)
        return (Detection("car", 1.0, 190.0, 140.0, 210.0, 160.0, place),)


def view(time_s: float, speed_mps: float) -> Observation:
    gyroscope = SimpleNamespace(gyroscope=SimpleNamespace(z=0.0))
    readings: Any = {IMU.sensor_id: Reading(0, gyroscope)}
    image = np.zeros((300, 400, 3), np.uint8)
    return Observation(image, speed_mps, Command.FOLLOW, (10.0, 0.0), time_s, readings=readings)


def test_it_stops_before_a_car_and_goes_on_when_the_way_is_free() -> None:
    detector = Sees()
    policy = AebPolicy(Goes(), detector)
    gap, speed, controls = 40.0, 10.0, []
    for step in range(80):
        detector.ahead_m = gap if step < 70 else None
        controls.append(policy.act(view(step * STEP_S, speed), None))
        speed = max(speed - 7.0 * STEP_S, 0.0) if controls[-1].brake else speed
        gap -= speed * STEP_S
    assert 0.3 < gap < 4.0
    braking = [step for step, control in enumerate(controls) if control.brake > 0.0]
    assert braking[0] > 20
    assert all(control.steer == 0.1 for control in controls)
    assert all(controls[step].throttle == 0.0 for step in braking)
    # What was seen is forgotten after half a second: then the policy drives again.
    assert controls[72].brake > 0.0
    assert controls[79] == Control(throttle=0.5, steer=0.1)


def test_the_brake_acts_a_moment_after_the_decision() -> None:
    detector = Sees()
    policy = AebPolicy(Goes(), detector)
    brakes = []
    for step in range(6):
        detector.ahead_m = 8.0 - step
        brakes.append(policy.act(view(step * STEP_S, 10.0), None).brake > 0.0)
    assert brakes == [False, False, False, True, True, True]  # seen twice, then 0.2 s


def test_an_episode_begins_without_the_last_ones_brake() -> None:
    detector = Sees()
    policy = AebPolicy(Goes(), detector)
    for step in range(6):
        detector.ahead_m = 8.0 - step
        control = policy.act(view(step * STEP_S, 10.0), None)
    assert control.brake > 0.0
    policy.reset(EpisodeContext("Town02", None, 0))  # type: ignore[arg-type]
    detector.ahead_m = None
    assert policy.act(view(0.0, 10.0), None).brake == 0.0


def test_rows_name_both_weights_and_cameras_and_sensors_are_the_policys() -> None:
    inner = Goes()
    policy = AebPolicy(inner, Sees())
    assert policy.weights_hash() == f"{inner.weights_hash()}+none"
    assert policy.camera == CameraSpec()
    assert policy.sensors == (IMU,)
    assert policy.looks == (24, 25)


class Wide(Goes):
    camera = CameraSpec(width=800)


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        (Wide(), r"looks through CameraSpec\(width=800.* was trained on CameraSpec\(width=400"),
        (AutopilotPolicy(), "Traffic Manager drives in its place"),
    ],
)
def test_a_policy_that_does_not_fit_is_refused(inner: Policy, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        AebPolicy(inner, Sees())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("aeb:cilr", "unknown policy 'cilr'"),
        ("aeb:leaderboard:agent.py", "not before 'leaderboard:agent.py'"),
        ("aeb:aeb:cilrs", "not before 'aeb:cilrs'"),
    ],
)
def test_a_name_that_cannot_be_is_one_line(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_policy(name)


def test_weights_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.onnx: no such file"):
        make_policy("aeb:constant", detector_weights=tmp_path / "none.onnx")
    with pytest.raises(ConfigError, match="detector-weights are for aeb:POLICY, not"):
        make_policy("constant", detector_weights=tmp_path / "none.onnx")
    empty = tmp_path / "w.onnx"
    empty.write_bytes(b"")
    with pytest.raises(WeightsError, match=r"its card w\.json is missing"):
        TrainedDetector(empty)
    empty.with_suffix(".json").write_text('{"family": "other"}', encoding="utf-8")
    with pytest.raises(WeightsError, match=r"w\.json: expected the card of a 'fusiondrive-perc"):
        TrainedDetector(empty)


def test_any_policy_may_stand_behind_it() -> None:
    check_policy("aeb:cilrs")
    check_policy("aeb:mine:Gentle")
    assert AebPolicy(ConstantPolicy(), Sees()).uses_image
