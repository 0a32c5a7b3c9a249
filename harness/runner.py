"""Episodes to rows: plans them town by town, hands them to places, retries what broke."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from fusiondrive.errors import AgentError, ConfigError, FusionDriveError, SimulatorError
from fusiondrive.provenance import source_commit
from fusiondrive.types import Closing
from harness.benchmark_lock import Lock, parts_of_town
from harness.config import RunConfig
from harness.messages import Describe, Driven, DriveTask, Failed, TownFacts
from harness.models import Part, warn_of_look, warn_of_thermal_look
from harness.outline import outline
from harness.place import Assignment, Place, Places
from harness.planning import PlannedEpisode, choose_routes, plan_town
from harness.progress import Progress
from harness.route_facts import about_routes
from harness.rows import RowMaker
from harness.scoring import NOTHING_DRIVEN, Outcome
from results.hazards import HazardRow
from results.row import EpisodeRow
from results.store import RowStore
from scenarios.generate import FRESH_SEED
from scenarios.route_files import is_random_town
from scenarios.route_xml import town_name

logger = logging.getLogger(__name__)

POLL_S = 0.5
SLOW_START_S = 6.0
FREE_PLACE_S = 600.0  # until one of the run's places can take an assignment


@dataclass(frozen=True)
class Run:
    """What is driven, and where its rows go."""

    parts: tuple[Part, ...]  # of which the first says where and how it is driven
    store: RowStore
    lock: Lock | None = None  # of the frozen benchmark that it is
    commit: str = field(default_factory=source_commit)  # of the source that drives it
    settled: frozenset[str] = frozenset()  # identities that are done, beside those in the store
    claim: Callable[[str], bool] = lambda digest: True  # whether an episode is this runner's
    on_plan: Callable[[str, Sequence[PlannedEpisode]], None] = lambda town, episodes: None
    progress: Callable[[int], Progress] = Progress  # made of the number of episodes

    @property
    def config(self) -> RunConfig:
        """What is the same for all parts."""
        return self.parts[0].config

    @property
    def rows(self) -> RowMaker:
        """Makes its rows, signed with source and frozen benchmark."""
        return RowMaker(self.commit, "" if self.lock is None else self.lock.label)


def expected_drives(parts: Sequence[Part]) -> Counter[str]:
    """How many drives files let expect in each town, in the run's order."""
    lines = outline([part.config for part in parts])
    expected = Counter({line.town: 0 for line in lines})
    for line in lines:
        expected[line.town] += len(line.drives)
    return expected


class Starvation:
    """How long nothing has been driven because no place was free."""

    def __init__(self) -> None:
        self._last_fed_s = time.monotonic()

    def look(self, *, is_fed: bool) -> None:
        """Note whether something is being driven.

        Raises:
            SimulatorError: nothing has been for too long.
        """
        now = time.monotonic()
        if is_fed:
            self._last_fed_s = now
        elif now - self._last_fed_s > FREE_PLACE_S:
            raise SimulatorError(
                f"waited {FREE_PLACE_S:.0f} s for a place to drive; none was free: are there "
                "nodes with as many free cores as a worker reserves?"
            )


