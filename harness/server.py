"""Starting, awaiting and surely stopping a simulator; what drives it lives in `session`."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol

from fusiondrive.errors import ConfigError, FusionDriveError, SimulatorError, unknown_name
from fusiondrive.files import output
from harness import launch
from harness.config import BACKENDS
from harness.probe import CARLA_VERSION, DEFAULT_PORT, check_version, find_free_port

logger = logging.getLogger(__name__)

DOCKER_IMAGE = f"carlasim/carla:{CARLA_VERSION}"
EXIT_BAD_INPUT = 2  # the embedded server: a map or argument that no retry will mend
STOP_WAIT_S = 5.0
POLL_S = 0.25
TAIL_BYTES = 4000
TAIL_LINES = 8


@dataclass(frozen=True)
class ServerSpec:
    """Which simulator to have, and where."""

    backend: str = "embedded"
    host: str = "localhost"
    port: int | None = None  # None: a free one
    town: str = "Town02"  # to begin with
    maps: Path | None = None
    seed: int = 0  # of an embedded server's scenery and sensor noise
    start_timeout_s: float = 240.0
    connect_timeout_s: float = 10.0
    log_file: Path | None = None

    def __post_init__(self) -> None:
        for name in ("maps", "log_file"):  # texts are paths as well
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else Path(value))
        if self.backend not in BACKENDS:
            raise unknown_name("backend", self.backend, BACKENDS)


class Server(Protocol):
    """A simulator that may or may not be our child."""

    host: str
    port: int

    def start(self) -> None:
        """Begin to start; returns at once."""

    def failure(self) -> FusionDriveError | None:
        """Why it is no longer alive; None while it is, or where that cannot be seen."""

    def rss_mb(self) -> float | None:
        """Resident memory; None where it cannot be seen."""

    def stop(self) -> None:
        """End it; may be called twice."""


class ExternalServer:
    """A server that somebody else runs; nothing is started or stopped."""

    def __init__(self, spec: ServerSpec) -> None:
        self.host = spec.host
        self.port = spec.port or DEFAULT_PORT

    def start(self) -> None:
        """Nothing to start."""

    def failure(self) -> FusionDriveError | None:
        """A remote process cannot be watched; its silence shows as a timeout."""
        return None

    def rss_mb(self) -> float | None:
        """Unknown."""
        return None

    def stop(self) -> None:
        """It is not ours to stop."""


class ChildServer:
    """A simulator started as a child process in its own process group."""

    def __init__(self, spec: ServerSpec) -> None:
        self.spec = spec
        self.host = "localhost"
        self.port = spec.port or find_free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def command(self) -> list[str]:
        """The embedded server's command line."""
        command = launch.command("simulator", "--port", str(self.port))
        command += ["--town", self.spec.town, "--parent-pid", str(os.getpid())]
        command += ["--seed", str(self.spec.seed)]
        if self.spec.maps is not None:
            command += ["--maps", str(self.spec.maps)]
        return command

    def start(self) -> None:
        """Start the process; its output goes to the log file.

        Raises:
            ConfigError: the command is not there.
            OutputError: the log file cannot be made.
        """
        path = self.spec.log_file
        with output(path or Path(tempfile.gettempdir())):
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._log = path.open("w+b")
            else:
                self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed in stop()
        command = self.command()
        logger.info("starting %s", " ".join(command))
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                # Threads that spin while they wait take the client's cores.
                env={**os.environ, "OMP_WAIT_POLICY": "passive"},
                start_new_session=True,  # Ctrl-C in the terminal is the parent's to handle
            )
        except OSError as err:
            raise ConfigError(f"cannot start {command[0]}: {err.strerror}") from err

    def failure(self) -> FusionDriveError | None:
        """The exit of the process, with the end of what it wrote."""
        if self._process is None:
            return SimulatorError("the simulator was not started")
        code = self._process.poll()
        if code is None:
            return None
        if code == EXIT_BAD_INPUT:
            lines = self.tail().splitlines()
            return ConfigError(lines[-1] if lines else "the simulator refused its arguments")
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return SimulatorError(f"the simulator died ({how}); its last words:\n{self.tail()}")

    def tail(self) -> str:
        """The last lines of the process's output."""
        if self._log is None or self._log.closed:
            return ""
        end = os.fstat(self._log.fileno()).st_size
        text = os.pread(self._log.fileno(), TAIL_BYTES, max(0, end - TAIL_BYTES))
        return "\n".join(text.decode(errors="replace").strip().splitlines()[-TAIL_LINES:])

    def rss_mb(self) -> float | None:
        """Resident memory of the process."""
        return None if self._process is None else process_rss_mb(self._process.pid)

    def stop(self) -> None:
        """Ask, then force the whole process group to end."""
        process, self._process = self._process, None
        if process is not None:
            _signal_group(process, signal.SIGTERM)
            try:
                process.wait(STOP_WAIT_S)
            except subprocess.TimeoutExpired:
                logger.warning("simulator %d ignored SIGTERM; killing it", process.pid)
            _signal_group(process, signal.SIGKILL)
            process.wait()
        if self._log is not None:
            self._log.close()


