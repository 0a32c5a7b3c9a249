"""From events to one outcome and its numbers; works on live and on recorded steps alike."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from fusiondrive.types import ActorKind, Pose, Progress, Route, WorldState
from harness.criteria import Criterion, CriterionSetup, Event, EventKind, Step, make_criteria
from harness.criteria.base import LaneQuery
from harness.criteria.lane import LaneCriterion
from results.hazards import HazardRecord
from scenarios.tracker import RouteTracker

JUDGE_VERSION = 1
"""Raise it by one whenever the same drive is judged or scored otherwise: criteria, ends, penalties.

It is part of frozen benchmarks.
"""


class Outcome(str, Enum):
    """Exactly one per episode."""

    SUCCESS = "success"
    COLLISION = "collision"
    TIMEOUT = "timeout"
    BLOCKED = "blocked"
    DEVIATION = "deviation"
    AGENT_ERROR = "agent_error"
    SIM_ERROR = "sim_error"


# CARLA Leaderboard 2, srunner/leaderboard statistics_manager PENALTY_VALUE_DICT. Stop signs (0.80)
# are not judged here; contacts of unknown kind count as static.
PENALTIES: dict[ActorKind, float] = {
    ActorKind.PEDESTRIAN: 0.50,
    ActorKind.VEHICLE: 0.60,
    ActorKind.STATIC: 0.65,
    ActorKind.OTHER: 0.65,
}
RED_LIGHT_PENALTY = 0.70

_DECIDING: dict[EventKind, Outcome] = {
    EventKind.GOAL: Outcome.SUCCESS,
    EventKind.COLLISION: Outcome.COLLISION,
    EventKind.TIMEOUT: Outcome.TIMEOUT,
    EventKind.BLOCKED: Outcome.BLOCKED,
    EventKind.DEVIATION: Outcome.DEVIATION,
}
# In the step in which two happen, the worse one decides.
_SEVERITY = (EventKind.COLLISION, EventKind.DEVIATION, EventKind.BLOCKED, EventKind.TIMEOUT)


@dataclass(frozen=True)
class Score:
    """The numbers of one driven episode; by default those of one in which nothing was driven."""

    outcome: Outcome
    reached_2m: bool = False
    reached_5m: bool = False
    reached_10m: bool = False
    completion: float = 0.0  # share of the route, in [0, 1]
    driving_score: float = 0.0  # 0..100, Leaderboard's penalties on route completion
    distance_m: float = 0.0  # driven
    duration_s: float = 0.0  # simulated
    collisions: dict[ActorKind, int] = field(default_factory=lambda: dict.fromkeys(ActorKind, 0))
    counts: dict[EventKind, int] = field(default_factory=lambda: dict.fromkeys(EventKind, 0))
    lane_crossings: int = 0
    outside_m: float = 0.0
    hazards: tuple[HazardRecord, ...] | None = None  # None where there were to be none
    latency_ms: float | None = None  # mean delay of a control; None where none was charged
    own: tuple[tuple[str, int], ...] = ()  # events of criteria of the user's own, by their names

    @property
    def lane_infractions(self) -> int:
        """Times that the car was off the road or on the wrong side."""
        return self.counts[EventKind.LANE_INFRACTION]

    @property
    def red_lights(self) -> int:
        """Stop lines crossed at red."""
        return self.counts[EventKind.RED_LIGHT]


NOTHING_DRIVEN = Score(Outcome.AGENT_ERROR)


class Judge:
    """Runs the criteria over the steps of one episode and scores it."""

    def __init__(
        self,
        route: Route,
        lanes: LaneQuery,
        *,
        collision_mode: str = "stop",
        own: Mapping[str, Criterion] | None = None,
    ) -> None:
        """Begin with fresh criteria.

        Args:
            route: that is driven.
            lanes: where the car is judged to be.
            collision_mode: `stop` or `continue`.
            own: criteria of the user's own by name; they are counted, and decide nothing.
        """
        self._own = dict(own or {})
        self._own_times_s: dict[str, list[float]] = {name: [] for name in self._own}
        self._criteria = make_criteria(CriterionSetup(route, lanes))
        self._collision_mode = collision_mode
        self._path = _PathMeter()
        self.events: list[Event] = []
        self.step: Step | None = None

    def update(self, state: WorldState, progress: Progress) -> list[Event]:
        """Take in one world state and the place on the route; returns what happened."""
        self.step = Step(state, progress)
        self._path.add(state.ego.pose, state.time_s)
        fresh = [event for item in self._criteria.values() for event in item.update(self.step)]
        fresh.sort(key=_rank)
        self.events.extend(fresh)
        for name, criterion in self._own.items():
            self._own_times_s[name] += [event.time_s for event in criterion.update(self.step)]
        return fresh

    @property
    def is_over(self) -> bool:
        """Whether the episode has come to its end."""
        kinds = {event.kind for event in self.events}
        if EventKind.PAST_GOAL in kinds or kinds & {
            EventKind.TIMEOUT,
            EventKind.BLOCKED,
            EventKind.DEVIATION,
        }:
            return True
        if EventKind.GOAL in kinds:
            return False
        return self._collision_mode == "stop" and EventKind.COLLISION in kinds

    def score(self) -> Score:
        """The episode's numbers, as far as it has been driven.

        An episode that is cut short from outside counts as a time-out.
        """
        if self.step is None:
            raise ValueError("nothing was driven: no step to score")
        lane = self._criteria["lane"]
        assert isinstance(lane, LaneCriterion)  # CRITERIA says so
        found = _score(self.events, self.step, self._path, lane.outside_m)
        goal_s = _goal_s(self.events)
        own = ((name, sum(t <= goal_s for t in times)) for name, times in self._own_times_s.items())
        return replace(found, own=tuple(own))


def judge_trace(
    states: Iterable[WorldState],
    route: Route,
    lanes: LaneQuery,
    *,
    collision_mode: str = "stop",
) -> Score:
    """Score recorded world states, without a server."""
    judge = Judge(route, lanes, collision_mode=collision_mode)
    tracker = RouteTracker(route)
    for state in states:
        judge.update(state, tracker.advance(state.ego.pose.x, state.ego.pose.y))
        if judge.is_over:
            break
    return judge.score()


def outcome_of(events: Sequence[Event]) -> Outcome:
    """The first deciding event decides; none means that the drive was cut short: a time-out."""
    deciding = next((event for event in events if event.kind in _DECIDING), None)
    return Outcome.TIMEOUT if deciding is None else _DECIDING[deciding.kind]


def driving_score(completion: float, collisions: dict[ActorKind, int], red_lights: int) -> float:
    """Leaderboard: route completion in percent times the product of penalties."""
    factor = RED_LIGHT_PENALTY**red_lights
    for kind, count in collisions.items():
        factor *= PENALTIES[kind] ** count
    return 100.0 * completion * factor


def _goal_s(events: Sequence[Event]) -> float:
    """When the goal was reached; infinite where it was not."""
    return next((e.time_s for e in events if e.kind is EventKind.GOAL), math.inf)


def _score(events: Sequence[Event], last: Step, path: _PathMeter, outside_m: float) -> Score:
    goal_s = _goal_s(events)
    scored = [event for event in events if event.time_s <= goal_s]
    count = {kind: sum(e.kind is kind for e in scored) for kind in EventKind}
    radii = {event.amount for event in events if event.kind is EventKind.NEAR_GOAL}
    collisions = {
        kind: sum(e.kind is EventKind.COLLISION and e.actor is kind for e in scored)
        for kind in ActorKind
    }
    crossings = sum(int(e.amount) for e in scored if e.kind is EventKind.LANE_CROSSING)
    completion = 1.0 if math.isfinite(goal_s) else min(1.0, last.progress.completion)
    return Score(
        outcome=outcome_of(scored),
        reached_2m=2.0 in radii,
        reached_5m=5.0 in radii,
        reached_10m=10.0 in radii,
        completion=completion,
        driving_score=driving_score(completion, collisions, count[EventKind.RED_LIGHT]),
        distance_m=path.distance_until(goal_s),
        duration_s=path.duration_until(goal_s),
        collisions=collisions,
        counts=count,
        lane_crossings=crossings,
        outside_m=outside_m,
    )


def _rank(event: Event) -> int:
    return _SEVERITY.index(event.kind) if event.kind in _SEVERITY else len(_SEVERITY)


class _PathMeter:
    """Driven distance over simulated time."""

    def __init__(self) -> None:
        self._times_s: list[float] = []
        self._distances_m: list[float] = []
        self._last: Pose | None = None

    def add(self, pose: Pose, time_s: float) -> None:
        step_m = 0.0
        if self._last is not None:
            step_m = math.hypot(pose.x - self._last.x, pose.y - self._last.y)
        driven_m = self._distances_m[-1] if self._distances_m else 0.0
        self._times_s.append(time_s)
        self._distances_m.append(driven_m + step_m)
        self._last = pose

    def distance_until(self, time_s: float) -> float:
        """Metres driven up to a time."""
        index = sum(t <= time_s for t in self._times_s) - 1
        return self._distances_m[index]

    def duration_until(self, time_s: float) -> float:
        """Simulated seconds from the first step up to a time."""
        index = sum(t <= time_s for t in self._times_s) - 1
        return self._times_s[index] - self._times_s[0]
