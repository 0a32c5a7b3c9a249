"""The closed loop, as short as it is: a policy drives an environment to the end of an episode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from fusiondrive.types import Control
from harness.env import CarlaDrivingEnv
from harness.guard import GuardedPolicy
from harness.scoring import Score
from policies.base import Policy
from scenarios.spec import EpisodeSpec


class Stopped(Exception):
    """The rollout was asked to end before its episode did."""


class Observer(Protocol):
    """Watches the steps of an episode; changes nothing."""

    def on_step(self, env: CarlaDrivingEnv, control: Control) -> None:
        """Called after every step, and once before the first with a neutral control."""


def rollout(
    env: CarlaDrivingEnv,
    policy: Policy,
    spec: EpisodeSpec,
    *,
    observers: tuple[Observer, ...] = (),
    should_stop: Callable[[], bool] = lambda: False,
) -> Score:
    """Drive one episode.

    Raises:
        Stopped: `should_stop` became true.
        AgentError: the policy raised, or its control is none to drive with.
        SimulatorError: the simulator died or a frame did not arrive.
    """
    env.reset(seed=spec.seed, options={"spec": spec})
    if not isinstance(policy, GuardedPolicy):
        policy = GuardedPolicy(policy)
    policy.reset(env.context())
    if getattr(policy, "uses_traffic_manager", False):
        env.use_autopilot()
    control, is_over = Control(), False
    while True:
        for observer in observers:
            observer.on_step(env, control)
        if is_over:
            return env.score()
        if should_stop():
            raise Stopped
        control = policy.act(env.observation(), env.state if policy.is_privileged else None)
        _, _, terminated, truncated, _ = env.drive_on(control)
        is_over = terminated or truncated
