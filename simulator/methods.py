"""What a handler of an RPC method is and gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from simulator.wire import Form

if TYPE_CHECKING:
    from simulator.rpc import Connection
    from simulator.server import Server


class Context(NamedTuple):
    """Who is asked, and by whom."""

    server: Server
    connection: Connection


class Method(NamedTuple):
    """How to do one call. Without the lock it must not touch the episode's actors."""

    function: Callable[..., Any]
    form: Form = Form.VALUE
    is_locked: bool = True
