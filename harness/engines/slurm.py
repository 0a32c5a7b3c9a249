"""A run as arrays of SLURM jobs that claim episode after episode; the command waits for their rows.

The command alone writes the run's rows. Jobs of one that has died go on, and the next one takes
them over.
"""

from __future__ import annotations

import importlib.util
import logging
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fusiondrive.errors import ConfigError, FusionDriveError, SimulatorError
from fusiondrive.provenance import file_hash, package_version, text_hash
from harness.config import FILES, RunConfig, anchored
from harness.engines.rounds import Round, RoundFacts, new_round, rounds
from harness.engines.slurm_job import JobEnd, JobTask, work
from harness.kept_config import config_text
from harness.models import Part
from harness.planning import PlannedEpisode
from harness.progress import Progress
from harness.runner import Run, expected_drives, undisturbed
from results.row import EpisodeRow
from scenarios.weather_files import is_weather_file

if TYPE_CHECKING:
    from harness.engines.slurm_jobs import Jobs  # imports submitit

logger = logging.getLogger(__name__)

POLL_S = 1.0


class SlurmEngine:
    """Drives with jobs that submitit hands to SLURM."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config

    def check(self) -> None:
        """Refuse a run without submitit, or without SLURM's commands."""
        if importlib.util.find_spec("submitit") is None:
            raise ConfigError(
                "engine slurm needs submitit, which is not installed: pip install "
                "'fusiondrive[slurm]'"
            )
        commands = ("sbatch", "srun", "squeue", "scancel")
        for name in commands if self._config.slurm_cluster == "slurm" else ():
            if shutil.which(name) is None:
                raise ConfigError(
                    f"engine slurm needs the command {name}, and there is none: run this on a "
                    "login node of the cluster, or try it with --slurm-cluster local"
                )
        from harness.engines.slurm_jobs import parameters

        parameters(self._config)

    def drive(self, run: Run) -> None:
        """Drive what is not done yet; see `Engine`."""
        with Progress(expected_drives(run.parts).total()) as progress:
            _Command(self._config, run, progress).drive()


