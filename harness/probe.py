"""One call to a CARLA server over a plain socket, for what the client cannot say safely.

The client waits for long, and writes to stderr, when a foreign service answers on the port; and it
has no call for the embedded server's own methods. Framing: msgpack-rpc as in rpclib, where the
first argument is CARLA's metadata (LibCarla 0.9.16, carla/rpc/Metadata.h).
"""

from __future__ import annotations

import random
import socket
import time
from enum import Enum
from typing import Any

import msgpack

from fusiondrive.errors import ConfigError, SimulatorError

CARLA_VERSION = "0.9.16"
DEFAULT_PORT = 2000
PORT_RANGE = (20000, 32000)  # below Linux's ephemeral ports, above CARLA's usual ones
PROFILE_METHOD = "fusiondrive_profile"
LOOK_METHOD = "fusiondrive_look"
RENDERER_METHOD = "fusiondrive_renderer"
MAX_REPLY_BYTES = 1 << 20


class NotCarla(SimulatorError):
    """Something answers on the port, but does not speak CARLA's protocol."""


class NoSuchMethod(SimulatorError):
    """The server answers, and does not have the method."""


class Engine(str, Enum):
    """Who renders, wherever it runs."""

    EMBEDDED = "embedded"  # with its own renderer
    EMBEDDED_GL = "embedded-gl"  # with `--renderer gl`: nearly the same pictures, not equal ones
    UNREAL = "unreal"


def call(
    host: str,
    port: int,
    method: str,
    *arguments: object,
    timeout_s: float = 5.0,
    metadata: bool = True,
) -> Any:
    """Call a method and return its raw result.

    Args:
        host: of the server.
        port: of the server.
        method: its name.
        arguments: what follows CARLA's metadata.
        timeout_s: for all of it.
        metadata: CARLA's servers expect it first; a Traffic Manager's own port does not.

    Raises:
        SimulatorError: nobody listens, or nothing came in time.
        NoSuchMethod: the method is refused.
        NotCarla: the answer is no msgpack-rpc response.
    """
    where = f"{host}:{port}"
    deadline = time.monotonic() + timeout_s
    first = [[False]] if metadata else []
    request = msgpack.packb([0, 1, method, [*first, *arguments]])
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as connection:
            connection.sendall(request)
            reply = _read_reply(connection, deadline, where)
    except TimeoutError as err:
        raise SimulatorError(
            f"no answer from {where} to '{method}' within {timeout_s:.0f} s"
        ) from err
    except OSError as err:
        raise SimulatorError(f"no server at {where}: {err.strerror or err}") from err
    if not (isinstance(reply, list) and len(reply) == 4 and reply[0] == 1):
        raise NotCarla(f"the service at {where} is not a CARLA server")
    if reply[2] is not None:
        raise NoSuchMethod(f"the server at {where} has no method '{method}'")
    return reply[3]


def check_version(host: str, port: int, timeout_s: float) -> str:
    """Ask for the server's version.

    Raises:
        ConfigError: it is not 0.9.16, or the service is no CARLA server.
        SimulatorError: nobody answers.
    """
    try:
        version = _unwrapped(call(host, port, "version", timeout_s=timeout_s))
    except NotCarla as err:
        raise ConfigError(str(err)) from err
    if not isinstance(version, str):
        raise ConfigError(f"the service at {host}:{port} is not a CARLA server")
    if version != CARLA_VERSION:
        raise ConfigError(
            f"the server at {host}:{port} is CARLA {version}; this program drives {CARLA_VERSION}"
        )
    return version


def engine_of(host: str, port: int, timeout_s: float = 5.0) -> Engine:
    """Tell the embedded server from Unreal, and its renderers from each other.

    Only the embedded server has the profile method; one of old does not say what draws: numba.

    Raises:
        SimulatorError: no answer came, which says nothing of who renders.
    """
    if read_profile(host, port, timeout_s) is None:
        return Engine.UNREAL
    try:
        renderer = call(host, port, RENDERER_METHOD, timeout_s=timeout_s)
    except NoSuchMethod:
        return Engine.EMBEDDED
    is_gl = isinstance(renderer, str) and renderer.startswith("gl")
    return Engine.EMBEDDED_GL if is_gl else Engine.EMBEDDED


def read_profile(host: str, port: int, timeout_s: float = 5.0) -> dict[str, float] | None:
    """Mean milliseconds per tick of the embedded server's stages since the last reading.

    None from another server; an unknown method is an error on some and an answer on others.

    Raises:
        SimulatorError: no answer came.
    """
    try:
        means = call(host, port, PROFILE_METHOD, timeout_s=timeout_s)
    except NoSuchMethod:
        return None
    return means if isinstance(means, dict) else None


def look_of(host: str, port: int, timeout_s: float = 5.0) -> int | None:
    """Version of the embedded renderer's look; None from a server that does not have one.

    Raises:
        SimulatorError: no answer came.
    """
    try:
        look = call(host, port, LOOK_METHOD, timeout_s=timeout_s)
    except NoSuchMethod:
        return None
    return look if isinstance(look, int) else None


def is_port_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def find_free_port(count: int = 2, tries: int = 200) -> int:
    """A port with its successors free at this moment."""
    chooser = random.SystemRandom()  # ports change no result
    for _ in range(tries):
        port = chooser.randrange(*PORT_RANGE)
        if all(is_port_free(port + offset) for offset in range(count)):
            return port
    raise ConfigError(f"no {count} neighbouring free ports in {PORT_RANGE[0]}..{PORT_RANGE[1]}")


def _unwrapped(result: Any) -> Any:
    """The value of a `Response<T>`: `[[1, value]]` (LibCarla 0.9.16, carla/rpc/Response.h)."""
    if isinstance(result, list) and len(result) == 1 and isinstance(result[0], list):
        return result[0][-1]
    return result


def _read_reply(connection: socket.socket, deadline: float, where: str) -> Any:
    unpacker = msgpack.Unpacker(max_buffer_size=MAX_REPLY_BYTES, raw=False)
    while True:
        left_s = deadline - time.monotonic()
        if left_s <= 0.0:
            raise TimeoutError
        connection.settimeout(left_s)
        chunk = connection.recv(65536)
        if not chunk:
            raise NotCarla(f"the service at {where} closed the connection: not a CARLA server?")
        try:
            unpacker.feed(chunk)
            for reply in unpacker:
                return reply
        except (ValueError, msgpack.UnpackException, msgpack.BufferFull) as err:
            raise NotCarla(f"the service at {where} is not a CARLA server") from err
