"""The streaming port: sends sensor data and the world state to whoever subscribed."""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic

from simulator.net import wire
from simulator.net.listening import Listener, peer_of

logger = logging.getLogger(__name__)

Buffer = bytes | memoryview
# Images of 1600x900 are 5.8 MB; a larger kernel buffer would be cut down by the system anyway.
_SEND_BUFFER_BYTES = 4 << 20
_DIRECT_BYTES = 1 << 22  # below that, try to send from the thread that ticks
_GREETING_TIMEOUT_S = 5.0
_STALLED_S = 3.0  # without a byte taken; below the five seconds after which clients give up
_PIECE_BYTES = 1 << 20  # of a message at a time, so that progress shows on slow links
# A client may connect to itself, to a port that nobody has, and take the number that it sends for
# the length of a message: numbers stay below a megabyte.
_SALT_BITS = 20
MAX_QUEUE = 64  # messages of one subscriber
MAX_QUEUE_BYTES = 48 << 20  # the same; one message may always wait, whatever its size


class Subscriber:
    """A client that gets one stream: a socket, a queue, and a thread once the socket is full."""

    def __init__(self, sock: socket.socket, stream_id: int) -> None:
        self.stream_id = stream_id
        self._sock = sock
        self._queue: deque[list[Buffer]] = deque()
        self._wake = threading.Condition()
        self._is_busy = False
        self._is_closed = False
        self._queued_bytes = 0
        self._progress_s = 0.0  # when the subscriber last took something
        self._writer: threading.Thread | None = None

    def push(self, buffers: Sequence[Buffer], *, must_deliver: bool) -> bool:
        """Send a message now if the socket takes it, else in the background.

        Args:
            buffers: parts of the message, sent without copying them together.
            must_deliver: False drops the message when an earlier one is still on its way.

        Returns:
            False if the message was dropped.
        """
        size = sum(len(b) for b in buffers)
        message: list[Buffer] = [wire.length_prefix(size), *buffers]
        with self._wake:
            if self._is_closed:
                return False
            if not self._queue and not self._is_busy:
                message = self._send_now(message) if size < _DIRECT_BYTES else message
                if not message:
                    return True
            elif not must_deliver:
                return False
            if not self._await_room(size):
                return False
            if not self._queue and not self._is_busy:
                self._progress_s = monotonic()
            self._queue.append(message)
            self._queued_bytes += size
            self._start_writer()
            self._wake.notify_all()
        return True

    def _await_room(self, size: int) -> bool:
        """Wait for a reader that is slow; drop one that stands still, for all others wait too."""
        while not self._is_closed and not self._has_room(size):
            left_s = self._progress_s + _STALLED_S - monotonic()
            if left_s <= 0.0:
                logger.warning("a subscriber of stream %d takes no data", self.stream_id)
                self.close()
            else:
                self._wake.wait(left_s)
        return not self._is_closed

    def _has_room(self, size: int) -> bool:
        if not self._queue:
            return True
        fits = self._queued_bytes + size <= MAX_QUEUE_BYTES
        return fits and len(self._queue) < MAX_QUEUE

    def _send_now(self, message: list[Buffer]) -> list[Buffer]:
        """What is left of a message after as much as the socket takes without waiting."""
        try:
            sent = self._sock.sendmsg(message, [], socket.MSG_DONTWAIT)
        except BlockingIOError:
            return message
        except OSError:
            self._is_closed = True
            return []
        return _rest(message, sent)

    def _start_writer(self) -> None:
        if self._writer is None:
            name = f"stream-{self.stream_id}"
            self._writer = threading.Thread(target=self._write, name=name, daemon=True)
            self._writer.start()

    def _write(self) -> None:
        while True:
            with self._wake:
                self._is_busy = False
                self._wake.notify_all()
                self._wake.wait_for(lambda: bool(self._queue) or self._is_closed)
                if self._is_closed:
                    return
                message = self._queue.popleft()
                self._queued_bytes -= sum(map(len, message)) - wire.LENGTH_BYTES
                self._is_busy = True
            try:
                while message:
                    message = _rest(message, self._sock.sendmsg(_piece(message)))
                    self._progress_s = monotonic()
            except OSError:
                self.close()
                return

    def wait_for_end(self) -> None:
        """Return when the subscriber has left; it never sends anything after its greeting."""
        with contextlib.suppress(OSError):
            while self._sock.recv(64):
                pass

    def close(self) -> None:
        """Drop what is queued and close the socket."""
        with self._wake:
            self._is_closed = True
            self._queue.clear()
            self._queued_bytes = 0
            self._wake.notify_all()
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._sock.close()


