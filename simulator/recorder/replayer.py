"""Plays a recording back into the running episode, step by step."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from simulator.actors.models import ORIGIN, Actor, Vehicle, Walker
from simulator.errors import ActorError
from simulator.recorder.recording import Created, Frame, Recording, Row, light_of, order_of
from simulator.types import Pose
from simulator.world.episode import Episode

logger = logging.getLogger(__name__)

Spawn = Callable[[Created, int], Actor]  # with the id of the parent in this episode


@dataclass(frozen=True)
class ReplayOptions:
    """What `replay_file` and the switches of the replayer say."""

    start_s: float = 0.0  # negative: from the end
    duration_s: float = 0.0  # 0: to the end
    follow_id: int = 0  # actor of the recording that the spectator follows
    with_sensors: bool = False
    offset: Pose = ORIGIN  # of the spectator, from the followed actor
    ignores_hero: bool = False
    ignores_spectator: bool = False


@dataclass
class Replayer:
    """A recording on its way; `spawn` makes the actors that the episode does not have."""

    recording: Recording
    episode: Episode
    options: ReplayOptions
    spawn: Spawn
    time_factor: float = 1.0
    is_over: bool = False
    ids: dict[int, int] = field(default_factory=dict)  # of the recording -> of the episode
    made: list[int] = field(default_factory=list)  # ids in the episode
    _time_s: float = 0.0
    _end_s: float = 0.0

    def __post_init__(self) -> None:
        """Set the scene of the time at which the replay begins."""
        length_s = self.recording.duration_s()
        begin_s = self.options.start_s
        self._time_s = min(max(begin_s if begin_s >= 0.0 else length_s + begin_s, 0.0), length_s)
        self._end_s = length_s
        if self.options.duration_s > 0.0:
            self._end_s = min(length_s, self._time_s + self.options.duration_s)
        self._frames: Iterator[Frame] = self.recording.frames()
        self._last: Frame | None = None
        self._next = next(self._frames, None)
        self._skip_to_start()
        self._show()

    def _skip_to_start(self) -> None:
        """Spawn only those that are there when the replay begins."""
        there: dict[int, Created] = {}
        while self._next is not None and self._next.time_s <= self._time_s + 1e-6:
            there.update({actor.actor_id: actor for actor in self._next.created})
            for gone in self._next.destroyed:
                there.pop(gone, None)
            self._last, self._next = self._next, next(self._frames, None)
        for actor in there.values():
            self._add(actor)

    def advance(self, delta_s: float) -> None:
        """Let time pass, at the replay's pace."""
        self._time_s += delta_s * self.time_factor
        while self._next is not None and self._next.time_s <= self._time_s + 1e-6:
            for actor in self._next.created:
                self._add(actor)
            for gone in self._next.destroyed:
                self._remove(gone)
            self._last, self._next = self._next, next(self._frames, None)
        self._show()
        if self._next is None or self._time_s >= self._end_s:
            self.stop(keep=True)

    def stop(self, *, keep: bool) -> None:
        """End the replay: the actors go on by themselves, or those it made are taken away."""
        self.is_over = True
        for actor_id in self.ids.values():
            actor = self.episode.actors.find(actor_id)
            if actor is not None and actor.has_body and isinstance(actor, Vehicle | Walker):
                self.episode.physics.set_simulate(actor_id, True)
                self.episode.physics.set_velocity(actor_id, actor.velocity)
        if not keep:
            for actor_id in self.made:
                self.episode.destroy(actor_id)

    def _add(self, actor: Created) -> None:
        """Find or make an actor; without physics, for the recording moves it."""
        is_sensor = actor.blueprint.startswith("sensor.")
        if is_sensor and not self.options.with_sensors:
            return
        if self.options.ignores_hero and actor.role == "hero":
            return
        known = self.episode.actors.find(actor.actor_id)
        if known is None or known.blueprint != actor.blueprint:
            try:
                known = self.spawn(actor, self.ids.get(actor.parent_id, 0))
            except ActorError as err:
                logger.warning("replay: %s cannot be there: %s", actor.blueprint, err)
                return
            self.made.append(known.actor_id)
        self.ids[actor.actor_id] = known.actor_id
        if known.has_body:
            self.episode.physics.set_simulate(known.actor_id, False)

    def _remove(self, recorded_id: int) -> None:
        actor_id = self.ids.pop(recorded_id, 0)
        if actor_id in self.episode.actors:
            self.episode.destroy(actor_id)

    def _show(self) -> None:
        """Put everything where it was, between two steps where time lies between them."""
        if self._last is None:
            return
        later, share = {}, 0.0
        if self._next is not None:
            later = {row.actor_id: row for row in self._next.rows}
            span_s = max(self._next.time_s - self._last.time_s, 1e-9)
            share = min(max((self._time_s - self._last.time_s) / span_s, 0.0), 1.0)
        for row in self._last.rows:
            self._show_row(row, later.get(row.actor_id, row), share)
        followed = self.episode.actors.find(self.ids.get(self.options.follow_id, 0))
        if followed is not None and not self.options.ignores_spectator:
            self.episode.spectator.pose = followed.pose.compose(self.options.offset)

    def _show_row(self, row: Row, later: Row, share: float) -> None:
        light = light_of(self.episode, row)
        if light is not None:
            self.episode.lights.set_state(light.index, int(row.control[1]))
            light.state = int(row.control[1])
            return
        actor = self.episode.actors.find(self.ids.get(row.actor_id, 0))
        if actor is None or actor.parent is not None:
            return
        self.episode.place(actor, _between(row.pose, later.pose, share))
        actor.velocity = row.velocity
        if isinstance(actor, Vehicle):
            actor.control, actor.gear = order_of(row.control), int(row.control[6])
            actor.light_flags, actor.wheel_steer_deg = int(row.control[7]), row.control[8]
        elif isinstance(actor, Walker):
            x, y, z = row.control[0]
            actor.direction, actor.speed = (x, y, z), row.control[1]


def _between(a: Pose, b: Pose, share: float) -> Pose:
    """A pose on the way; angles take the short way."""
    places = (p + share * (q - p) for p, q in zip(a[:3], b[:3], strict=True))
    turns = (
        p + share * ((q - p + 180.0) % 360.0 - 180.0) for p, q in zip(a[3:], b[3:], strict=True)
    )
    return Pose(*places, *turns)
