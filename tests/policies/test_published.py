"""Published checkpoints drive as their authors' code does, and foreign files are refused."""

import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fusiondrive.errors import ConfigError, WeightsError
from fusiondrive.types import (
    ActorKind,
    ActorState,
    Command,
    Control,
    EpisodeContext,
    Observation,
    Pose,
    Route,
    WorldState,
)
from harness.run import main
from policies import make_policy
from policies.base import Policy, camera_of
from policies.loading import load_cilrs

torch = pytest.importorskip("torch", reason="torch is in the extra `train`")
pytest.importorskip("torchvision", reason="torchvision is in the extra `train`")
from tests.policies.published_layouts import (  # noqa: E402
    ROACH_KWARGS,
    SPEED_MPS,
    coil_reference,
    coil_weights,
    roach_reference,
    roach_weights,
    transfuser_reference,
    transfuser_weights,
)


def view_of(policy: Policy, command: Command) -> Observation:
    camera = camera_of(policy)
    image = np.random.default_rng(1).integers(0, 255, (camera.height, camera.width, 3), np.uint8)
    return Observation(image, SPEED_MPS, command, (9.0, 0.0))


def coil_rule(raw: tuple[float, ...]) -> Control:
    steer, throttle, brake = raw
    brake = 0.0 if brake < 0.05 or throttle > brake else brake
    return clipped(steer, throttle, brake)


def clipped(steer: float, throttle: float, brake: float) -> Control:
    return Control(min(max(throttle, 0.0), 1.0), min(max(steer, -1.0), 1.0), min(max(brake, 0), 1))


def assert_same(policy: Policy, state: WorldState | None, expected: Callable[..., Control]) -> None:
    """All commands, and different answers to them."""
    seen = set()
    for command in Command:
        view = view_of(policy, command)
        found, wanted = policy.act(view, state), expected(view)
        for name in ("steer", "throttle", "brake"):
            assert getattr(found, name) == pytest.approx(getattr(wanted, name), abs=1e-4), command
        seen.add(found)
    assert len(seen) == len(Command)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(11)


def test_coiltraine_is_wired_as_published(tmp_path: Path) -> None:
    w = coil_weights()
    wrapped = {f"module.{key}": value for key, value in w.items()}  # as DataParallel saves
    torch.save({"iteration": 1, "state_dict": wrapped, "best_loss": 0.1}, tmp_path / "c.pth")
    policy = make_policy("cilrs", tmp_path / "c.pth")
    camera = camera_of(policy)
    assert (camera.width, camera.height, camera.fov_deg) == (800, 600, 100.0)
    assert (camera.x, camera.y, camera.z, camera.pitch_deg) == (2.0, 0.0, 1.4, -15.0)
    assert_same(policy, None, lambda view: coil_rule(coil_reference(w, view)))


def test_blue_first_is_a_choice(tmp_path: Path) -> None:
    w = coil_weights()
    torch.save({"state_dict": w}, tmp_path / "c.pth")
    policy = make_policy("cilrs-bgr", tmp_path / "c.pth")

    def swapped(view: Observation) -> Control:
        blue_first = np.ascontiguousarray(view.image[:, :, ::-1])
        return coil_rule(coil_reference(w, replace(view, image=blue_first)))

    assert_same(policy, None, swapped)
    with pytest.raises(ConfigError, match="give --weights FILE"):
        make_policy("cilrs-bgr")


@pytest.mark.parametrize("head", [None, "beta", "beta_shared"])
def test_roach_is_wired_as_published(tmp_path: Path, head: str | None) -> None:
    kwargs = {
        **ROACH_KWARGS,
        "action_distribution": head,
        "value_as_supervision": head == "beta",
        "perception_net": "resnet18" if head else "resnet34",
    }
    w = roach_weights(kwargs)
    torch.save({"policy_state_dict": w, "policy_init_kwargs": kwargs}, tmp_path / "r.pth")
    policy = make_policy("cilrs", tmp_path / "r.pth")
    camera = camera_of(policy)
    assert (camera.width, camera.height, camera.fov_deg) == (900, 256, 100.0)
    assert (camera.x, camera.y, camera.z, camera.pitch_deg) == (-1.5, 0.0, 2.0, 0.0)
    assert policy.is_privileged is False
    assert_same(policy, None, lambda v: clipped(*roach_reference(w, v, kwargs, (0.0, 0.0))))


