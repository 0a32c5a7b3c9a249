"""A server process whose memory and log can be read, and plain msgpack-rpc calls to it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

import msgpack

from fusiondrive.errors import SimulatorError
from harness import launch
from harness.server import process_rss_mb

STOP_WAIT_S = 10.0
CALL_TIMEOUT_S = 60.0


class EmbeddedServer:
    """`python -m simulator` on two free ports; its log goes to a file of its own."""

    def __init__(self, *arguments: str) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed in __exit__
        command = launch.command("simulator", "--port", "0", "--log-level", "INFO")
        self._recordings = tempfile.TemporaryDirectory()
        command += ["--recordings", self._recordings.name, "--parent-pid", str(os.getpid())]
        self._process = subprocess.Popen(
            [*command, *arguments], stdout=subprocess.PIPE, stderr=self._log, encoding="utf-8"
        )
        assert self._process.stdout is not None  # it is a pipe
        words = self._process.stdout.readline().split()  # "listening on HOST:PORT"
        if words[:2] != ["listening", "on"]:
            code = self._process.wait(STOP_WAIT_S)
            raise SimulatorError(f"the server ended with code {code}: {self.log()[-1:]}")
        host, port = words[2].rsplit(":", 1)
        self.address = (host, int(port))

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def log(self) -> list[str]:
        """All lines written so far."""
        # pread leaves the offset alone at which the server goes on writing.
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace").splitlines()

    def rss_mb(self) -> float:
        """Resident memory.

        Raises:
            SimulatorError: the process has ended.
        """
        found = process_rss_mb(self._process.pid)
        if found is None:
            raise SimulatorError(f"the server ended with code {self._process.poll()}")
        return found

    def threads(self) -> int:
        """How many threads the process has."""
        return len(os.listdir(f"/proc/{self._process.pid}/task"))

    def __enter__(self) -> EmbeddedServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
        assert self._process.stdout is not None  # it is a pipe
        self._process.stdout.close()
        self._log.close()
        self._recordings.cleanup()


class PlainClient:
    """One RPC connection without the client library."""

    def __init__(self, address: tuple[str, int], timeout_s: float = CALL_TIMEOUT_S) -> None:
        self.sock = socket.create_connection(address, timeout_s)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unpacker = msgpack.Unpacker(raw=False, unicode_errors="surrogateescape")
        self._calls = 0

    def call(self, method: str, *args: object, asynchronous: bool = False) -> Any:
        """The result of a call, still wrapped as the method declares.

        Raises:
            SimulatorError: no answer, or an error of the transport.
        """
        self._calls += 1
        self.send(msgpack.packb([0, self._calls, method, [[asynchronous], *args]]))
        kind, number, error, result = self.receive()
        if (kind, number) != (1, self._calls) or error is not None:
            raise SimulatorError(f"{method}: {error or 'the answer to another call'}")
        return result

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.sock.sendall(data)

    def receive(self) -> list[Any]:
        """The next message.

        Raises:
            SimulatorError: the server closed the connection or did not answer.
        """
        while True:
            for message in self._unpacker:
                return list(message)
            try:
                data = self.sock.recv(1 << 16)
            except OSError as err:
                raise SimulatorError(f"no answer: {err}") from err
            if not data:
                raise SimulatorError("the server closed the connection")
            self._unpacker.feed(data)

    def close(self) -> None:
        """Hang up."""
        self.sock.close()


@contextlib.contextmanager
def plain_client(address: tuple[str, int]) -> Iterator[PlainClient]:
    """A connection for the length of a block."""
    client = PlainClient(address)
    try:
        yield client
    finally:
        client.close()


def unwrap(result: Sequence[Any]) -> Any:
    """The value of a Response<T>.

    Raises:
        SimulatorError: the call failed.
    """
    is_value, value = result[0]
    if not is_value:
        raise SimulatorError(str(value[0]))
    return value
