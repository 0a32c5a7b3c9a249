"""What a handler of an RPC method is and gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from simulator.net.rpc import Connection
from simulator.net.wire import Form
from simulator.recorder.state import RecorderState
from simulator.system.profile import Profile
from simulator.world.settings import Settings
from simulator.world.world import World


class Host(Protocol):
    """What handlers ask of the server that runs the world: ticks and streams."""

    profile: Profile

    def tick_cue(self, connection: Connection) -> int:
        """Take a client's order to tick; returns the number of the frame to wait for."""

    def change_settings(self, settings: Settings) -> int:
        """Use other settings from the next step on; returns the last published frame."""

    def note_batch(self) -> None:
        """Remember that a client is perhaps waiting with Python's lock in its hands."""

    def token(self, stream_id: int) -> bytes:
        """The token with which clients find a stream."""

    def expect(self, number: int) -> bytes:
        """Wait with the next tick for a client that is about to subscribe; gives the token.

        Args:
            number: by which clients know the stream, as its token says.
        """

    def answer_when_seen(self, connection: Connection, message: bytes) -> None:
        """Answer a call that has made an actor once a snapshot holds that actor."""


@dataclass
class Context:
    """What is asked, and by whom, in one call."""

    world: World
    recorder: RecorderState
    host: Host
    connection: Connection
    has_spawned: bool = False  # whether the call made an actor that no snapshot holds yet


class Method(NamedTuple):
    """How to do one call. Without the lock it must not touch the episode's actors."""

    function: Callable[..., Any]
    form: Form = Form.VALUE
    is_locked: bool = True
