import importlib.metadata
import sys
import types
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from fusiondrive.errors import AgentError, ConfigError
from fusiondrive.types import CameraSpec, Command, Control, Observation, WorldState
from harness.run import main
from policies import check_policy, make_policy, plugins
from policies.base import Policy
from policies.plugins import as_policy

VIEW = Observation(np.zeros((4, 4, 3), np.uint8), 0.0, Command.FOLLOW, (5.0, 0.0))


class Minimal(Policy):
    def act(self, observation: Observation, state: WorldState | None) -> Control:
        return Control(throttle=0.25)


class Weighted:
    camera = CameraSpec(width=320)

    def __init__(self, weights: Path | None = None) -> None:
        self.text = "" if weights is None else weights.read_text()

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        return Control(steer=float(self.text))


class Keeps(Minimal):
    def __init__(self, weights: Path) -> None:
        self.weights = weights


class NoPolicy:
    pass


class Blind:
    camera = "its own"

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        return Control()


class Sulks:
    def __init__(self) -> None:
        raise RuntimeError("out of memory")


class WrongAnswer(Policy):
    def act(self, observation: Observation, state: WorldState | None) -> Control:
        return (0.0, 0.0, 0.0)  # type: ignore[return-value]


@pytest.fixture(autouse=True)
def own_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """`theirs.driving` is this module, as if it were installed."""
    package = types.ModuleType("theirs")
    package.__path__ = []
    monkeypatch.setitem(sys.modules, "theirs", package)
    monkeypatch.setitem(sys.modules, "theirs.driving", sys.modules[__name__])


def test_a_class_with_act_alone_drives() -> None:
    policy = make_policy("theirs.driving:Minimal")
    policy.reset(None)  # type: ignore[arg-type]
    assert policy.act(VIEW, None).throttle == 0.25
    assert policy.is_privileged is False
    assert len(policy.weights_hash()) == 12


def test_weights_reach_the_class_and_its_hash(tmp_path: Path) -> None:
    hashes = {make_policy("theirs.driving:Weighted").weights_hash()}
    for steer in ("0.5", "-0.5"):
        file = tmp_path / "w.txt"
        file.write_text(steer)
        policy = make_policy("theirs.driving:Weighted", file)
        assert policy.act(VIEW, None).steer == float(steer)
        assert policy.camera == CameraSpec(width=320)
        hashes.add(policy.weights_hash())
    assert len(hashes) == 3


def test_entry_point_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", "theirs.driving:Minimal", plugins.GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point])
    assert make_policy("mine").act(VIEW, None).throttle == 0.25
    with pytest.raises(ConfigError, match=r"unknown policy 'yours'; known: .*mine"):
        check_policy("yours")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.at_all:Thing", "no module 'nowhere'"),
        ("theirs.missing:Thing", r"no module 'theirs\.missing'"),
        ("theirs.driving:Thing", "no 'Thing' in theirs.driving; classes there: .*Minimal"),
        ("theirs.driving:VIEW", "Observation, not a class"),
        ("theirs.driving:NoPolicy", r"NoPolicy is not a Policy, for it has no act"),
        (
            "theirs.driving:Blind",
            r"policy 'theirs\.driving:Blind': camera: expected .*CameraSpec, found 'its own'",
        ),
        ("theirs.driving:Sulks", "could not be built: RuntimeError: out of memory"),
        ("theirs.driving", "unknown policy 'theirs.driving'; known: .*pkg.module:Class"),
    ],
)
def test_what_is_wrong_is_said(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_policy(name)


def test_what_a_foreign_class_lacks_is_as_the_base_class_has_it() -> None:
    policy = make_policy("theirs.driving:Weighted")
    assert (policy.is_privileged, policy.uses_image, policy.uses_traffic_manager) == (
        Policy.is_privileged, Policy.uses_image, Policy.uses_traffic_manager,
    )  # fmt: skip
    assert (policy.sensors, policy.looks, policy.perceived_mps()) == ((), (), None)
    for call in (lambda: policy.reset(None), policy.finish, policy.close):  # type: ignore[arg-type]
        assert call() is None


@pytest.mark.parametrize("said", [float("nan"), "fast", (1.0, 2.0)])
def test_a_perceived_speed_must_be_a_number(said: object) -> None:
    foreign = Weighted()
    foreign.perceived_mps = lambda: 4  # type: ignore[attr-defined]
    assert as_policy(foreign).perceived_mps() == 4.0
    foreign.perceived_mps = lambda: said  # type: ignore[attr-defined]
    with pytest.raises(AgentError, match="expected metres per second or None"):
        as_policy(foreign).perceived_mps()


def test_a_policy_is_wrapped_once() -> None:
    made = Minimal()
    assert as_policy(made) is made
    assert as_policy(as_policy(Weighted())).camera == Weighted.camera


def test_answer_must_be_a_control() -> None:
    policy = make_policy("theirs.driving:WrongAnswer")
    with pytest.raises(AgentError, match=r"a tuple, .*Control \(test_plugins.py, line \d+"):
        policy.act(VIEW, None)


def test_weights_may_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_text("1")
    first = make_policy("theirs.driving:Keeps", tmp_path).weights_hash()
    (tmp_path / "a.bin").write_text("2")
    assert make_policy("theirs.driving:Keeps", tmp_path).weights_hash() != first


def test_weights_for_a_class_without_any_are_refused(tmp_path: Path) -> None:
    (tmp_path / "w").write_text("")
    with pytest.raises(ConfigError, match="takes no weights"):
        make_policy("theirs.driving:Minimal", tmp_path / "w")


def test_command_ends_with_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--policy", "nowhere:Thing", "--out", str(tmp_path)]) == 2
    assert "error: policy 'nowhere:Thing': no module 'nowhere'" in capsys.readouterr().err


def test_example_of_the_documentation_drives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parents[2] / "docs/policies.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    assert len(code.splitlines()) <= 15
    (tmp_path / "mine_of_docs.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    control = make_policy("mine_of_docs:Gentle").act(VIEW, None)
    assert control.throttle > 0.0
    assert control.steer == 0.0