class _Command:
    """One command's part in a run: it submits rounds until nothing is left."""

    def __init__(self, config: RunConfig, run: Run, progress: Progress) -> None:
        self._config = config
        self._run = run
        self._progress = progress
        self._key = key_of(run)
        self._rows = run.rows
        self._towns = len(expected_drives(run.parts))
        self._plan: list[PlannedEpisode] = []  # as far as jobs have made it
        self._done = run.store.done()
        self._marks = set(map(_mark, run.store.rows()))
        self._settled: set[str] = set()  # rows that this command has written
        self._deaths: Counter[str] = Counter()  # of jobs, by the episode that they were driving
        self._has_counted = False

    def drive(self) -> None:
        """Take up what an earlier command has left, then submit rounds until all is driven."""
        try:
            for round_ in rounds(self._config.directory):
                self._take_up(round_)
            while not self._is_complete():
                self._submit()
        finally:
            self._run.store.arrange([episode.digest for episode in self._plan])

    def _is_complete(self) -> bool:
        """Whether the whole plan is known, and nothing of it is left."""
        digests = {episode.digest for episode in self._plan}
        return self._has_counted and digests <= self._done | self._settled

    def _take_up(self, round_: Round) -> None:
        """Go on with the jobs of an earlier command; end them where they drive something else."""
        from harness.engines.slurm_jobs import Jobs

        facts = round_.noted()
        is_ours = facts.key == self._key
        if not round_.is_over and not facts.jobs:
            round_.end()  # nothing was submitted
        if not round_.is_over:
            jobs = Jobs.taken_up(facts, round_.submitted.absolute())
            jobs.ends()
            if is_ours:
                self._progress.write(f"taking over {len(facts.jobs)} jobs of an earlier command")
                self._watch(round_, jobs)
            else:
                jobs.cancel()
                self._collect(round_, jobs)
                round_.end()
        if is_ours:
            self._read_plan(round_)

    def _submit(self) -> None:
        """Submit a round and wait for its end.

        Raises:
            ConfigError: a job has found that something cannot be driven as asked.
            SimulatorError: it has brought nothing.
        """
        from harness.engines.slurm_jobs import Jobs

        round_ = new_round(self._config.directory)
        before = len(self._settled) + self._deaths.total()
        settled = frozenset(self._done | self._settled)
        parts = tuple(
            Part(anchored(part.config), part.models, part.number) for part in self._run.parts
        )
        folder = round_.folder.absolute()
        tasks = [
            JobTask(parts, self._run.lock, self._run.commit, settled, folder, number)
            for number in range(self._config.width)
        ]
        jobs = Jobs.submit(self._config, round_.submitted.absolute(), work, tasks)
        round_.note(RoundFacts(self._key, jobs.cluster, tuple(jobs.ids)))
        self._progress.write(f"submitted {len(tasks)} jobs: {_span(jobs.ids)}")
        ends = self._watch(round_, jobs)
        if not self._is_complete() and before == len(self._settled) + self._deaths.total():
            raise SimulatorError(f"no job has driven anything: {_reason(ends)}")

    def _watch(self, round_: Round, jobs: Jobs) -> Sequence[JobEnd]:
        """Take rows over until all jobs have ended; what stops the command stops them."""
        try:
            said = ""
            while True:
                ends = jobs.ends()
                self._collect(round_, jobs)
                self._read_plan(round_)
                for end in ends.values():
                    if end.error is not None and not isinstance(end.error, SimulatorError):
                        raise end.error
                if len(ends) == len(jobs.ids):
                    break
                if (states := jobs.states()) != said:
                    said = states
                    self._progress.write(f"jobs: {states}")
                time.sleep(POLL_S)
        except BaseException:  # an interrupt, too
            with undisturbed():
                jobs.cancel()
                self._collect(round_, jobs)
                round_.end()
            raise
        self._bury(round_, list(ends.values()))
        round_.end()
        return list(ends.values())

    def _collect(self, round_: Round, jobs: Jobs) -> None:
        """Write rows that have come into the run's, unless an earlier command has."""
        store = self._run.store
        for row, hazards in round_.new_rows(len(jobs.ids)):
            if row.identity in self._done | self._settled or _mark(row) in self._marks:
                continue
            store.append_driven(row, hazards)
            self._settled.add(row.identity)
            self._progress.finish(f"{row.route_id} {row.arm}: {row.outcome}")

    def _read_plan(self, round_: Round) -> None:
        """Read the plan, town by town as jobs leave it, and count what was driven before."""
        if self._has_counted:
            return
        plans = list(round_.plans())
        self._plan = [episode for plan in plans for episode in plan]
        if len(plans) == self._towns:
            self._has_counted = True
            self._progress.total = len(self._plan)
            self._progress.skip(sum(episode.digest in self._done for episode in self._plan))

    def _bury(self, round_: Round, ends: Sequence[JobEnd]) -> None:
        """Count deaths of jobs against the episodes that they were driving; too many are a row."""
        by_digest = {episode.digest: episode for episode in self._plan}
        for digest in sorted(round_.claimed() - self._done - self._settled):
            self._deaths[digest] += 1
            tries, episode = self._deaths[digest], by_digest.get(digest)
            logger.warning("a job died while it was driving %s", digest)
            if tries > self._config.retries and episode is not None:
                text = f"its job died in each of {tries} tries: {_reason(ends)}"
                row = self._rows.broken(episode, text, attempts=tries)
                self._run.store.append_driven(row, [])
                self._settled.add(digest)
                self._progress.finish(f"{row.route_id} {row.arm}: {row.outcome}")


def key_of(run: Run) -> str:
    """A hash of all that decides what jobs drive, and by which source."""
    texts = [package_version(), run.commit]
    for part in run.parts:
        config = part.config
        named = (getattr(config, name) for name in FILES)
        weathers = (Path(name) for name in config.weather if is_weather_file(name))
        files = [path for path in (*named, *weathers) if path is not None and path.is_file()]
        texts += [
            config_text(config),
            f"{config.video} {config.trace}",
            repr(part.models),
            *map(file_hash, files),
        ]
    return text_hash("\n".join(texts))


def _mark(row: EpisodeRow) -> tuple[str, str]:
    """What tells a row from another of the same episode."""
    return row.identity, row.wall_finished


def _reason(ends: Sequence[JobEnd]) -> str:
    """Why jobs ended before their work did, in one line."""
    errors: list[FusionDriveError] = [end.error for end in ends if end.error is not None]
    if errors:
        return " ".join(str(errors[0]).split())
    was_stopped = any(end.was_stopped for end in ends)
    return "they were stopped, or their time limit is too short" if was_stopped else "none says why"


def _span(ids: Sequence[str]) -> str:
    return ids[0] if len(ids) == 1 else f"{ids[0]} to {ids[-1]}"
