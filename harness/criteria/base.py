"""What every criterion shares: the event it reports, the step it sees, the lanes it may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from fusiondrive.types import ActorKind, Pose, Progress, WorldState


class EventKind(str, Enum):
    """Everything that a criterion can report."""

    COLLISION = "collision"
    LANE_INFRACTION = "lane_infraction"
    OFF_ROAD = "off_road"
    WRONG_WAY = "wrong_way"
    LANE_CROSSING = "lane_crossing"
    RED_LIGHT = "red_light"
    NEAR_GOAL = "near_goal"  # `amount` is the radius in metres
    GOAL = "goal"
    PAST_GOAL = "past_goal"
    DEVIATION = "deviation"
    TIMEOUT = "timeout"
    BLOCKED = "blocked"
    OWN = "own"  # of a criterion of a user's own


class Event(NamedTuple):
    """Something that happened, at one place and simulated time."""

    kind: EventKind
    time_s: float
    x: float
    y: float
    amount: float = 1.0  # impulse in N s, number of crossings, seconds or metres: see the criterion
    actor: ActorKind | None = None  # collisions only
    detail: str = ""


@dataclass(frozen=True)
class Step:
    """One recorded control step."""

    state: WorldState
    progress: Progress

    def event(
        self, kind: EventKind, amount: float = 1.0, actor: ActorKind | None = None, detail: str = ""
    ) -> Event:
        """An event here and now."""
        pose = self.state.ego.pose
        return Event(kind, self.state.time_s, pose.x, pose.y, amount, actor, detail)


class LanePlace(NamedTuple):
    """Where a pose lies among the driving lanes."""

    in_junction: bool
    outside_m: float  # beyond the edge of the nearest driving lane; 0 inside, inf without a lane
    wrong_way: bool  # heads against the lane in which it lies


class LaneQuery(Protocol):
    """Answers where a pose lies; backed by the client's map, online or offline."""

    def locate(self, pose: Pose) -> LanePlace:
        """Place of the actor's origin among the driving lanes."""


class Criterion(Protocol):
    """Maps the steps of one episode to events; reads no other criterion."""

    def update(self, step: Step) -> Sequence[Event]:
        """Events that this step completes."""
