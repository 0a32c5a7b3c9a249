"""The closed loop, as short as it is: a policy drives an episode to its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from fusiondrive.types import Control
from harness.drive import Drive
from harness.guard import GuardedPolicy
from harness.scoring import Score
from policies.base import Policy
from policies.plugins import as_policy


class Stopped(Exception):
    """The rollout was asked to end before its episode did."""


class Observer(Protocol):
    """Watches the steps of an episode; changes nothing."""

    def on_step(self, drive: Drive, control: Control) -> None:
        """Called after every step with what acted in it, and once before with a neutral control."""


def rollout(
    drive: Drive,
    policy: Policy,
    *,
    observers: tuple[Observer, ...] = (),
    should_stop: Callable[[], bool] = lambda: False,
) -> Score:
    """Let a policy drive one episode from where it is to its end.

    Args:
        drive: the episode, such as `Simulation.begin(spec)`.
        policy: what drives; anything with `act` will do.
        observers: told of every step.
        should_stop: asked before every step.

    Raises:
        Stopped: `should_stop` became true.
        AgentError: the policy raised, or its control is none to drive with.
        SimulatorError: the simulator died or a frame did not arrive.
    """
    if not isinstance(policy, GuardedPolicy):
        policy = GuardedPolicy(as_policy(policy))
    policy.reset(drive.context())
    if policy.uses_traffic_manager:
        drive.use_autopilot()
    while True:
        for observer in observers:
            observer.on_step(drive, drive.control)
        if drive.is_over:
            return drive.score()
        if should_stop():
            raise Stopped
        with drive.setup.clock.stage("policy"):
            state = drive.state if policy.is_privileged else None
            chosen = policy.act(drive.observation, state)
        drive.step(chosen)
