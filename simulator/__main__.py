"""`python -m simulator`: a CARLA 0.9.16 server without Unreal and without a GPU."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import faulthandler
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from simulator.maps import MapError
from simulator.net.listening import is_loopback
from simulator.render.choice import DEFAULT, RENDERERS, check_renderer
from simulator.render.gl_window import GlError
from simulator.server.ports import bind_ports
from simulator.server.server import DEFAULT_RECORDINGS, Options, Server
from simulator.startup.compiling import compile_missing
from simulator.system.commands import lenient_output, user_path
from simulator.world.scene import SceneOptions, SceneStore

logger = logging.getLogger("simulator")

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
_PARENT_POLL_S = 0.5
_M_ARENA_MAX = -8  # malloc.h


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="A CPU-only server for unmodified CARLA 0.9.16 clients.",
    )
    parser.add_argument("--port", type=int, default=2000, help="RPC port; streams use the next "
                        "one; 0 takes two free ports (default: %(default)s)")  # fmt: skip
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: "
                        "%(default)s)")  # fmt: skip
    parser.add_argument("--town", default="Town02", help="first town (default: %(default)s)")
    parser.add_argument(
        "--maps", type=user_path, metavar="DIR", help="directory of TownXX.xodr files"
    )
    parser.add_argument("--seed", type=int, default=0, help="of scenery and sensor noise "
                        "(default: %(default)s)")  # fmt: skip
    parser.add_argument("--threads", type=int, metavar="N", help="threads that draw images "
                        "(default: 2)")  # fmt: skip
    parser.add_argument("--renderer", default=DEFAULT, choices=sorted(RENDERERS), help="gl finds "
                        "what is visible with OpenGL (default: %(default)s)")  # fmt: skip
    parser.add_argument("--recordings", type=user_path, metavar="DIR", default=DEFAULT_RECORDINGS,
                        help="where start_recorder writes (default: %(default)s)")  # fmt: skip
    parser.add_argument("--log-level", default="WARNING", type=str.upper,
                        choices=["DEBUG", "INFO", "WARNING", "ERROR"])  # fmt: skip
    parser.add_argument("--parent-pid", type=int, metavar="PID", help="exit when this process "
                        "ends")  # fmt: skip
    options = parser.parse_args(arguments)
    if not 0 <= options.port <= 65534:
        parser.error(f"argument --port: expected 0 to 65534, got {options.port}")
    if options.threads is not None and options.threads < 1:
        parser.error(f"argument --threads: expected at least 1, got {options.threads}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal comes; returns the exit code."""
    lenient_output()
    given = parse(arguments)
    logging.basicConfig(
        level=given.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    stop = _Stop()
    _use_few_arenas()
    # Short turns keep the reader threads quick while another thread computes in Python.
    sys.setswitchinterval(0.0005)
    gc.freeze()  # what was imported stays: nobody has to look through it again
    try:
        server = _make_server(given)
        server.start()
    except (MapError, OSError, GlError) as err:
        print(f"simulator: {err}", file=sys.stderr)
        return EXIT_BAD_INPUT
    signal.signal(signal.SIGUSR1, lambda *_: logger.info("%s", server.profile.line()))
    if given.parent_pid is not None:  # first: a parent that has read the line may end at once
        stop.watch(given.parent_pid)
    with contextlib.suppress(OSError):  # a log that is full, or a pipe that nobody reads
        print(f"listening on {given.host}:{server.port}", flush=True)
    code = stop.wait()
    server.close()
    return code


def _use_few_arenas() -> None:
    """Keep glibc from giving each of hundreds of connections' threads a heap that only grows."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # only glibc has it
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 2)


def _make_server(given: argparse.Namespace) -> Server:
    check_renderer(given.renderer)
    socks = bind_ports(given.host, given.port)
    compile_missing()
    store = SceneStore(SceneOptions(given.maps, given.seed, given.threads, renderer=given.renderer))
    address, port = socks[0].getsockname()[:2]
    if not is_loopback(address):
        logger.warning("%s: CARLA's protocol has no authentication, whoever reaches port %d or %d "
                       "commands this server", address, port, port + 1)  # fmt: skip
    options = Options(given.host, port, given.town, given.seed, given.recordings)
    return Server(options, store, socks)


class _Stop:
    """Waits for a reason to end. Signals before the server runs end the process at once."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._code = 0
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        self._is_waiting = False

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self._code = EXIT_INTERRUPTED if number == signal.SIGINT else 0
        if not self._is_waiting:
            os._exit(self._code)
        self._event.set()

    def watch(self, pid: int) -> None:
        """End the server when a process ends."""
        threading.Thread(target=self._poll, args=(pid,), name="parent", daemon=True).start()

    def _poll(self, pid: int) -> None:
        is_child = os.getppid() == pid
        while is_child == (os.getppid() == pid) and _is_alive(pid):
            self._event.wait(_PARENT_POLL_S)
        logger.info("process %d has ended, so does the server", pid)
        self._event.set()

    def wait(self) -> int:
        """Block until there is a reason to end; returns the exit code."""
        self._is_waiting = True
        while not self._event.wait(3600.0):
            pass
        return self._code


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    faulthandler.enable()
    if hasattr(signal, "SIGUSR2"):  # where is it hanging? Every thread's stack on stderr.
        faulthandler.register(signal.SIGUSR2)
    status = main()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    # Threads may be inside of compiled kernels; ending the interpreter under them is no use.
    os._exit(status)
