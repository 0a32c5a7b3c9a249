"""From a request to its answer: finds the method, holds the lock, turns failures into errors."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from typing import Any

from simulator.errors import ActorError, LookupFailed
from simulator.handlers.method import Context, Host
from simulator.handlers.registry import METHODS, UNSUPPORTED
from simulator.net import wire
from simulator.net.listening import one_line
from simulator.net.rpc import Connection
from simulator.recorder.state import RecorderState
from simulator.world.world import World

logger = logging.getLogger(__name__)


class Dispatcher:
    """Answers the requests of all connections."""

    def __init__(self, world: World, recorder: RecorderState, host: Host) -> None:
        self._world = world
        self._recorder = recorder
        self._host = host

    def answer(self, connection: Connection, request: wire.Request) -> None:
        """Do what is asked and send the result."""
        logger.debug("%s %s", request.method, request.args)
        context = Context(self._world, self._recorder, self._host, connection)
        if request.method in METHODS:
            result = self._call(context, request)
        elif request.method in UNSUPPORTED:
            text = f"{request.method} is not supported by this server"
            result = wire.wrap_error(UNSUPPORTED[request.method], text)
        else:
            name = one_line(request.method, 60)
            logger.warning("unknown method %s", name)
            connection.answer(wire.no_such_method(request.message_id, name))
            return
        message = _packed(request, result)
        if context.has_spawned and not request.is_asynchronous:
            self._host.answer_when_seen(connection, message)
        else:
            connection.answer(message)

    def _call(self, context: Context, request: wire.Request) -> Any:
        method = METHODS[request.method]
        try:
            if method.is_locked:
                with self._world.lock:
                    return wire.wrap(method.form, method.function(context, *request.args))
            return wire.wrap(method.form, method.function(context, *request.args))
        except ActorError as err:
            text = err.named(request.method) if isinstance(err, LookupFailed) else str(err)
            if request.is_asynchronous:
                logger.info("%s: %s", request.method, one_line(err))
            return wire.wrap_error(method.form, text)
        except Exception as err:
            # Mostly the arguments do not have the shape that the protocol gives them. Whatever it
            # is, the client must get an answer: it would wait for it until its timeout.
            text = one_line(repr(err))
            where = _place_of(err)
            logger.warning(
                "%s of %s failed in %s: %s", request.method, context.connection.peer, where, text
            )
            logger.debug("where %s failed", request.method, exc_info=True)
            return wire.wrap_error(method.form, f"{request.method}: {text}")


def _place_of(err: Exception) -> str:
    """The innermost two frames of a failure, for one line of the log."""
    frames = traceback.extract_tb(err.__traceback__)[-2:]
    return " > ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)


def _packed(request: wire.Request, result: Any) -> bytes:
    """The answer as bytes; a value that msgpack cannot carry becomes an error."""
    try:
        return wire.response(request.message_id, result)
    except (TypeError, ValueError, OverflowError) as err:
        logger.warning("%s: the answer cannot be sent: %s", request.method, one_line(err))
        text = f"{request.method}: the answer cannot be sent"
        return wire.response(request.message_id, wire.failure(text))
