"""What is said of the user's code when it fails."""

from __future__ import annotations

import errno
import math
import os
from pathlib import Path

import numpy as np
import pytest

from fusiondrive.errors import AgentError, SimulatorError
from fusiondrive.types import Command, Control, EpisodeContext, Observation, WorldState
from harness.guard import GuardedPolicy
from policies.base import Policy, close_policy
from policies.faults import checked, place_of, reason, variable_hint

VIEW = Observation(np.zeros((4, 4, 3), np.uint8), 0.0, Command.FOLLOW, (5.0, 0.0))


class Answers(Policy):
    def __init__(self, answer: object) -> None:
        self.answer = answer

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer  # type: ignore[return-value]

    def reset(self, context: EpisodeContext) -> None:
        self.act(VIEW, None)

    def finish(self) -> None:
        self.act(VIEW, None)

    def close(self) -> None:
        self.act(VIEW, None)


def write_module(folder: Path, text: str) -> dict[str, object]:
    """Run code as if it were the user's: its frames name a file outside of this project."""
    path = folder / "mine.py"
    path.write_text(text)
    names: dict[str, object] = {}
    exec(compile(text, str(path), "exec"), names)
    return names


def test_the_reason_names_the_users_line_and_not_that_of_a_library(tmp_path: Path) -> None:
    text = "import json\n\ndef look():\n    return json.loads('{')\n"
    look = write_module(tmp_path, text)["look"]
    with pytest.raises(ValueError, match="Expecting") as caught:
        look()  # type: ignore[operator]
    assert reason(caught.value).startswith("JSONDecodeError: Expecting property name")
    assert reason(caught.value).endswith("(mine.py, line 4, look)")


def test_the_reason_is_one_line_without_addresses() -> None:
    assert reason(ValueError("a\n  b <X at 0x7f12ab34cd56>")).startswith(
        "ValueError: a b <X at 0x...>"
    )
    assert reason(ValueError()).startswith("ValueError (")


def test_a_function_is_named_by_its_first_line(tmp_path: Path) -> None:
    names = write_module(tmp_path, "class A:\n    def act(self):\n        pass\n")
    assert place_of(names["A"]().act) == "mine.py, line 2, act"  # type: ignore[operator]
    assert place_of(print) == "no source"


@pytest.mark.parametrize(
    "answer",
    [
        Control(steer=math.nan),
        Control(throttle=math.inf),
        Control(brake="0.5"),  # type: ignore[arg-type]
        Control(brake=None),  # type: ignore[arg-type]
        Control(steer=np.zeros(2)),  # type: ignore[arg-type]
        Control(steer=1j),  # type: ignore[arg-type]
        None,
        (0.0, 0.0, 0.0),
    ],
)
def test_what_cannot_be_driven_with_is_an_agent_error(answer: object) -> None:
    with pytest.raises(AgentError, match=r"answered .*expected .*test_faults.py, line \d+, act"):
        GuardedPolicy(Answers(answer)).act(VIEW, None)


def test_a_control_is_clipped_as_carla_does_and_keeps_its_gear() -> None:
    wild = Control(np.float32(1.5), -2, np.array(-0.1), reverse=True, hand_brake=True)  # type: ignore[arg-type]
    assert checked(wild, print) == Control(1.0, -1.0, 0.0, reverse=True, hand_brake=True)


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), AssertionError(), KeyError(1)])
def test_whatever_is_raised_is_an_agent_error(error: BaseException) -> None:
    policy = GuardedPolicy(Answers(error))
    for call in (lambda: policy.reset(None), lambda: policy.act(VIEW, None), policy.finish):  # type: ignore[arg-type]
        with pytest.raises(AgentError, match=type(error).__name__):
            call()
    if isinstance(error, Exception):
        close_policy(Answers(error))  # no episode hangs on it


@pytest.mark.parametrize(
    "error", [SimulatorError("dead"), KeyboardInterrupt(), OSError(errno.ENOSPC, "full")]
)
def test_the_simulator_ctrl_c_and_a_full_disk_are_not_the_agents_fault(
    error: BaseException,
) -> None:
    with pytest.raises(type(error)):
        GuardedPolicy(Answers(error)).act(VIEW, None)


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAVE_PATH", raising=False)
    with pytest.raises(KeyError) as caught:
        os.environ["SAVE_PATH"]
    assert variable_hint(caught.value) == "; set the environment variable SAVE_PATH"
    assert variable_hint(KeyError("x")) == ""
