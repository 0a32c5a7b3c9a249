"""Numbers of actors, streams and episodes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from simulator.net import wire


class ActorIds:
    """A counter that a replay may put forward, since its actors get the ids of the recording."""

    def __init__(self) -> None:
        self._last = 0

    def __next__(self) -> int:
        """The next number, which no actor has had in this server."""
        self._last += 1
        return self._last

    def skip(self, actor_id: int) -> None:
        """Give out only numbers beyond this one from now on."""
        self._last = max(self._last, actor_id)


@dataclass
class Ids:
    """Counters that go on over all episodes of a server: but for replays no id is used twice."""

    actors: ActorIds = field(default_factory=ActorIds)
    streams: Iterator[int] = field(default_factory=lambda: itertools.count(wire.WORLD_STREAM + 1))
    episodes: Iterator[int] = field(default_factory=lambda: itertools.count(1))
