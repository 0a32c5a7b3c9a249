"""Accepting connections for as long as the server runs, whatever those who connect do."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
import struct
import threading
from collections.abc import Callable
from time import sleep

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 1000  # at once on one port; each has a thread
_PAUSE_S = 0.1  # when the system has no more descriptors or threads to give
_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6))  # s, s, probes

Serve = Callable[[socket.socket], None]


class Listener:
    """One port: a thread that accepts and one for each connection."""

    def __init__(self, name: str, sock: socket.socket, serve: Serve) -> None:
        self._name = name
        self._sock = sock
        self._serve = serve
        self._slots = threading.Semaphore(MAX_CONNECTIONS)
        self._is_closed = False

    def start(self) -> None:
        """Begin to accept."""
        self._sock.listen(256)
        threading.Thread(target=self._accept, name=f"{self._name}-accept", daemon=True).start()

    def close(self) -> None:
        """Accept nobody any more."""
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._sock.close()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                sock, _ = self._sock.accept()
            except OSError as err:
                if not self._is_closed:
                    logger.warning("%s port: cannot accept a connection: %s", self._name, err)
                    sleep(_PAUSE_S)
                continue
            if not self._slots.acquire(blocking=False):
                logger.warning("%s port: %d connections are the most", self._name, MAX_CONNECTIONS)
                sock.close()
                continue
            self._begin(sock)

    def _begin(self, sock: socket.socket) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _notice_lost_hosts(sock)
            threading.Thread(target=self._run, args=(sock,), name=self._name, daemon=True).start()
        except (OSError, RuntimeError) as err:  # RuntimeError: no more threads
            logger.warning("%s port: cannot serve a connection: %s", self._name, err)
            sock.close()
            self._slots.release()
            sleep(_PAUSE_S)

    def _run(self, sock: socket.socket) -> None:
        try:
            self._serve(sock)
        except Exception as err:
            logger.warning("closing a connection to the %s port: %s", self._name, one_line(err))
        finally:
            with contextlib.suppress(OSError):
                sock.close()
            self._slots.release()


def _notice_lost_hosts(sock: socket.socket) -> None:
    """Let the system end connections to hosts that vanished without a word, after two minutes."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def limit_waits(sock: socket.socket, *, receive_s: float = 0.0, send_s: float = 0.0) -> None:
    """Give up receiving or sending after a time (0: never) with a BlockingIOError.

    Unlike `settimeout` this costs no further system call.
    """
    for option, seconds in ((socket.SO_RCVTIMEO, receive_s), (socket.SO_SNDTIMEO, send_s)):
        value = struct.pack("ll", int(seconds), int(seconds % 1.0 * 1e6))
        sock.setsockopt(socket.SOL_SOCKET, option, value)


def is_loopback(host: str) -> bool:
    """Whether only clients of this machine reach an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def peer_of(sock: socket.socket) -> str:
    """Who is at the other end, for the log."""
    try:
        return "{}:{}".format(*sock.getpeername()[:2])
    except OSError:
        return "somebody who has left"


def one_line(err: BaseException | str, limit: int = 200) -> str:
    """An error for one line of the log or for the client: no line breaks, not endless."""
    text = err if isinstance(err, str) else str(err) or type(err).__name__
    text = " ".join(text[: 2 * limit].split())
    return text if len(text) <= limit else f"{text[:limit]}..."
