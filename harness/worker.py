"""The process that drives: a client, an environment and a policy, told by the runner what to do.

It is a process of its own because the client library can abort or hang; the runner outlives both.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from harness.checks import driver
from harness.config import RunConfig
from harness.env import CarlaDrivingEnv, EnvConfig
from harness.errors import FusionDriveError
from harness.recorder import VideoRecorder, Window
from harness.rollout import Observer, Stopped, rollout
from harness.route_facts import RouteFacts, route_facts
from harness.scoring import Score
from harness.server import ExternalServer, ServerSpec, await_ready, process_rss_mb
from harness.trace import TraceRecorder
from harness.types import Control
from policies.base import Policy, camera_of, close_policy, sensors_of
from scenarios.spec import EpisodeSpec

logger = logging.getLogger(__name__)

REPORT_EVERY = 10  # steps


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker knows from its start."""

    config: RunConfig
    host: str
    port: int
    start_timeout_s: float
    log_file: Path


@dataclass(frozen=True)
class Describe:
    """Ask: load a town and say what can be driven there."""

    town: str


@dataclass(frozen=True)
class DriveTask:
    """Ask: drive an episode and keep records under this name."""

    spec: EpisodeSpec
    name: str


@dataclass(frozen=True)
class TownFacts:
    """What a server says of a town."""

    town: str
    map: str
    engine: str
    look: int | None  # None where the engine has no version of its look
    version: str
    routes: tuple[RouteFacts, ...]


@dataclass(frozen=True)
class Driven:
    """An episode that came to its end."""

    score: Score
    steps: int
    vehicles: int
    walkers: int
    wall_seconds: float
    rss_mb: float | None


@dataclass(frozen=True)
class Ready:
    """The server answers."""


@dataclass(frozen=True)
class StillDriving:
    """A sign of life."""

    completion: float


@dataclass(frozen=True)
class Failed:
    """The task did not end; a `FusionDriveError` travels as such, anything else as its text."""

    error: FusionDriveError | str
    trace: str


def work(setup: WorkerSetup, connection: Connection) -> None:
    """Entry point of the process: obey until the runner hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the runner's to handle
    _log_to(setup.log_file, setup.config.log_level)
    worker = _Worker(setup, connection)
    try:
        worker.serve()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        logger.info("the runner is gone")
    finally:
        worker.close()


class _Worker:
    def __init__(self, setup: WorkerSetup, connection: Connection) -> None:
        self._setup = setup
        self._connection = connection
        self._env: CarlaDrivingEnv | None = None
        self._policy: Policy | None = None

    def serve(self) -> None:
        """Answer one request at a time; None ends it."""
        while (task := self._connection.recv()) is not None:
            try:
                answer = self._answer(task)
            except Stopped:
                return
            except FusionDriveError as err:
                answer = Failed(err, traceback.format_exc())
            except Exception as err:  # the failure boundary: it becomes a row and a traceback
                answer = Failed(f"{type(err).__name__}: {err}", traceback.format_exc())
            self._connection.send(answer)

    def _answer(self, task: Describe | DriveTask) -> TownFacts | Driven | Failed:
        return self._describe(task) if isinstance(task, Describe) else self._drive(task)

    def close(self) -> None:
        """Leave the server as it was."""
        if self._env is not None:
            self._env.close()
        close_policy(self._policy)

    def _environment(self) -> CarlaDrivingEnv:
        if self._env is None:
            setup, config = self._setup, self._setup.config
            spec = ServerSpec(backend="external", host=setup.host, port=setup.port)
            await_ready(ExternalServer(spec), setup.start_timeout_s)
            self._connection.send(Ready())
            policy = self._driver()
            self._env = CarlaDrivingEnv(
                EnvConfig(
                    server=spec,
                    camera=camera_of(policy),
                    sensors=sensors_of(policy),
                    fuser_weights=config.fuser_weights,
                    route_file=config.route_file,
                    timeouts=config.timeouts,
                )
            )
        return self._env

    def _driver(self) -> Policy:
        if self._policy is None:
            config = self._setup.config
            self._policy = driver(config)
        return self._policy

    def _describe(self, task: Describe) -> TownFacts:
        env = self._environment()
        town = env.town(task.town)
        specs = town.route_specs(self._setup.config.route_file)
        return TownFacts(
            town=town.name,
            map=town.identity,
            engine=env.session.engine.value,
            look=env.session.look,
            version=env.session.version,
            routes=tuple(route_facts(spec, town.route(spec)) for spec in specs),
        )

    def _drive(self, task: DriveTask) -> Driven:
        env, config = self._environment(), self._setup.config
        policy = self._driver()
        began = time.monotonic()
        trace = TraceRecorder() if config.trace else None
        video = VideoRecorder(config.directory / "videos" / f"{task.name}.mp4")
        observers: list[Observer] = [_LifeSign(self._connection)]
        if trace is not None:
            observers.append(trace)
        if config.video:
            observers.append(video)
        if config.show:
            observers.append(Window())
        with video:
            score = rollout(
                env,
                policy,
                task.spec,
                observers=tuple(observers),
                should_stop=self._should_stop,
            )
            video.finish(score.outcome.value)
        if trace is not None:
            trace.write(config.directory / "traces" / f"{task.name}.parquet")
        return Driven(
            score=score,
            steps=env.steps,
            vehicles=env.drive.placed[0],
            walkers=env.drive.placed[1],
            wall_seconds=time.monotonic() - began,
            rss_mb=process_rss_mb(os.getpid()),
        )

    def _should_stop(self) -> bool:
        """The runner only writes while a task is under way to end it, or has hung up."""
        return self._connection.poll()


class _LifeSign:
    """Tells the runner every second of simulated time that the drive goes on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def on_step(self, env: CarlaDrivingEnv, control: Control) -> None:
        """Report now and then."""
        if env.steps % REPORT_EVERY == 0:
            self._connection.send(StillDriving(env.progress.completion))


def _log_to(path: Path, level: str) -> None:
    """Send this process's output, the C++ client's included, to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(target, stream.fileno())
    os.close(target)
    layout = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=level.upper(), format=layout)
