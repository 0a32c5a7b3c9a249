"""A round of jobs in a run's folder, `slurm/NNN`: what jobs and command leave for each other there.

Jobs may be on many nodes, whose only common thing is the file system. Nothing here relies on locks:
an episode is claimed by making a folder, which happens once on every file system, each job writes
rows of its own, and what several jobs write is moved into its place whole.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fusiondrive.errors import ConfigError
from fusiondrive.files import output, whole_file
from harness.planning import PlannedEpisode
from results.hazards import HAZARDS_NAME, HazardRow, of_episodes, read_hazards
from results.reading import FILE_NAME, complete_rows
from results.row import EpisodeRow

FOLDER = "slurm"
_FACTS = "round.json"
_OVER = "over"
_PLAN = ".plan"


@dataclass(frozen=True)
class RoundFacts:
    """Whose jobs a round has."""

    key: str = ""  # hash of what is driven
    cluster: str = ""  # slurm or local
    jobs: tuple[str, ...] = ()  # their ids, in the order of their numbers


class Round:
    """One array of jobs, by its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[int, int] = {}  # bytes of each job's rows that were read

    @property
    def submitted(self) -> Path:
        """Where submitit keeps what it hands over, and the output of the jobs."""
        return self.folder / "submitit"

    def of_job(self, number: int) -> Path:
        """The folder of one job: its rows, and the logs of its server and worker."""
        return self.folder / "jobs" / str(number)

    def note(self, facts: RoundFacts) -> None:
        """Keep what another command needs that takes the jobs over."""
        with whole_file(self.folder / _FACTS) as draft:
            draft.write_text(json.dumps(asdict(facts)) + "\n", encoding="utf-8")

    def noted(self) -> RoundFacts:
        """What was noted; without jobs where the command died before it had any.

        Raises:
            ConfigError: the file is not what `note` wrote.
        """
        path = self.folder / _FACTS
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            return RoundFacts(facts["key"], facts["cluster"], tuple(facts["jobs"]))
        except FileNotFoundError:
            return RoundFacts()
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise ConfigError(
                f"{path}: expected the jobs of a run, found something unreadable; end them, and "
                f"remove {self.folder}"
            ) from err

    @property
    def is_over(self) -> bool:
        """Whether its jobs have ended and all of their rows were taken over."""
        return (self.folder / _OVER).exists()

    def end(self) -> None:
        """Note that nothing more comes of it."""
        with output(self.folder):
            (self.folder / _OVER).touch()

    def claim(self, digest: str) -> bool:
        """Take an episode, unless another job has; true for one job alone."""
        path = self.folder / "claimed" / digest
        with output(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                path.mkdir()
            except FileExistsError:
                return False
        return True

    def release(self, digest: str) -> None:
        """Give an episode back that was not driven to its end."""
        with output(self.folder):
            (self.folder / "claimed" / digest).rmdir()

    def claimed(self) -> set[str]:
        """Episodes that were taken and not given back."""
        folder = self.folder / "claimed"
        return {path.name for path in folder.iterdir()} if folder.is_dir() else set()

    def keep_plan(self, number: int, town: int, episodes: Sequence[PlannedEpisode]) -> None:
        """Leave the plan of a town for the command; all jobs make the same.

        Args:
            number: of the job.
            town: its place in the order of towns.
            episodes: in their order.
        """
        path = self.folder / f"{town:03d}{_PLAN}"
        if not path.exists():
            made = self.of_job(number) / path.name
            with whole_file(made) as draft:
                draft.write_bytes(pickle.dumps(list(episodes)))
            with output(path):
                made.replace(path)

    def plans(self) -> Iterator[list[PlannedEpisode]]:
        """The plans of the towns so far, in order."""
        for path in sorted(self.folder.glob(f"*{_PLAN}")):
            with path.open("rb") as file:
                yield pickle.load(file)

    def new_rows(self, jobs: int) -> Iterator[tuple[EpisodeRow, list[HazardRow]]]:
        """Rows that have come since the last time, each with the hazards of its episode.

        Args:
            jobs: how many there are.
        """
        for number in range(jobs):
            path = self.of_job(number) / FILE_NAME
            rows, self._read[number] = complete_rows(EpisodeRow, path, self._read.get(number, 0))
            hazards = read_hazards(path.with_name(HAZARDS_NAME)) if rows else []
            for row in rows:
                yield row, of_episodes(hazards, [row.identity])


def rounds(directory: Path) -> list[Round]:
    """All rounds of a run, the first one first."""
    return [Round(path) for path in sorted((directory / FOLDER).glob("[0-9]*")) if path.is_dir()]


def new_round(directory: Path) -> Round:
    """A folder for another round."""
    last = max((int(item.folder.name) for item in rounds(directory)), default=0)
    folder = directory / FOLDER / f"{last + 1:03d}"
    with output(folder):
        folder.mkdir(parents=True)
    return Round(folder)
