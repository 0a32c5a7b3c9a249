"""What a runner asks of the places where it lets episodes be driven, and what it hands to them.

A place of this machine is a `harness.slot.Slot`; on the nodes of a Ray cluster it is a
`harness.engines.ray_place.RayPlace`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from fusiondrive.errors import FusionDriveError, SimulatorError
from harness.messages import Describe, Driven, DriveTask


class AgentDeath(SimulatorError):
    """The driving process died while the agent had its turn; once may be anybody's fault."""


@dataclass(frozen=True)
class Assignment:
    """A task with the number of times that it was tried already."""

    task: Describe | DriveTask
    attempts: int = 0
    agent_deaths: int = 0  # of these, ended by a death of the process in the agent's turn

    @property
    def town(self) -> str:
        """Where it takes place."""
        return self.task.town if isinstance(self.task, Describe) else self.task.spec.town

    def again(self, error: FusionDriveError) -> Assignment:
        """The assignment after a failed try."""
        deaths = self.agent_deaths + isinstance(error, AgentDeath)
        return replace(self, attempts=self.attempts + 1, agent_deaths=deaths)

    def is_agents_fault(self, error: object) -> bool:
        """Whether the process died in the agent's turn in every try."""
        return isinstance(error, AgentDeath) and self.agent_deaths == self.attempts


class Place(Protocol):
    """Drives one assignment at a time: a server with the process that drives on it."""

    number: int  # among those of the run
    assignment: Assignment | None
    is_ready: bool  # the server has answered
    so_far: Driven | None  # of the assignment, by the last sign of life

    def prepare(self) -> bool:
        """Whether an assignment can be given to it now; begins what that takes, where it cannot."""

    @property
    def waited_s(self) -> float:
        """Wall-clock seconds since the driving process was last heard."""

    def give(self, assignment: Assignment) -> None:
        """Hand an assignment over; the answer comes from `poll`."""

    def poll(self) -> object | None:
        """The answer to the assignment, or why none will come; None while it is driven."""

    def server_rss_mb(self) -> float | None:
        """Resident memory of the server."""

    def shut_down(self) -> None:
        """End server and driving process, which the next assignment starts anew."""

    def replace_worker(self) -> None:
        """Give the next assignment a fresh process, whatever the agent has done to this one."""


class Places(Protocol):
    """All places of a run."""

    @property
    def all(self) -> Sequence[Place]:
        """The places, in the order of their numbers."""

    def wait(self, places: Sequence[Place], timeout_s: float) -> None:
        """Sleep until one of some places may have something to say."""

    def close(self) -> None:
        """End all of them; may be called twice."""
