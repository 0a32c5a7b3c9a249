"""The RPC port: one reader thread for each connection, answers in any order."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable

from simulator import wire

logger = logging.getLogger(__name__)

_RECEIVE_BYTES = 1 << 16


class Connection:
    """One client; `answer` may be called from any thread."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.Lock()

    def receive(self) -> bytes:
        """Wait for bytes; none means that the client has left."""
        return self._sock.recv(_RECEIVE_BYTES)

    def answer(self, message: bytes) -> None:
        """Send one message; a client that has left is not an error."""
        with self._lock, contextlib.suppress(OSError):
            self._sock.sendall(message)

    def close(self) -> None:
        """Close the socket."""
        with contextlib.suppress(OSError):
            self._sock.close()


Handle = Callable[[Connection, wire.Request], None]


class RpcServer:
    """Accepts clients and hands their requests to `handle` in the thread of the connection."""

    def __init__(
        self, sock: socket.socket, handle: Handle, on_leave: Callable[[Connection], None]
    ) -> None:
        self._sock = sock
        self._handle = handle
        self._on_leave = on_leave

    def start(self) -> None:
        """Begin to accept clients."""
        self._sock.listen(64)
        threading.Thread(target=self._accept, name="rpc-accept", daemon=True).start()

    def close(self) -> None:
        """Accept no more clients."""
        self._sock.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._sock.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(sock)
            args = (connection,)
            threading.Thread(target=self._serve, args=args, name="rpc", daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        reader = wire.RequestReader()
        try:
            while data := connection.receive():
                for request in reader.feed(data):
                    self._handle(connection, request)
        except wire.WireError as err:
            logger.warning("closing a connection: %s", err)
        except OSError:
            logger.debug("a client left without closing its connection")
        finally:
            connection.close()
            self._on_leave(connection)
