"""What a handler of an RPC method is and gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from simulator.net.wire import Form

if TYPE_CHECKING:
    from simulator.net.rpc import Connection
    from simulator.server import Server


@dataclass
class Context:
    """Who is asked, and by whom, in one call."""

    server: Server
    connection: Connection
    has_spawned: bool = False  # whether the call made an actor that no snapshot holds yet


class Method(NamedTuple):
    """How to do one call. Without the lock it must not touch the episode's actors."""

    function: Callable[..., Any]
    form: Form = Form.VALUE
    is_locked: bool = True
