"""Reserves the two ports of a server."""

from __future__ import annotations

import socket


def bind_ports(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Reserve the RPC port and the one after it; port 0 takes any two free ones.

    Nobody can connect before `Server.start`, so a port that answers means a server that is ready.

    Raises:
        OSError: a port is in use, or the host is not one of this machine.
    """
    for _ in range(50):
        rpc = _bind(host, port, is_fixed=port > 0)
        try:
            return rpc, _bind(host, rpc.getsockname()[1] + 1, is_fixed=port > 0)
        except (OSError, OverflowError):
            rpc.close()
            if port:
                raise
    raise OSError("found no two free neighbouring ports")


def _bind(host: str, port: int, *, is_fixed: bool) -> socket.socket:
    sock = socket.socket()
    if is_fixed:
        # Connections of an earlier server may linger. The option is not for ports that the system
        # chooses: two servers that start at once would get the same.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as err:
        sock.close()
        raise OSError(err.errno, f"port {port}: {err.strerror}") from err
    return sock
