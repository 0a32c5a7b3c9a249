"""Submitting an array of jobs through submitit, looking after them, and ending them."""

from __future__ import annotations

import io
import logging
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import submitit

from fusiondrive.errors import ConfigError, SimulatorError
from harness.config import RunConfig
from harness.engines.rounds import RoundFacts
from harness.engines.slurm_job import JobEnd, JobTask

logger = logging.getLogger(__name__)

LOOK_S = 15.0  # between two questions to SLURM
GRACE_S = 30.0  # a shared file system may show a job's end later than SLURM does
COMMAND_S = 60.0
RUNNING = "RUNNING"
# SLURM's own names for the options that have a flag of ours, see `RunConfig`.
OURS = {
    "partition": "--slurm-partition",
    "time": "--slurm-minutes",
    "cpus_per_task": "--slurm-cpus",
    "mem": "--slurm-memory-gb",
    "array": "--workers",
    "array_parallelism": "--workers",
}


class Jobs:
    """The jobs of one round, submitted by this command or by one before it."""

    def __init__(self, cluster: str, jobs: Sequence[Any]) -> None:
        """Look after jobs.

        Args:
            cluster: slurm or local.
            jobs: submitit's own, in the order of their numbers.
        """
        self.cluster = cluster
        self._is_slurm = cluster == "slurm"
        self._jobs = tuple(jobs)
        self._ends: dict[int, JobEnd] = {}
        self._gone_since_s: dict[int, float] = {}
        self._states: Mapping[str, str] = {}
        self._asked_s = -LOOK_S

    @classmethod
    def submit(
        cls,
        config: RunConfig,
        folder: Path,
        work: Callable[[JobTask], JobEnd],
        tasks: Sequence[JobTask],
    ) -> Jobs:
        """Submit an array, a job for each task.

        Raises:
            ConfigError: SLURM, or submitit for it, refuses the options.
        """
        try:
            executor = submitit.AutoExecutor(folder=folder, cluster=config.slurm_cluster)
            executor.update_parameters(**parameters(config))
            with redirect_stderr(io.StringIO()):  # the error says what sbatch has printed
                jobs = executor.map_array(work, list(tasks))
            return cls(config.slurm_cluster, jobs)
        except (submitit.core.utils.FailedJobError, ValueError, NameError, RuntimeError) as err:
            lines = str(err).strip().splitlines() or [type(err).__name__]
            raise ConfigError(f"the jobs cannot be submitted: {lines[-1].strip()}") from err

    @classmethod
    def taken_up(cls, facts: RoundFacts, folder: Path) -> Jobs:
        """The jobs that another command has submitted.

        Args:
            facts: what it has noted of them.
            folder: where submitit keeps their files.
        """
        kind = submitit.SlurmJob if facts.cluster == "slurm" else submitit.LocalJob
        return cls(facts.cluster, [kind(folder=folder, job_id=name) for name in facts.jobs])

    @property
    def ids(self) -> list[str]:
        """Their ids, such as `1234_0`."""
        return [str(job.job_id) for job in self._jobs]

    def ends(self) -> Mapping[int, JobEnd]:
        """The jobs that have ended, by number."""
        left = [number for number in range(len(self._jobs)) if number not in self._ends]
        for number in left:
            if self._jobs[number].paths.result_pickle.exists():
                self._ends[number] = self._said(number)
        now = time.monotonic()
        if left and now - self._asked_s > (LOOK_S if self._is_slurm else 1.0):
            self._asked_s = now
            self._states = self._slurm_states() if self._is_slurm else self._local_states()
        for number in left:
            self._miss(number, now)
        return self._ends

    def states(self) -> str:
        """How many of the jobs are in which state, in words."""
        count = Counter(
            "ENDED" if number in self._ends else self._states.get(name, "UNKNOWN")
            for number, name in enumerate(self.ids)
        )
        return ", ".join(f"{number} {state.lower()}" for state, number in sorted(count.items()))

    def cancel(self, patience_s: float = 60.0) -> None:
        """End them all in order, and wait for it."""
        living = [name for number, name in enumerate(self.ids) if number not in self._ends]
        if not living:
            return
        if self._is_slurm:
            _ask(["scancel", *living])
        else:
            for name in living:
                _terminate(int(name))
        deadline = time.monotonic() + patience_s
        while len(self.ends()) < len(self._jobs) and time.monotonic() < deadline:
            time.sleep(0.5)

    def _said(self, number: int) -> JobEnd:
        """What a job has said at its end."""
        job = self._jobs[number]
        try:
            end = job.result()
        except Exception as err:  # whatever it raised, or a pickle that cannot be read
            lines = [line for line in str(err).splitlines() if line.strip(" -")]
            what = next((line for line in reversed(lines) if "Error" in line), lines[-1])
            return JobEnd(SimulatorError(f"job {job.job_id}: {what.strip()} ({job.paths.stderr})"))
        return end if isinstance(end, JobEnd) else JobEnd(SimulatorError(f"job said {end!r:.80}"))

    def _miss(self, number: int, now: float) -> None:
        """Take a job for dead that is gone and has said nothing for a while."""
        job = self._jobs[number]
        if number in self._ends or self._states.get(str(job.job_id), "") != "":
            self._gone_since_s.pop(number, None)
            return
        grace_s = GRACE_S if self._is_slurm else 2.0
        if now - self._gone_since_s.setdefault(number, now) > grace_s:
            text = f"job {job.job_id} died without a word, see {job.paths.stderr}"
            self._ends[number] = JobEnd(SimulatorError(text))

    def _slurm_states(self) -> Mapping[str, str]:
        """States by id of the jobs that SLURM still has; the last ones where it does not answer."""
        arrays = sorted({name.partition("_")[0] for name in self.ids})
        command = [
            "squeue",
            "--noheader",
            "--array",
            "--format=%i %T",
            f"--jobs={','.join(arrays)}",
        ]
        found = _ask(command)
        if found is None or (found.returncode and "Invalid job id" not in found.stderr):
            return self._states or dict.fromkeys(self.ids, "UNKNOWN")
        words = (line.split() for line in found.stdout.splitlines())
        return {pair[0]: pair[1] for pair in words if len(pair) == 2}

    def _local_states(self) -> Mapping[str, str]:
        return {name: RUNNING for job, name in zip(self._jobs, self.ids, strict=True)
                if job.state == RUNNING or _is_controller(int(name))}  # fmt: skip


