"""One place of work of a runner: a server with the process that drives on it."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from fusiondrive.errors import AgentError, FusionDriveError, SimulatorError
from harness.config import RunConfig
from harness.env_config import server_of_run
from harness.guard import AgentClock
from harness.messages import Driven, Ready, StillDriving
from harness.place import AgentDeath, Assignment, Place
from harness.probe import check_version
from harness.server import Server, ServerSpec, make_server
from harness.worker import WorkerSetup, work

logger = logging.getLogger(__name__)

STOP_WAIT_S = 10.0
ANSWER_WAIT_S = 2.0  # of a server that is asked whether it hangs
SLACK_S = 30.0


class Slot:
    """Starts server and worker for its first assignment, and anew after every `shut_down`."""

    def __init__(self, configs: Sequence[RunConfig], number: int, logs: Path | None = None) -> None:
        """Nothing is started yet.

        Args:
            configs: the parts of the run.
            number: of the slot among those of the run, by which it has its server.
            logs: folder for the logs of its processes; default: `logs` in the run's.
        """
        self.number = number
        self.assignment: Assignment | None = None
        self.server: Server | None = None
        self.is_ready = False
        self.so_far: Driven | None = None  # of the assignment, by the last sign of life
        self._configs = tuple(configs)
        self._config = configs[0]
        self._logs = configs[0].directory / "logs" if logs is None else logs
        self._starts = 0  # of servers
        self._workers = 0
        self._clock = AgentClock()
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None
        self._heard_s = 0.0
        self._silence_s = 0.0

    def give(self, assignment: Assignment) -> None:
        """Hand an assignment over; the answer comes from `poll`.

        Raises:
            FusionDriveError: the server cannot be started.
        """
        if self.server is None:
            self._start_server(assignment.town)
        if self._process is None:
            self._start_worker()
        assert self._connection is not None  # _start_worker has made it
        self.assignment, self.so_far = assignment, None
        self._hear()
        timeouts = self._config.timeouts
        self._silence_s = timeouts.load_s + 2.0 * timeouts.first_tick_s + SLACK_S
        if not self.is_ready:
            self._silence_s += timeouts.server_start_s
        try:
            self._connection.send(assignment.task)
        except OSError:
            logger.debug("worker %d was gone before its task came", self.number)

    def prepare(self) -> bool:
        """Whether it has no assignment; what the first one takes is started when it is given."""
        return self.assignment is None

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
        """The worker's answer to the assignment, or why none will come; None while it works."""
        answer = self._receive()
        if answer is None and self.assignment is not None:
            death = self._death()
            # It may have answered and died since we looked.
            answer = death if death is None else self._receive() or death
        return answer

    def server_rss_mb(self) -> float | None:
        """Resident memory of the server."""
        return None if self.server is None else self.server.rss_mb()

    def shut_down(self) -> None:
        """End worker and server; may be called twice."""
        self._end_worker()
        server, self.server = self.server, None
        if server is not None:
            server.stop()

    def replace_worker(self) -> None:
        """Give the next assignment a fresh process, whatever the agent has done to this one."""
        has_left_in_order = self._end_worker()
        if not has_left_in_order:
            self.shut_down()  # its car may stand around, and the clock may stand still

    def _end_worker(self) -> bool:
        """End the process; whether it has left the server as it was."""
        process, self._process = self._process, None
        connection, self._connection = self._connection, None
        is_ready, self.is_ready = self.is_ready, False
        if connection is None or process is None:
            return True
        # Only a driving worker has anything to give back, and only to a server that takes it: while
        # it waits for one that hangs, nobody looks after the other slots.
        is_graceful = is_ready and _answers(self.server)
        _end_process(process, connection, is_graceful=is_graceful)
        return is_graceful and process.exitcode == 0

    def _start_server(self, town: str) -> None:
        self._starts += 1
        log_file = self._logs / f"server-{self.number}-{self._starts}.log"
        self.server = make_server(self._server_spec(town, log_file))
        self.server.start()

    def _start_worker(self) -> None:
        assert self.server is not None  # it was started first
        self._workers += 1
        config, timeouts = self._config, self._config.timeouts
        is_first_contact = config.backend == "external" and self._workers == 1
        self._clock = AgentClock()  # a killed process leaves its turn open
        setup = WorkerSetup(
            configs=self._configs,
            host=self.server.host,
            port=self.server.port,
            start_timeout_s=timeouts.connect_s if is_first_contact else timeouts.server_start_s,
            log_file=self._logs / f"worker-{self.number}-{self._workers}.log",
            clock=self._clock,
        )
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        # No daemon, for those may have no children, and agents like to start some.
        process = context.Process(target=work, args=(setup, theirs), daemon=False)
        process.start()
        self._process = process
        theirs.close()

    def _server_spec(self, town: str, log_file: Path) -> ServerSpec:
        return server_of_run(self._config, town, number=self.number, log_file=log_file)

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
                    self.so_far = message.so_far
                    timeouts = self._config.timeouts
                    self._silence_s = timeouts.tick_s + timeouts.frame_s + SLACK_S
                else:
                    return message
        except (EOFError, OSError):
            return None  # the process's death is reported by `_death`
        return None

    def _death(self) -> FusionDriveError | None:
        assert self.server is not None  # a slot with an assignment has one
        assert self._process is not None  # likewise
        failure, clock = self.server.failure(), self._clock
        if failure is not None:
            return failure
        if not self._process.is_alive():
            code = self._process.exitcode or 0
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            text = f"the driving process died ({how})"
            return (
                AgentDeath(f"{text} in the agent's code")
                if clock.is_running
                else (SimulatorError(text))
            )
        if clock.is_running:
            if clock.overrun_s > SLACK_S:  # the worker itself notices all but native code
                return AgentError(f"no answer within {clock.limit_s:g} s (native code)")
            return None
        silent_s = time.monotonic() - max(self._heard_s, clock.left_s)
        if silent_s > self._silence_s:
            return SimulatorError(f"the driving process gave no sign of life for {silent_s:.0f} s")
        return None


def _answers(server: Server | None) -> bool:
    """Whether a server lives and does not hang."""
    if server is None or server.failure() is not None:
        return False
    try:
        check_version(server.host, server.port, ANSWER_WAIT_S)
    except FusionDriveError as err:
        logger.debug("the server does not answer: %s", err)
        return False
    return True


class Slots:
    """The slots of a run that is driven on this machine."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._slots = tuple(slots)

    @property
    def all(self) -> Sequence[Slot]:
        """The slots, in the order of their numbers."""
        return self._slots

    def wait(self, places: Sequence[Place], timeout_s: float) -> None:
        """Sleep until a process of one of the slots says something or ends."""
        numbers = {place.number for place in places}
        slots = [slot for slot in self._slots if slot.number in numbers]
        wait([item for slot in slots for item in slot.waitables()], timeout_s)

    def close(self) -> None:
        """End all servers and workers; may be called twice."""
        for slot in self._slots:
            slot.shut_down()


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
