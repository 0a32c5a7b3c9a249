"""The process that drives: a client, an environment and a policy, told by the runner what to do.

It is a process of its own because the client library can abort or hang; the runner outlives both.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

from fusiondrive.errors import AgentError, FusionDriveError, SimulatorError
from fusiondrive.files import of_disk, unwritable
from fusiondrive.types import Closing, Control
from harness.config import RunConfig, anchored
from harness.drive import Drive
from harness.env_config import env_of_run
from harness.guard import AgentClock, GuardedPolicy, TurnWatch, guarded
from harness.messages import (
    Describe,
    Driven,
    DriveTask,
    Failed,
    Ready,
    StillDriving,
    TownFacts,
)
from harness.models import build_policy, policy_key
from harness.probe import check_version
from harness.recorder import VideoRecorder, Window
from harness.rollout import Observer, Stopped, rollout
from harness.scoring import Outcome
from harness.server import ExternalServer, ServerSpec, await_ready, process_rss_mb
from harness.simulation import Simulation
from harness.trace import TraceRecorder
from policies.base import Policy, close_policy
from policies.faults import reason
from results.run_folder import TRACES, VIDEOS

logger = logging.getLogger(__name__)

REPORT_EVERY = 10  # steps


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker knows from its start."""

    configs: tuple[RunConfig, ...]  # the parts of the run
    host: str
    port: int
    start_timeout_s: float
    log_file: Path
    clock: AgentClock

    @property
    def config(self) -> RunConfig:
        """What is the same for all parts: where and how the run is driven."""
        return self.configs[0]


def work(setup: WorkerSetup, connection: Connection) -> None:
    """Entry point of the process: obey until the runner hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the runner's to handle
    try:
        _log_to(setup.log_file, setup.config.log_level)
    except OSError as err:
        connection.send(Failed(unwritable(setup.log_file, err), traceback.format_exc()))
        return
    worker = _Worker(replace(setup, configs=tuple(map(anchored, setup.configs))), connection)
    try:
        worker.serve()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        logger.info("the runner is gone")
    finally:
        worker.close()


class _RunnersServer(ExternalServer):
    """The server that the runner has started, awaited for as long as there is a runner."""

    def __init__(self, spec: ServerSpec, should_stop: Callable[[], bool]) -> None:
        super().__init__(spec)
        self._should_stop = should_stop

    def failure(self) -> FusionDriveError | None:
        """Why it is awaited no longer."""
        if self._should_stop():
            return SimulatorError("the runner waits for the server no longer")
        return super().failure()


class _Worker:
    def __init__(self, setup: WorkerSetup, connection: Connection) -> None:
        self._setup = setup
        self._connection = connection
        self._simulation: Simulation | None = None
        self._policy: Policy | None = None
        self._policy_of: RunConfig | None = None
        self._folder = Path.cwd()
        self._under_way: Attempt | None = None
        self._watch = TurnWatch(setup.clock, self._give_up)
        self._window = Window()  # opens with the first step that is shown

    def serve(self) -> None:
        """Answer one request at a time; None ends it."""
        while (task := self._connection.recv()) is not None:
            try:
                answer = self._answer(task)
            except Stopped:
                return
            except FusionDriveError as err:
                answer = Failed(err, traceback.format_exc())
            except OSError as err:  # such as a log that has no more room for a plug-in's words
                reason = of_disk(err) or f"{type(err).__name__}: {err}"
                answer = Failed(reason, traceback.format_exc())
            except Exception as err:  # the failure boundary: it becomes a row and a traceback
                answer = Failed(f"{type(err).__name__}: {err}", traceback.format_exc())
            self._connection.send(answer)

    def close(self) -> None:
        """Leave the server as it was."""
        if self._simulation is not None:
            self._simulation.close()
        self._window.close()
        close_policy(self._policy)

    def _answer(self, task: Describe | DriveTask) -> TownFacts | Driven | Failed:
        if isinstance(task, Describe):
            return self._connected(self._setup.configs[task.part]).describe(task.town)
        return self._drive(task)

    def _give_up(self, error: AgentError, trace: str) -> None:
        """Answer in place of the thread that hangs in the agent's code, and end the process."""
        code = 1
        try:
            attempt = self._under_way
            answer = Failed(error, trace) if attempt is None else attempt.failed(error, trace)
            self._connection.send(answer)
            if self._simulation is not None:
                self._simulation.close()
            code = 0
        finally:
            os._exit(code)

    def _connected(self, config: RunConfig) -> Simulation:
        """The simulation with the cameras and settings of a part."""
        setup = self._setup
        spec = ServerSpec(backend="external", host=setup.host, port=setup.port)
        if self._simulation is None:
            await_ready(_RunnersServer(spec, self._should_stop), setup.start_timeout_s)
            self._connection.send(Ready())
        policy = self._built(config)
        settings = env_of_run(config, policy, spec)
        if self._simulation is None:
            self._simulation = Simulation(settings)
        self._simulation.change(settings)
        return self._simulation

    def _built(self, config: RunConfig) -> Policy:
        """The policy; it was built once before the run began, so that its failure is its own."""
        if self._policy is not None and self._policy_of is not None:
            if policy_key(config) == policy_key(self._policy_of):
                return self._policy
            policy, self._policy = self._policy, None
            close_policy(policy)
            os.chdir(self._folder)  # where relative paths of the next one begin
        try:
            limit_s = config.timeouts.agent_setup_s
            self._policy = guarded(lambda: build_policy(config), self._watch, limit_s)
        except FusionDriveError as err:
            raise AgentError(str(err)) from err
        self._policy_of = config
        return self._policy

    def _drive(self, task: DriveTask) -> Driven:
        config = self._setup.configs[task.part]
        simulation = self._connected(config)
        policy = GuardedPolicy(self._built(config), self._watch, config.timeouts)
        began_s = time.monotonic()
        drive = simulation.begin(task.spec)
        window = self._window if config.show else None
        with Records(config, task, policy, window) as records:
            self._under_way = attempt = Attempt(drive, records, began_s)
            observers = (_LifeSign(self._connection, attempt), *records.observers)
            try:
                rollout(drive, policy, observers=observers, should_stop=self._should_stop)
                policy.finish()
            except AgentError as err:
                self._check_server()
                return attempt.failed(err, traceback.format_exc())
            except KeyboardInterrupt as err:  # Ctrl-C is ignored here: the agent has raised it
                return attempt.failed(AgentError(reason(err)), traceback.format_exc())
            finally:
                self._under_way = None
            return attempt.ended()

    def _check_server(self) -> None:
        """What an agent raises while the server dies is not the agent's fault.

        Raises:
            SimulatorError: the server does not answer.
        """
        setup = self._setup
        check_version(setup.host, setup.port, setup.config.timeouts.connect_s)

    def _should_stop(self) -> bool:
        """The runner only writes while a task is under way to end it, or has hung up."""
        return self._connection.poll()


