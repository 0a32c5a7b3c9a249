"""Drives a kept episode again: the same plan, policy and cameras on a server of its own."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack, redirect_stdout, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from fusiondrive.errors import AgentError, ConfigError
from fusiondrive.types import Closing, Control
from harness.config import RunConfig
from harness.drive import Drive
from harness.env_config import env_of_run, server_of_run
from harness.guard import GuardedPolicy
from harness.messages import Driven
from harness.models import ModelFacts, build_policy, check_run
from harness.planning import PlannedEpisode, plan
from harness.probe import Engine
from harness.replay.kept import KeptEpisode
from harness.rollout import Observer, Stopped, rollout
from harness.simulation import Simulation
from harness.worker import Attempt, Records
from policies.base import close_policy
from scenarios.route_xml import town_name


@dataclass(frozen=True)
class Where:
    """A server that runs already; without a host one is started as for the run."""

    host: str | None = None
    port: int = 2000


class Redrive(Closing):
    """A kept episode, ready to be driven once more.

    Attributes:
        config: with which it is driven.
        planned: the episode as it is planned here.
        changes: what of its identity is not as it was, in words; empty where it is the same.
    """

    config: RunConfig
    planned: PlannedEpisode

    def __init__(self, kept: KeptEpisode, where: Where | None = None) -> None:
        """Load what drives and start the server.

        Raises:
            ConfigError: weights, files or the policy are not there any more, or there is no server
                for it.
            SimulatorError: the server does not start or answer.
        """
        self._owned = ExitStack()
        self.config, models = _first_that_runs(kept, where or Where())
        # What an agent prints is no part of what this command prints.
        with redirect_stdout(sys.stderr):
            policy = build_policy(self.config)
        self._owned.callback(close_policy, policy)
        self.policy = GuardedPolicy(policy, None, self.config.timeouts)
        try:
            server = server_of_run(self.config, town_name(self.config.town[0]))
            env = env_of_run(self.config, policy, server)
            self.simulation = self._owned.enter_context(Simulation(env))
            facts = self.simulation.describe(self.config.town[0])
            (self.planned,) = plan(self.config, models, facts)
        except BaseException:
            self.close()
            raise
        self.changes = _changes(kept, self.planned)

    def drive(
        self,
        observers: Sequence[Observer] = (),
        should_stop: Callable[[], bool] = lambda: False,
        *,
        out: Path | None = None,
        has_video: bool = False,
    ) -> Driven:
        """Drive the episode to its end, or until it is to stop.

        Args:
            observers: told of every step.
            should_stop: asked before every step.
            out: where the trace and the video go; None writes neither.
            has_video: whether there is to be a video.

        Raises:
            SimulatorError: the simulator died or did not answer.
            OutputError: the files cannot be written.
        """
        began_s, is_kept = time.monotonic(), out is not None
        wanted = {"out": out, "trace": is_kept, "video": is_kept and has_video, "show": False}
        drive = self.simulation.begin(self.planned.spec)
        config = self.config.model_copy(update=wanted)
        with Records(config, self.planned.task, self.policy) as records:
            attempt = Attempt(drive, records, began_s)
            try:
                with redirect_stdout(sys.stderr), suppress(Stopped):
                    rollout(
                        drive,
                        self.policy,
                        observers=(*records.observers, *observers),
                        should_stop=should_stop,
                    )
                    self.policy.finish()
            except AgentError as err:
                return attempt.failed(err, traceback.format_exc())
            return attempt.ended()

    def close(self) -> None:
        """Stop the server; may be called twice."""
        self._owned.close()


class StepBar(Closing):
    """Progress of a drive on stderr; the row knows how many steps there are to be."""

    def __init__(self, kept: KeptEpisode) -> None:
        self._bar = tqdm(total=kept.row.steps, unit="step", leave=False, disable=None)

    def on_step(self, drive: Drive, control: Control) -> None:
        """Move on by a step."""
        self._bar.update(drive.steps - self._bar.n)

    def close(self) -> None:
        """End the line."""
        self._bar.close()


def _first_that_runs(kept: KeptEpisode, where: Where) -> tuple[RunConfig, ModelFacts]:
    """The configuration whose weights are those of the row, else the likeliest, with its models."""
    found: list[tuple[RunConfig, ModelFacts]] = []
    problem: ConfigError | None = None
    for config in (_served(item, kept, where) for item in kept.configs):
        try:
            models = check_run(config)
        except ConfigError as err:
            problem = problem or err
            continue
        found.append((config, models))
        arms = [made.weights for made in models.arms.values()]
        if (models.policy_weights, arms) == (kept.row.policy_weights, [kept.row.fuser_weights]):
            return found[-1]
    if not found:
        assert problem is not None  # there is always a configuration
        raise problem
    return found[0]


def _served(config: RunConfig, kept: KeptEpisode, where: Where) -> RunConfig:
    """The configuration with the server on which it is driven here."""
    if where.host is not None:
        there = {"backend": "external", "host": where.host, "port": where.port, "maps": None}
        return config.model_copy(update=there)
    if config.backend == "docker":
        return config
    engine = kept.row.backend
    if engine != Engine.EMBEDDED:
        raise ConfigError(
            f"episode {kept.name} was drawn by '{engine}', and no such server is started here; "
            "start one and give --host and --port"
        )
    return config.model_copy(update={"backend": "embedded", "port": None})


def _changes(kept: KeptEpisode, planned: PlannedEpisode) -> str:
    """What of the identity is not as it was; empty where all is."""
    now = asdict(planned.identity)
    before = {name: getattr(kept.row, name) for name in now}
    if planned.digest == kept.row.identity:
        return ""
    return "; ".join(
        f"{name} was '{before[name]}', is '{now[name]}'"
        for name in now
        if now[name] != before[name]
    )