def straight_route() -> Route:
    count = 101
    points = np.zeros((count, 3))
    points[:, 1] = np.arange(count)  # along +y, which is a yaw of 90 degrees
    inside = np.zeros(count, bool)
    inside[30:45] = True
    return Route(
        route_id="0",
        points=points,
        yaws=np.full(count, 90.0),
        commands=np.where(np.arange(count) < 50, int(Command.LEFT), int(Command.FOLLOW)),
        in_junction=inside,
        lane_widths=np.full(count, 3.5),
        cumulative_m=np.arange(count, dtype=float),
    )


def test_roach_of_the_leaderboard_takes_target_and_command_as_state(tmp_path: Path) -> None:
    kwargs = {
        **ROACH_KWARGS,
        "input_states": ["speed", "vec", "cmd"],
        "number_of_branches": 1,
        "perception_net": "resnet18",
        "action_distribution": "beta_shared",
    }
    w = roach_weights(kwargs)
    torch.save({"policy_state_dict": w, "policy_init_kwargs": kwargs}, tmp_path / "r.pth")
    policy = make_policy("cilrs", tmp_path / "r.pth")
    assert policy.is_privileged
    policy.reset(EpisodeContext("Town02", straight_route(), 0))
    ego = Pose(1.0, 2.0, yaw=90.0)  # 28 m before the junction's point, 1 m to its left
    actor = ActorState(1, "", ActorKind.VEHICLE, ego, (0, 0, 0), (0, 0, 0), (2, 1, 1))
    state = WorldState(1, 0.1, actor)
    assert_same(policy, state, lambda v: clipped(*roach_reference(w, v, kwargs, (28.0, 1.0))))


def test_transfuser_is_wired_as_published(tmp_path: Path) -> None:
    w = transfuser_weights()
    torch.save(w, tmp_path / "best_model.pth")
    policy = make_policy("cilrs", tmp_path / "best_model.pth")
    camera = camera_of(policy)
    assert (camera.width, camera.height, camera.fov_deg) == (400, 300, 100.0)
    assert (camera.x, camera.y, camera.z, camera.pitch_deg) == (1.3, 0.0, 2.3, 0.0)
    assert_same(policy, None, lambda view: coil_rule(transfuser_reference(w, view)))


@pytest.mark.parametrize("change", ["missing", "shape", "extra"])
def test_loading_is_strict(tmp_path: Path, change: str) -> None:
    w = transfuser_weights()
    name = "controller.branches.5.4.weight"
    if change == "missing":
        del w[name]
    elif change == "shape":
        w[name] = w[name][:2]
    else:
        name = "controller.branches.6.4.weight"
        w[name] = torch.zeros(1)
    torch.save(w, tmp_path / "t.pth")
    with pytest.raises(WeightsError, match=rf"do not fit.*{name}"):
        load_cilrs(tmp_path / "t.pth")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"policy_state_dict": {}}, "reinforcement-learning ones .ppo. cannot"),
        (
            {
                "policy_state_dict": {},
                "policy_init_kwargs": {**ROACH_KWARGS, "im_shape": (3, 1, 256, 2700)},
            },
            "no camera of carla-roach gives 2700x256 pixels; known: 900x256, 640x360",
        ),
        (
            {
                "policy_state_dict": {},
                "policy_init_kwargs": {**ROACH_KWARGS, "perception_net": "video.r3d_18"},
            },
            "unknown perception_net 'video.r3d_18'; known: resnet18",
        ),
        ({"encoder.features.conv1.weight": torch.zeros(1)}, "but not its CILRS"),
        ({"layer": torch.zeros(1)}, r"unknown checkpoint \(its keys: layer\); known families"),
        ([torch.zeros(1)], "expected a dict, found list"),
    ],
)
def test_foreign_checkpoint_is_named(tmp_path: Path, state: object, reason: str) -> None:
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=reason):
        load_cilrs(tmp_path / "x.pth")


def test_truncated_and_pickled_files_end_the_command_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"state_dict": {"a": torch.zeros(4096)}}, tmp_path / "x.pth")
    whole = (tmp_path / "x.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "code.pth").write_bytes(pickle.dumps(Path("/")))
    (tmp_path / "empty.pth").write_bytes(b"")
    for name in ("cut", "code", "empty"):
        file = tmp_path / f"{name}.pth"
        assert main(["--policy", "cilrs", "--weights", str(file), "--out", str(tmp_path)]) == 2
        assert f"error: {file}: " in capsys.readouterr().err


def test_weights_that_answer_nan_are_refused(tmp_path: Path) -> None:
    w = transfuser_weights()
    w["controller.branches.0.4.bias"] += math.nan
    torch.save(w, tmp_path / "t.pth")
    policy = load_cilrs(tmp_path / "t.pth")
    with pytest.raises(WeightsError, match="the network answers"):
        policy.act(view_of(policy, Command.LEFT), None)