class Records(Closing):
    """What is kept of a drive beside its row, and shown of it."""

    def __init__(
        self,
        config: RunConfig,
        task: DriveTask,
        policy: Policy | None = None,
        window: Window | None = None,
    ) -> None:
        self._trace_file = config.directory / TRACES / f"{task.name}.parquet"
        self._trace = TraceRecorder(task.identity, policy) if config.trace else None
        self._video = VideoRecorder(config.directory / VIDEOS / f"{task.name}.mp4")
        video = self._video if config.video else None
        wanted: tuple[Observer | None, ...] = (self._trace, video, window)
        self.observers = tuple(observer for observer in wanted if observer is not None)

    def keep(self, outcome: Outcome) -> None:
        """Write the files of a drive that has ended."""
        self._video.finish(outcome.value)
        if self._trace is not None:
            self._trace.write(self._trace_file)

    def close(self) -> None:
        """Remove what was not kept."""
        self._video.close()


class Attempt:
    """An episode under way: how far it has come, and how it ends."""

    def __init__(self, drive: Drive, records: Records, began_s: float) -> None:
        """Watch a drive.

        Args:
            drive: the episode.
            records: what is written when it has ended.
            began_s: monotonic time at which the episode was begun.
        """
        self._drive = drive
        self._records = records
        self._began_s = began_s

    def so_far(self) -> Driven:
        """What was driven up to now."""
        drive = self._drive
        return Driven(
            score=drive.score(),
            steps=drive.steps,
            vehicles=drive.placed[0],
            walkers=drive.placed[1],
            wall_seconds=time.monotonic() - self._began_s,
            rss_mb=process_rss_mb(os.getpid()),
        )

    def ended(self) -> Driven:
        """The drive at its end."""
        driven = self.so_far()
        self._records.keep(driven.score.outcome)
        return driven

    def failed(self, error: AgentError, trace: str) -> Driven:
        """The drive that the agent's failure ends; one that was at its goal stays a success."""
        driven, text = self.so_far(), str(error)
        is_at_goal = driven.score.outcome is Outcome.SUCCESS and not self._drive.is_over
        if is_at_goal:  # the metres beyond the goal measure how near it comes, and nothing else
            text = f"after the goal: {text}"
        else:
            score = replace(driven.score, outcome=Outcome.AGENT_ERROR)
            driven = replace(driven, score=score)
        self._records.keep(driven.score.outcome)
        return replace(driven, error=text, trace=trace)


class _LifeSign:
    """Tells the runner every second of simulated time how far the drive has come."""

    def __init__(self, connection: Connection, attempt: Attempt) -> None:
        self._connection = connection
        self._attempt = attempt

    def on_step(self, drive: Drive, control: Control) -> None:
        """Report now and then."""
        if drive.steps % REPORT_EVERY == 0:
            self._connection.send(StillDriving(self._attempt.so_far()))


def _log_to(path: Path, level: str) -> None:
    """Send this process's output, the C++ client's included, to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(target, stream.fileno())
        if isinstance(stream, io.TextIOWrapper):  # an agent may print what the locale lacks
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    os.close(target)
    layout = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=level.upper(), format=layout)