def _piece(message: list[Buffer]) -> list[Buffer]:
    """The start of a message: not many bytes more than `_PIECE_BYTES`."""
    head = memoryview(message[0])[:_PIECE_BYTES]
    return [head, *message[1:]] if sum(map(len, message)) <= _PIECE_BYTES else [head]


def _rest(message: list[Buffer], sent: int) -> list[Buffer]:
    """The buffers that remain when the first `sent` bytes have gone."""
    for i, buffer in enumerate(message):
        if sent < len(buffer):
            return [memoryview(buffer)[sent:], *message[i + 1 :]]
        sent -= len(buffer)
    return []


class StreamServer:
    """All subscribers, by stream.

    Clients know a stream by a number that no server before this one had for it. A client whose
    server has gone tries again for ever, and the next server may have got its port: one that took
    it for its own client would tell it of changed lamps, which it would ask for where nobody
    answers, and its process would abort (LibCarla 0.9.16, `LightManager`).
    """

    def __init__(
        self,
        sock: socket.socket,
        on_subscribe: Callable[[Subscriber], None],
        is_stream: Callable[[int], bool],
    ) -> None:
        self.port: int = sock.getsockname()[1]
        self._salt = secrets.randbits(_SALT_BITS)
        self._on_subscribe = on_subscribe
        self._is_stream = is_stream
        self._subscribers: dict[int, tuple[Subscriber, ...]] = {}
        self._lock = threading.Lock()
        self._listener = Listener("stream", sock, self._serve)
        self.start = self._listener.start
        self.close = self._listener.close

    def token(self, stream_id: int) -> bytes:
        """The token with which clients find a stream."""
        return wire.token(stream_id ^ self._salt, self.port)

    def stream_of(self, number: int) -> int:
        """The stream that clients know by a number."""
        return number ^ self._salt

    def has_subscriber(self, stream_id: int) -> bool:
        """Whether anybody listens."""
        return stream_id in self._subscribers

    def send(self, stream_id: int, buffers: Sequence[Buffer], *, must_deliver: bool) -> None:
        """Send a message to all subscribers of a stream."""
        for subscriber in self._subscribers.get(stream_id, ()):
            subscriber.push(buffers, must_deliver=must_deliver)

    def _serve(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        greeting = _greeting(sock)
        if greeting is None:
            logger.warning("%s subscribed to nothing", peer_of(sock))
            return
        subscriber = Subscriber(sock, self.stream_of(wire.stream_id_of(greeting)))
        if not self._is_stream(subscriber.stream_id):
            # As on CARLA's server it stays connected: a client that is closed tries again at once.
            logger.warning("%s: there is no stream %d", peer_of(sock), subscriber.stream_id)
            subscriber.wait_for_end()
            return
        self._add(subscriber)
        try:
            self._on_subscribe(subscriber)
            subscriber.wait_for_end()
        finally:
            self._remove(subscriber)
            subscriber.close()

    def _add(self, subscriber: Subscriber) -> None:
        with self._lock:
            others = self._subscribers.get(subscriber.stream_id, ())
            self._subscribers[subscriber.stream_id] = (*others, subscriber)

    def _remove(self, subscriber: Subscriber) -> None:
        with self._lock:
            rest = tuple(s for s in self._subscribers[subscriber.stream_id] if s is not subscriber)
            if rest:
                self._subscribers[subscriber.stream_id] = rest
            else:
                del self._subscribers[subscriber.stream_id]


def _greeting(sock: socket.socket) -> bytes | None:
    """The four bytes a subscriber sends first; None if they do not come."""
    data = b""
    sock.settimeout(_GREETING_TIMEOUT_S)
    try:
        while len(data) < 4:
            received = sock.recv(4 - len(data))
            if not received:
                return None
            data += received
    except OSError:
        return None
    sock.settimeout(None)
    return data