class Runner(Closing):
    """Drives a run to its end; a context manager that leaves no process behind."""

    def __init__(self, run: Run, places: Places) -> None:
        """Nothing is started yet.

        Args:
            run: what is driven, and where its rows go.
            places: where it is driven; closed with the runner.
        """
        self._run = run
        self._parts = run.parts
        self._config = run.config
        self._store = run.store
        self._rows = run.rows
        self._places = places
        self._in_service = list(places.all)
        self._order: list[str] = []  # identities, as they are planned
        self._has_explained = False
        self._has_warned = False

    def run(self) -> None:
        """Drive what is not done yet.

        Raises:
            ConfigError: the server refused a name or a map.
            SimulatorError: no server could be brought to answer.
        """
        expected = expected_drives(self._parts)
        try:
            with self._run.progress(expected.total()) as progress:
                for town, count in expected.items():
                    episodes = self._plan(town, progress)
                    progress.total += len(episodes) - count
                    self._order += [episode.digest for episode in episodes]
                    self._run.on_plan(town, episodes)
                    done = self._store.done() | self._run.settled
                    todo = [episode for episode in episodes if episode.digest not in done]
                    progress.skip(len(episodes) - len(todo))
                    self._drive(todo, progress)
        finally:
            if len(self._places.all) > 1:  # rows came as they were finished
                self._store.arrange(self._order)

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
        if self._run.lock is not None:
            self._run.lock.check(parts_of_town([part.config for part in parts], facts))
        if not self._has_warned:
            self._has_warned = True
            for models in {id(part.models): part.models for part in self._parts}.values():
                warn_of_look(models, facts.look)
                warn_of_thermal_look(models)
        if is_random_town(town) and None in by_file:
            progress.write(f"{town}: its routes were made with seed {FRESH_SEED}")
        return plan_town(parts, {part.number: by_file[part.config.route_file] for part in parts})

    def close(self) -> None:
        """End all places; a second Ctrl-C does not disturb it."""
        with undisturbed():
            self._places.close()

    def _describe(self, town: str, part: int, progress: Progress) -> TownFacts:
        found: list[TownFacts] = []

        def keep(assignment: Assignment, answer: object, place: Place) -> None:
            if isinstance(answer, TownFacts):
                found.append(answer)
            else:
                raise _as_error(answer)

        self._work_off([Assignment(Describe(town, part))], keep, progress)
        return found[0]

    def _drive(self, episodes: Sequence[PlannedEpisode], progress: Progress) -> None:
        by_name = {episode.name: episode for episode in episodes}

        def keep(assignment: Assignment, answer: object, place: Place) -> None:
            assert isinstance(assignment.task, DriveTask)  # nothing else was handed out
            answer = _blamed(assignment, answer, place)
            self._keep_trace(assignment.task.name, answer)
            row = self._row(by_name[assignment.task.name], assignment, answer, place)
            hazards = answer.score.hazards or () if isinstance(answer, Driven) else ()
            self._store.append_driven(row, [HazardRow(row.identity, record) for record in hazards])
            spec = assignment.task.spec
            progress.finish(f"{spec.route_id} {spec.arm}: {row.outcome}")

        claimed = (
            Assignment(episode.task) for episode in episodes if self._run.claim(episode.digest)
        )
        self._work_off(claimed, keep, progress)

    def _row(
        self, episode: PlannedEpisode, assignment: Assignment, answer: object, place: Place
    ) -> EpisodeRow:
        attempts = assignment.attempts + 1
        if isinstance(answer, Driven):
            row = self._rows.driven(
                episode, answer, attempts=attempts, server_rss_mb=place.server_rss_mb()
            )
        else:
            row = self._rows.broken(episode, str(_as_error(answer)), attempts=attempts)
        logger.info("%s: %s", episode.name, row.outcome)
        return row

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
        assignments: Iterable[Assignment],
        keep: Callable[[Assignment, object, Place], None],
        progress: Progress,
    ) -> None:
        """Hand assignments out, retry those that the machine broke, pass final answers on."""
        source, again = iter(assignments), deque[Assignment]()
        starved = Starvation()
        while True:
            is_empty = self._hand_out(source, again)
            under_way = [place for place in self._in_service if place.assignment]
            if is_empty and not under_way:
                return
            starved.look(is_fed=bool(under_way))
            self._places.wait(under_way, POLL_S)
            for place in under_way:
                self._explain_slow_start(place, progress)
                answer = place.poll()
                if answer is None or place.assignment is None:
                    continue
                assignment, place.assignment = place.assignment, None
                retry = self._judge_answer(assignment, answer, place)
                if retry is None:
                    keep(assignment, answer, place)
                else:
                    again.append(retry)

    def _hand_out(self, source: Iterator[Assignment], again: deque[Assignment]) -> bool:
        """Give the free places something to do; whether nothing is left that waits.

        An assignment is drawn only when it can be given, since drawing it may claim it.
        """
        for place in self._in_service:
            if place.prepare():
                assignment = again.popleft() if again else next(source, None)
                if assignment is None:
                    return True
                place.give(assignment)
        return False

    def _judge_answer(
        self, assignment: Assignment, answer: object, place: Place
    ) -> Assignment | None:
        """The assignment to try again on a fresh server; None where the answer is final."""
        error = _failure_of(answer)
        is_drive = isinstance(assignment.task, DriveTask)
        if isinstance(answer, Driven) and answer.error:
            logger.warning(
                "%s: %s: %s", _label(assignment), answer.score.outcome.value, answer.error
            )
            place.replace_worker()
        if error is None:
            return None
        if isinstance(answer, Failed):
            logger.debug("%s", answer.trace)
        was_ready = place.is_ready
        if isinstance(error, AgentError) and is_drive:
            logger.warning("%s: agent_error: %s", _label(assignment), error)
            place.shut_down()
            return None
        if isinstance(error, FusionDriveError) and not isinstance(error, SimulatorError):
            raise error
        if not isinstance(error, SimulatorError):
            place.shut_down()
            logger.warning("%s failed: %s", _label(assignment), error)
            return None  # a fault of ours or of a plug-in: the same again would not help
        logger.warning("%s, attempt %d: %s", _label(assignment), assignment.attempts + 1, error)
        place.shut_down()  # takes seconds where the server hangs: it was said before
        if not was_ready and self._retire(place):
            return assignment  # another server has no part in this one's death
        if assignment.attempts < self._config.retries:
            return assignment.again(error)
        if not was_ready and not assignment.is_agents_fault(error):
            raise error  # no server comes up at all: the next episode would fare no better
        return None

    def _retire(self, place: Place) -> bool:
        """Give no more to the place of an external server that is gone, where there are others."""
        if self._config.backend != "external" or len(self._in_service) < 2:
            return False
        host, port = self._config.address(place.number)
        where = host if port is None else f"{host}:{port}"
        logger.warning("%s does not come back; the run goes on without it", where)
        self._in_service.remove(place)
        return True

    def _explain_slow_start(self, place: Place, progress: Progress) -> None:
        is_slow = (
            place.assignment is not None and not place.is_ready and place.waited_s > SLOW_START_S
        )
        if is_slow and not self._has_explained and self._config.backend == "embedded":
            self._has_explained = True
            progress.write(
                "starting the simulator; its first start compiles the renderer, about a minute"
            )


@contextmanager
def undisturbed() -> Iterator[None]:
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


def _blamed(assignment: Assignment, answer: object, place: Place) -> object:
    """The answer; as a failed drive where no worker could give one and the agent is to blame."""
    error = _failure_of(answer)
    if not isinstance(error, AgentError) and not assignment.is_agents_fault(error):
        return answer
    driven = place.so_far or Driven(NOTHING_DRIVEN, 0, 0, 0, 0.0, None)
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
