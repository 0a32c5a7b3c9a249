"""What runner and worker say to each other; all of it travels through a pipe."""

from __future__ import annotations

from dataclasses import dataclass

from fusiondrive.errors import FusionDriveError
from harness.route_facts import RouteFacts
from harness.scoring import Score
from scenarios.spec import EpisodeSpec


@dataclass(frozen=True)
class Describe:
    """Ask: load a town and say what can be driven there."""

    town: str
    part: int = 0  # of the run, whose route file is asked for


@dataclass(frozen=True)
class DriveTask:
    """Ask: drive an episode and keep records under this name."""

    spec: EpisodeSpec
    name: str
    identity: str = ""  # of the episode, as rows have it
    part: int = 0  # of the run, whose settings it is driven with


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
    """An episode that came to its end, or as far as the agent brought it."""

    score: Score
    steps: int
    vehicles: int
    walkers: int
    wall_seconds: float
    rss_mb: float | None
    error: str = ""  # of the agent
    trace: str = ""  # its traceback


@dataclass(frozen=True)
class Ready:
    """The server answers."""


@dataclass(frozen=True)
class StillDriving:
    """A sign of life, with what was driven so far."""

    so_far: Driven


@dataclass(frozen=True)
class Failed:
    """The task did not end; a `FusionDriveError` travels as such, anything else as its text."""

    error: FusionDriveError | str
    trace: str
