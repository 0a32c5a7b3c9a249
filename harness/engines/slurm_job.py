"""What one job of an array does: it drives what no other job has claimed, with rows of its own."""

from __future__ import annotations

import itertools
import logging
import platform
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from fusiondrive.errors import ConfigError, FusionDriveError
from fusiondrive.provenance import UNKNOWN, source_commit
from harness.benchmark_lock import Lock
from harness.engines.rounds import Round
from harness.models import Part
from harness.planning import PlannedEpisode
from harness.runner import Run, Runner
from harness.slot import Slot, Slots
from results.store import RowStore


@dataclass(frozen=True)
class JobTask:
    """What a job is told; it travels as a pickle."""

    parts: tuple[Part, ...]
    lock: Lock | None
    commit: str  # of the source that is to drive
    settled: frozenset[str]  # identities that need not be driven
    folder: Path  # of the round
    number: int  # of the job


@dataclass(frozen=True)
class JobEnd:
    """How a job has ended that could say so."""

    error: FusionDriveError | None = None
    was_stopped: bool = False  # from outside, or shortly before its time limit


def work(task: JobTask) -> JobEnd:
    """Drive what is left of a run; the function that submitit calls on a node."""
    configs = [part.config for part in task.parts]
    logging.basicConfig(level=configs[0].log_level.upper())
    try:
        check_source(task.commit)
    except ConfigError as err:
        return JobEnd(err)
    share = _Share(Round(task.folder), task.number)
    folder = share.round.of_job(task.number)
    slots = Slots([Slot(configs, task.number, folder / "logs")])
    try:
        with _stoppable(), RowStore(folder) as store:
            run = Run(
                task.parts,
                store,
                task.lock,
                commit=task.commit,
                settled=task.settled,
                claim=share.claim,
                on_plan=share.keep_plan,
            )
            try:
                with Runner(run, slots) as runner:
                    runner.run()
            finally:
                share.give_back({row.identity for row in store.rows()})
    except KeyboardInterrupt:
        return JobEnd(was_stopped=True)
    except FusionDriveError as err:
        return JobEnd(err)
    return JobEnd()


def check_source(commit: str) -> None:
    """Refuse to drive by another source than the command's.

    Raises:
        ConfigError: names both.
    """
    here = source_commit()
    if UNKNOWN not in (here, commit) and here != commit:
        raise ConfigError(
            f"node {platform.node()} has the source of commit {here}, and the run was submitted "
            f"by that of {commit}: leave the checkout as it is while jobs wait, and run it again"
        )


class _Share:
    """The episodes of a round that one job has claimed."""

    def __init__(self, round_: Round, number: int) -> None:
        self.round = round_
        self._number = number
        self._towns = itertools.count()
        self._claimed: set[str] = set()

    def claim(self, digest: str) -> bool:
        """Take an episode, unless another job has."""
        is_ours = self.round.claim(digest)
        if is_ours:
            self._claimed.add(digest)
        return is_ours

    def keep_plan(self, town: str, episodes: Sequence[PlannedEpisode]) -> None:
        """Leave the plan of a town for the command that has submitted the job."""
        self.round.keep_plan(self._number, next(self._towns), episodes)

    def give_back(self, driven: set[str]) -> None:
        """Let others drive what was not brought to an end."""
        for digest in self._claimed - driven:
            self.round.release(digest)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Stop in order at what SLURM and submitit send: before a time limit, and at `scancel`."""
    numbers = (signal.SIGTERM, signal.SIGUSR2)
    before = [signal.signal(number, _interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
