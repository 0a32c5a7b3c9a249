"""Episodes to rows: plans them town by town, hands them to slots, retries what broke."""

from __future__ import annotations

import logging
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from multiprocessing.connection import wait
from pathlib import Path

from fusiondrive.errors import AgentError, ConfigError, FusionDriveError, SimulatorError
from fusiondrive.provenance import source_commit
from fusiondrive.types import Closing
from harness.benchmark_lock import Lock, parts_of_town
from harness.messages import Describe, Driven, DriveTask, Failed, TownFacts
from harness.models import Part, warn_of_look, warn_of_thermal_look
from harness.outline import outline
from harness.planning import PlannedEpisode, choose_routes, plan_town
from harness.progress import Progress
from harness.route_facts import about_routes, range_in
from harness.rows import driven_row, error_row
from harness.scoring import NOTHING_DRIVEN, Outcome
from harness.slot import Assignment, Slot
from results.hazards import HazardRow
from results.row import EpisodeRow
from results.store import RowStore
from scenarios.generate import FRESH_SEED
from scenarios.route_files import is_random_town
from scenarios.route_xml import town_name

logger = logging.getLogger(__name__)

POLL_S = 0.5
SLOW_START_S = 6.0


class Runner(Closing):
    """Drives a run to its end; a context manager that leaves no process behind."""

    def __init__(self, parts: Sequence[Part], store: RowStore, lock: Lock | None = None) -> None:
        """Nothing is started yet.

        Args:
            parts: configurations of the run, of which the first says where and how it is driven.
            store: where its rows go.
            lock: of the frozen benchmark that it is.
        """
        configs = [part.config for part in parts]
        self._parts = tuple(parts)
        self._config = configs[0]
        self._store = store
        self._lock = lock
        self._commit = source_commit()
        self._slots = [Slot(configs, number) for number in range(self._config.workers)]
        self._has_explained = False
        self._has_warned = False

    def run(self) -> None:
        """Drive what is not done yet.

        Raises:
            ConfigError: the server refused a name or a map.
            SimulatorError: no server could be brought to answer.
        """
        lines = outline([part.config for part in self._parts])
        expected = Counter({line.town: 0 for line in lines})
        for line in lines:
            expected[line.town] += len(line.drives)
        with Progress(expected.total()) as progress:
            for town, count in expected.items():
                episodes = self._plan(town, progress)
                progress.total += len(episodes) - count
                done = self._store.done()
                todo = [episode for episode in episodes if episode.digest not in done]
                progress.skip(len(episodes) - len(todo))
                self._drive(todo, progress)

    def _plan(self, town: str, progress: Progress) -> list[PlannedEpisode]:
        """Ask a server for a town, once for each route file, and plan what is driven there."""
        parts = [part for part in self._parts if town in map(town_name, part.config.town)]
        by_file: dict[Path | None, TownFacts] = {}
        for part in parts:
            config = part.config
            if config.route_file not in by_file:
                facts = by_file[config.route_file] = self._describe(town, part.number, progress)
                for line in about_routes(choose_routes(facts.routes, config), config):
                    progress.write(line)
        facts = next(iter(by_file.values()))
        if self._lock is not None:
            self._lock.check(parts_of_town([part.config for part in parts], facts))
        if not self._has_warned:
            self._has_warned = True
            for models in {id(part.models): part.models for part in self._parts}.values():
                warn_of_look(models, facts.look)
                warn_of_thermal_look(models)
        if is_random_town(town) and None in by_file:
            progress.write(f"{town}: its routes were made with seed {FRESH_SEED}")
        return plan_town(parts, {part.number: by_file[part.config.route_file] for part in parts})

    def close(self) -> None:
        """End all slots; a second Ctrl-C does not disturb it."""
        with _undisturbed():
            for slot in self._slots:
                slot.shut_down()

    def _describe(self, town: str, part: int, progress: Progress) -> TownFacts:
        found: list[TownFacts] = []

        def keep(assignment: Assignment, answer: object, slot: Slot) -> None:
            if isinstance(answer, TownFacts):
                found.append(answer)
            else:
                raise _as_error(answer)

        self._work_off([Assignment(Describe(town, part))], keep, progress, self._slots[:1])
        return found[0]

    def _drive(self, episodes: Sequence[PlannedEpisode], progress: Progress) -> None:
        by_name = {episode.name: episode for episode in episodes}

        def keep(assignment: Assignment, answer: object, slot: Slot) -> None:
            assert isinstance(assignment.task, DriveTask)  # nothing else was handed out
            answer = _blamed(assignment, answer, slot)
            self._keep_trace(assignment.task.name, answer)
            row = self._row(by_name[assignment.task.name], assignment, answer, slot)
            hazards = answer.score.hazards or () if isinstance(answer, Driven) else ()
            self._store.append_driven(row, [HazardRow(row.identity, record) for record in hazards])
            spec = assignment.task.spec
            progress.finish(f"{spec.route_id} {spec.arm}: {row.outcome}")

        assignments = [Assignment(episode.task) for episode in episodes]
        self._work_off(assignments, keep, progress, self._slots)

    def _row(
        self, episode: PlannedEpisode, assignment: Assignment, answer: object, slot: Slot
    ) -> EpisodeRow:
        finished = datetime.now(timezone.utc).isoformat(timespec="seconds")
        if isinstance(answer, Driven):
            row = driven_row(
                episode.identity,
                answer,
                route_length_m=episode.route.length_m,
                fuser_label=episode.fuser_label,
                attempts=assignment.attempts + 1,
                server_rss_mb=slot.server_rss_mb(),
                finished=finished,
            )
        else:
            row = error_row(
                episode.identity,
                str(_as_error(answer)),
                route_length_m=episode.route.length_m,
                fuser_label=episode.fuser_label,
                attempts=assignment.attempts + 1,
                finished=finished,
            )
        logger.info("%s: %s", episode.name, row.outcome)
        return replace(
            row,
            arm=episode.spec.arm,
            unserved=episode.route.unserved_text,
            route_notes="; ".join(episode.route.notes),
            commit=self._commit,
            benchmark="" if self._lock is None else self._lock.label,
            range_m=range_in(episode.spec.weather, episode.route),
        )

    def _keep_trace(self, name: str, answer: object) -> None:
        """Write the traceback of a failure beside the rows."""
        trace = answer.trace if isinstance(answer, (Driven, Failed)) else ""
        if trace:
            path = self._config.directory / "errors" / f"{name}.txt"
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(trace, encoding="utf-8")
            except OSError as err:
                raise ConfigError(f"cannot write {path}: {err.strerror}") from err

    def _work_off(
        self,
        assignments: Sequence[Assignment],
        keep: Callable[[Assignment, object, Slot], None],
        progress: Progress,
        slots: Sequence[Slot],
    ) -> None:
        """Hand assignments out, retry those that the machine broke, pass final answers on."""
        waiting = deque(assignments)
        while waiting or any(slot.assignment for slot in slots):
            for slot in slots:
                if slot.assignment is None and waiting:
                    slot.give(waiting.popleft())
            wait([item for slot in slots for item in slot.waitables()], POLL_S)
            for slot in slots:
                self._explain_slow_start(slot, progress)
                answer = slot.poll()
                if answer is None or slot.assignment is None:
                    continue
                assignment, slot.assignment = slot.assignment, None
                retry = self._judge_answer(assignment, answer, slot)
                if retry is None:
                    keep(assignment, answer, slot)
                else:
                    waiting.appendleft(retry)

    def _judge_answer(
        self, assignment: Assignment, answer: object, slot: Slot
    ) -> Assignment | None:
        """The assignment to try again on a fresh server; None where the answer is final."""
        error = _failure_of(answer)
        is_drive = isinstance(assignment.task, DriveTask)
        if isinstance(answer, Driven) and answer.error:
            logger.warning(
                "%s: %s: %s", _label(assignment), answer.score.outcome.value, answer.error
            )
            slot.replace_worker()
        if error is None:
            return None
        if isinstance(answer, Failed):
            logger.debug("%s", answer.trace)
        was_ready = slot.is_ready
        if isinstance(error, AgentError) and is_drive:
            logger.warning("%s: agent_error: %s", _label(assignment), error)
            slot.shut_down()
            return None
        if isinstance(error, FusionDriveError) and not isinstance(error, SimulatorError):
            raise error
        if not isinstance(error, SimulatorError):
            slot.shut_down()
            logger.warning("%s failed: %s", _label(assignment), error)
            return None  # a fault of ours or of a plug-in: the same again would not help
        logger.warning("%s, attempt %d: %s", _label(assignment), assignment.attempts + 1, error)
        slot.shut_down()  # takes seconds where the server hangs: it was said before
        if assignment.attempts < self._config.retries:
            return assignment.again(error)
        if not was_ready and not assignment.is_agents_fault(error):
            raise error  # no server comes up at all: the next episode would fare no better
        return None

    def _explain_slow_start(self, slot: Slot, progress: Progress) -> None:
        is_slow = slot.assignment is not None and not slot.is_ready and slot.waited_s > SLOW_START_S
        if is_slow and not self._has_explained and self._config.backend == "embedded":
            self._has_explained = True
            progress.write(
                "starting the simulator; its first start compiles the renderer, about a minute"
            )


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore Ctrl-C and SIGTERM for a while; only a main thread has handlers to change."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _failure_of(answer: object) -> FusionDriveError | str | None:
    if isinstance(answer, Failed):
        return answer.error
    return answer if isinstance(answer, FusionDriveError) else None


def _as_error(answer: object) -> FusionDriveError:
    error = _failure_of(answer)
    return error if isinstance(error, FusionDriveError) else ConfigError(str(error))


def _blamed(assignment: Assignment, answer: object, slot: Slot) -> object:
    """The answer; as a failed drive where no worker could give one and the agent is to blame."""
    error = _failure_of(answer)
    if not isinstance(error, AgentError) and not assignment.is_agents_fault(error):
        return answer
    driven = slot.so_far or Driven(NOTHING_DRIVEN, 0, 0, 0, 0.0, None)
    score = replace(driven.score, outcome=Outcome.AGENT_ERROR)
    tries = f", in each of {assignment.attempts + 1} tries" if assignment.attempts else ""
    trace = answer.trace if isinstance(answer, Failed) else ""
    return replace(driven, score=score, error=f"{error}{tries}", trace=trace)


def _label(assignment: Assignment) -> str:
    return (
        f"loading {assignment.town}"
        if isinstance(assignment.task, Describe)
        else assignment.task.name
    )
