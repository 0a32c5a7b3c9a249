"""Answers that wait until a snapshot of the world has gone out."""

from __future__ import annotations

import threading
from collections import defaultdict
from time import sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.net.rpc import Connection


class LateAnswers:
    """Messages for clients; may be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, Connection, bytes]] = []  # with the frame they wait for

    def add(self, frame: int, connection: Connection, message: bytes) -> None:
        """Keep an answer until a frame has gone out."""
        with self._lock:
            self._waiting.append((frame, connection, message))

    def send(self, frame: int | None = None, gap_s: float = 0.0) -> None:
        """Send what waits, in the background: a client that reads nothing must not stop the clock.

        Args:
            frame: the newest that has gone out; None sends all.
            gap_s: to wait before, so that clients have read the snapshot.
        """
        if not self._waiting:
            return
        with self._lock:
            due = [one for one in self._waiting if frame is None or one[0] <= frame]
            self._waiting = [one for one in self._waiting if one not in due]
        messages: defaultdict[Connection, list[bytes]] = defaultdict(list)
        for _, connection, message in due:
            messages[connection].append(message)
        for args in messages.items():
            threading.Thread(target=_send, args=(*args, gap_s), daemon=True).start()


def _send(connection: Connection, messages: list[bytes], gap_s: float) -> None:
    sleep(gap_s)
    for message in messages:
        connection.answer(message)