def parameters(config: RunConfig) -> dict[str, Any]:
    """What submitit is told of the jobs.

    Raises:
        ConfigError: an option is no NAME=VALUE, or one that has a flag of its own.
    """
    found: dict[str, Any] = {
        "name": "fusiondrive",
        "timeout_min": config.slurm_minutes,
        "cpus_per_task": config.slurm_cpus,
        "mem_gb": config.slurm_memory_gb,
        "slurm_array_parallelism": config.width,
        "slurm_partition": config.slurm_partition,
    }
    known = submitit.SlurmExecutor._valid_parameters()
    further: dict[str, str] = {}
    for option in config.slurm_option or ():
        name, equals, value = option.removeprefix("--").partition("=")
        name = name.removeprefix("slurm_").replace("-", "_")
        if not (name and equals):
            raise ConfigError(f"slurm option '{option}': expected NAME=VALUE, such as account=lab")
        if name in OURS:
            raise ConfigError(f"slurm option '{option}': use {OURS[name]}")
        if name == "setup":  # a line of the job's script, such as `module load python`
            found["slurm_setup"] = [*found.get("slurm_setup", []), value]
        elif name in known:
            found[f"slurm_{name}"] = int(value) if value.isdigit() else value
        else:
            further[name] = value
    if further:
        found["slurm_additional_parameters"] = further
    return found


def _ask(command: Sequence[str]) -> subprocess.CompletedProcess[str] | None:
    """The answer of one of SLURM's commands; None where there is none in time."""
    try:
        return subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=COMMAND_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        logger.warning("%s: %s", command[0], err)
        return None


def _is_controller(pid: int) -> bool:
    """Whether a process of this machine is one that submitit has put in charge of a job."""
    try:
        return b"submitit.local._local" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _terminate(pid: int) -> None:
    if _is_controller(pid):
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            logger.debug("job %d was gone", pid)
