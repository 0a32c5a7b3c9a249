"""One place of work of a runner: a server with the process that drives on it."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from harness.checks import PORT_STRIDE
from harness.config import RunConfig
from harness.errors import FusionDriveError, SimulatorError
from harness.server import Server, ServerSpec, make_server
from harness.worker import Describe, DriveTask, Ready, StillDriving, WorkerSetup, work

logger = logging.getLogger(__name__)

STOP_WAIT_S = 10.0
SLACK_S = 30.0


@dataclass(frozen=True)
class Job:
    """A task with the number of times that it was tried already."""

    task: Describe | DriveTask
    attempts: int = 0

    @property
    def town(self) -> str:
        """Where it takes place."""
        return self.task.town if isinstance(self.task, Describe) else self.task.spec.town

    def again(self) -> Job:
        """The same after a failed try."""
        return replace(self, attempts=self.attempts + 1)


class Slot:
    """Starts server and worker for its first job, and anew after every `shut_down`."""

    def __init__(self, config: RunConfig, number: int) -> None:
        self.number = number
        self.job: Job | None = None
        self.server: Server | None = None
        self.is_ready = False
        self.completion = 0.0
        self._config = config
        self._starts = 0
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None
        self._heard_s = 0.0
        self._silence_s = 0.0

    def give(self, job: Job) -> None:
        """Hand a job over; the answer comes from `poll`.

        Raises:
            FusionDriveError: the server cannot be started.
        """
        if self._process is None:
            self._start(job.town)
        assert self._connection is not None  # _start has made it
        self.job, self.completion = job, 0.0
        self._hear()
        timeouts = self._config.timeouts
        self._silence_s = timeouts.load_s + 2.0 * timeouts.first_tick_s + SLACK_S
        if not self.is_ready:
            self._silence_s += timeouts.server_start_s
        try:
            self._connection.send(job.task)
        except OSError:
            logger.debug("worker %d was gone before its task came", self.number)

    @property
    def waited_s(self) -> float:
        """Wall-clock seconds since the worker was last heard."""
        return time.monotonic() - self._heard_s

    def waitables(self) -> list[Any]:
        """What `multiprocessing.connection.wait` should watch."""
        if self._process is None or self._connection is None:
            return []
        return [self._connection, self._process.sentinel]

    def poll(self) -> object | None:
        """The worker's answer to the job, or why none will come; None while it works."""
        answer = self._receive()
        if answer is None and self.job is not None:
            answer = self._death()
        return answer

    def server_rss_mb(self) -> float | None:
        """Resident memory of the server."""
        return None if self.server is None else self.server.rss_mb()

    def shut_down(self) -> None:
        """End worker and server; may be called twice."""
        process, self._process = self._process, None
        connection, self._connection = self._connection, None
        server, self.server = self.server, None
        is_ready, self.is_ready = self.is_ready, False
        # Only a driving worker has anything to give back, and only to a server that lives.
        is_graceful = is_ready and server is not None and server.failure() is None
        if connection is not None and process is not None:
            _end_process(process, connection, is_graceful=is_graceful)
        if server is not None:
            server.stop()

    def _start(self, town: str) -> None:
        self._starts += 1
        config = self._config
        log_dir = config.directory / "logs"
        name = f"{self.number}-{self._starts}"
        self.server = make_server(self._server_spec(town, log_dir / f"server-{name}.log"))
        self.server.start()
        is_first_contact = config.backend == "external" and self._starts == 1
        timeouts = config.timeouts
        setup = WorkerSetup(
            config=config,
            host=self.server.host,
            port=self.server.port,
            start_timeout_s=timeouts.connect_s if is_first_contact else timeouts.server_start_s,
            log_file=log_dir / f"worker-{name}.log",
        )
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        process = context.Process(target=work, args=(setup, theirs), daemon=True)
        process.start()
        self._process = process
        theirs.close()

    def _server_spec(self, town: str, log_file: Path) -> ServerSpec:
        config = self._config
        port = config.port
        if port is not None and config.backend != "external":
            port += PORT_STRIDE * self.number
        return ServerSpec(
            backend=config.backend,
            host=config.host,
            port=port,
            town=town,
            maps=config.maps,
            start_timeout_s=config.timeouts.server_start_s,
            connect_timeout_s=config.timeouts.connect_s,
            log_file=log_file,
        )

    def _hear(self) -> None:
        self._heard_s = time.monotonic()

    def _receive(self) -> object | None:
        """Messages in order; signs of life are noted and not passed on."""
        connection = self._connection
        try:
            while connection is not None and connection.poll():
                message: object = connection.recv()
                self._hear()
                if isinstance(message, Ready):
                    self.is_ready = True
                elif isinstance(message, StillDriving):
                    self.completion = message.completion
                    timeouts = self._config.timeouts
                    self._silence_s = timeouts.tick_s + timeouts.frame_s + SLACK_S
                else:
                    return message
        except (EOFError, OSError):
            return None  # the process's death is reported by `_death`
        return None

    def _death(self) -> FusionDriveError | None:
        assert self.server is not None  # a slot with a job has one
        assert self._process is not None  # likewise
        failure = self.server.failure()
        if failure is not None:
            return failure
        if not self._process.is_alive():
            code = self._process.exitcode or 0
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            return SimulatorError(f"the driving process died ({how})")
        silent_s = time.monotonic() - self._heard_s
        if silent_s > self._silence_s:
            return SimulatorError(f"the driving process gave no sign of life for {silent_s:.0f} s")
        return None


def _end_process(
    process: multiprocessing.process.BaseProcess, connection: Connection, *, is_graceful: bool
) -> None:
    """Ask the worker to restore the server and go; insist after a while."""
    if is_graceful and process.is_alive():
        try:
            connection.send(None)
            process.join(STOP_WAIT_S)
        except OSError:
            logger.debug("worker %s hung up first", process.pid)
    if process.is_alive():
        process.kill()
    process.join()
    connection.close()