class DockerServer(ChildServer):
    """CARLA's official image as a child of the docker command."""

    def __init__(self, spec: ServerSpec) -> None:
        super().__init__(spec)
        self.name = f"fusiondrive-{os.getpid()}-{self.port}"

    def command(self) -> list[str]:
        """Run the image headless, removed at its end."""
        return [
            "docker", "run", "--rm", "--name", self.name, "--gpus", "all", "--net", "host",
            DOCKER_IMAGE, "/bin/bash", "./CarlaUE4.sh", "-RenderOffScreen", "-nosound",
            f"-carla-rpc-port={self.port}",
        ]  # fmt: skip

    def failure(self) -> FusionDriveError | None:
        """Docker's own failures (125 to 127) are no simulator's crash: a retry cannot help."""
        code = None if self._process is None else self._process.poll()
        if code in (125, 126, 127):
            return ConfigError(f"docker could not run {DOCKER_IMAGE}:\n{self.tail()}")
        return super().failure()

    def stop(self) -> None:
        """Stop the container: ending the docker command alone would leave it running."""
        if self._process is not None and shutil.which("docker"):
            try:
                subprocess.run(
                    ["docker", "rm", "--force", self.name],
                    capture_output=True,
                    timeout=30.0,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                logger.warning("docker rm --force %s did not end within 30 s", self.name)
        super().stop()


_SERVERS: dict[str, Callable[[ServerSpec], Server]] = {
    "embedded": ChildServer,
    "docker": DockerServer,
    "external": ExternalServer,
}


def make_server(spec: ServerSpec) -> Server:
    """The server of a spec, not yet started."""
    return _SERVERS[spec.backend](spec)


def await_ready(server: Server, timeout_s: float, *, is_child: bool = True) -> None:
    """Wait until the server answers with the right version.

    Raises:
        ConfigError: another version, a foreign service, or arguments that the server refused.
        SimulatorError: it died, or did not answer in time.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        failure = server.failure()
        if failure is not None:
            raise failure
        try:
            check_version(server.host, server.port, timeout_s=max(1.0, min(5.0, timeout_s)))
            return
        except SimulatorError as err:
            if not is_child or time.monotonic() > deadline:
                where = f"{server.host}:{server.port}"
                raise SimulatorError(
                    f"waited {timeout_s:.0f} s for the simulator at {where}; last seen: {err}"
                ) from err
        time.sleep(POLL_S)


class RunningServer:
    """Context of a started and answering server."""

    def __init__(self, spec: ServerSpec) -> None:
        self.spec = spec
        self.server = make_server(spec)

    def __enter__(self) -> Server:
        is_child = self.spec.backend != "external"
        timeout_s = self.spec.start_timeout_s if is_child else self.spec.connect_timeout_s
        try:
            self.server.start()
            await_ready(self.server, timeout_s, is_child=is_child)
        except BaseException:
            self.server.stop()
            raise
        return self.server

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.server.stop()


def process_rss_mb(pid: int) -> float | None:
    """Resident memory of a process in MB; None where /proc does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        logger.debug("process group %d is gone", process.pid)
