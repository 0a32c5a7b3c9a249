"""The RPC port: one reader thread for each connection, answers in any order."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable

from simulator.net import wire
from simulator.net.listening import Listener, limit_waits, one_line, peer_of

logger = logging.getLogger(__name__)

_RECEIVE_BYTES = 1 << 16
_REST_TIMEOUT_S = 30.0  # for the rest of a message that has begun
_SEND_TIMEOUT_S = 10.0  # for a client that asks and does not read the answers


class Connection:
    """One client; `answer` may be called from any thread."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.Lock()
        self.peer = peer_of(sock)
        limit_waits(sock, receive_s=_REST_TIMEOUT_S, send_s=_SEND_TIMEOUT_S)

    def receive(self) -> bytes:
        """Wait for bytes; none means that the client has left.

        Raises:
            BlockingIOError: nothing came for `_REST_TIMEOUT_S`.
        """
        return self._sock.recv(_RECEIVE_BYTES)

    def answer(self, message: bytes) -> None:
        """Send one message; a client that has left is not an error."""
        with self._lock:
            try:
                self._sock.sendall(message)
            except BlockingIOError:
                logger.warning("closing the connection of %s: it reads no answers", self.peer)
                self._end()
            except OSError:
                logger.debug("%s has left before its answer", self.peer)

    def _end(self) -> None:
        """Make the reader thread see the end."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)


Handle = Callable[[Connection, wire.Request], None]


class RpcServer:
    """Accepts clients and hands their requests to `handle` in the thread of the connection."""

    def __init__(
        self, sock: socket.socket, handle: Handle, on_leave: Callable[[Connection], None]
    ) -> None:
        self._handle = handle
        self._on_leave = on_leave
        self._listener = Listener("rpc", sock, self._serve)
        self.start = self._listener.start
        self.close = self._listener.close

    def _serve(self, sock: socket.socket) -> None:
        connection = Connection(sock)
        try:
            self._read(connection, wire.RequestReader())
        except wire.WireError as err:
            logger.warning("closing the connection of %s: %s", connection.peer, one_line(err))
        except OSError:
            logger.debug("%s left without closing its connection", connection.peer)
        finally:
            self._on_leave(connection)

    def _read(self, connection: Connection, reader: wire.RequestReader) -> None:
        while True:
            try:
                data = connection.receive()
            except BlockingIOError:
                if reader.is_waiting:
                    raise wire.WireError("the rest of a message did not come") from None
                continue
            if not data:
                if reader.is_waiting:
                    raise wire.WireError("the client left within a message")
                return
            for request in reader.feed(data):
                self._handle(connection, request)
