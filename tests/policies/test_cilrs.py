import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from fusiondrive.errors import WeightsError
from fusiondrive.types import Command, Control, Observation
from policies import POLICIES, make_policy
from policies.cilrs import BRANCHES, CilrsPolicy, LoadedNetwork, Prediction, resume, to_control
from policies.framing import Framing
from policies.loading import load_cilrs
from policies.preprocess import Preprocessing


def test_post_processing_drops_weak_brakes_and_brakes_under_throttle() -> None:
    assert to_control(np.array((0.1, 0.0, 0.04), np.float32)).brake == 0.0
    assert to_control(np.array((0.1, 0.6, 0.5), np.float32)).brake == 0.0
    assert to_control(np.array((-2.0, 0.2, 1.5), np.float32)) == to_control(
        np.array((-1.0, 0.2, 1.0), np.float32)
    )


@pytest.mark.parametrize("shape", [(300, 400), (600, 800)])
def test_crop_keeps_the_rows_of_coiltraine(shape: tuple[int, int]) -> None:
    image = np.zeros((*shape, 3), dtype=np.uint8)
    image[: round(shape[0] * 0.15)] = 255  # above row 90 of 600
    image[-(shape[0] - round(shape[0] * 485 / 600)) :] = 255  # from row 485
    small = Preprocessing().crop_resize(image)
    assert small.shape == (88, 200, 3)
    assert small.max() == 0


def test_input_is_normalised_rgb_planes() -> None:
    prepare = Preprocessing()
    small = np.full((88, 200, 3), (255, 0, 0), dtype=np.uint8)
    values = prepare.to_input(small)
    assert values.shape == (1, 3, 88, 200)
    assert values.dtype == np.float32
    assert values[0, 0, 5, 5] == pytest.approx((1 - 0.485) / 0.229, rel=1e-5)
    assert values[0, 2, 5, 5] == pytest.approx(-0.406 / 0.225, rel=1e-5)
    assert prepare.speed_input(6.0).tolist() == [[0.5]]


@pytest.mark.parametrize("command", Command)
def test_each_command_drives_by_its_own_branch(command: Command) -> None:
    actions = np.stack([np.array((i / 10, 0.5, 0.0), np.float32) for i in range(4)])
    loaded = LoadedNetwork(lambda image, speed: Prediction(actions), Framing(), BRANCHES, "none")
    view = Observation(np.zeros((300, 400, 3), dtype=np.uint8), 3.0, command, (5.0, 0.0))
    control = CilrsPolicy(loaded).act(view, None)
    assert control.steer == pytest.approx(BRANCHES[command] / 10)
    assert sorted(BRANCHES.values()) == [0, 1, 2, 3]


def test_the_speed_that_the_image_shows_is_kept_in_metres_per_second() -> None:
    def network(image: object, speed: object) -> Prediction:
        return Prediction(np.zeros((4, 3), np.float32), 0.5)

    policy = CilrsPolicy(LoadedNetwork(network, Framing(), BRANCHES, "none"))
    assert policy.perceived_mps() is None
    policy.act(Observation(np.zeros((300, 400, 3), np.uint8), 3.0, Command.LEFT, (5.0, 0.0)), None)
    assert policy.perceived_mps() == pytest.approx(0.5 * Framing().preprocessing.speed_scale_mps)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.onnx: no such file"):
        make_policy("cilrs", tmp_path / "gone.onnx")


def test_torch_weights_without_torch_name_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"x")
    monkeypatch.delitem(sys.modules, "policies.checkpoints", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)  # as where it is not installed
    with pytest.raises(WeightsError, match=r"pip install 'fusiondrive\[train\]'"):
        load_cilrs(tmp_path / "w.safetensors")


def test_unknown_policy_lists_the_known() -> None:
    with pytest.raises(Exception, match="unknown policy 'x'; known: aeb:POLICY, autopilot, cilrs"):
        make_policy("x")
    assert {name: make_policy(name).is_privileged for name in ("expert", "constant")} == {
        "expert": True,
        "constant": False,
    }
    assert set(POLICIES) == {"expert", "cilrs", "cilrs-bgr", "constant", "autopilot"}


def test_area_averaging_is_what_training_data_was_made_with() -> None:
    image = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    expected = cv2.resize(image[45:242], (200, 88), interpolation=cv2.INTER_AREA)
    assert np.array_equal(Preprocessing().crop_resize(image), expected)


def test_crawling_car_goes_on_where_the_image_looks_like_driving() -> None:
    braking = Control(throttle=0.0, steer=0.2, brake=0.11)
    resumed = resume(braking, speed_mps=0.0, seen_mps=7.0)
    assert resumed.throttle > 0.0
    assert (resumed.steer, resumed.brake) == (0.2, 0.0)
    assert resume(braking, speed_mps=5.0, seen_mps=7.0) == braking
    assert resume(braking, speed_mps=0.0, seen_mps=0.5) == braking
