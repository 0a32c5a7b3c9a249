"""A run on a Ray cluster: one that is there, or one of this machine alone."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fusiondrive.errors import ConfigError, SimulatorError
from harness.config import RunConfig
from harness.runner import Run, Runner

logger = logging.getLogger(__name__)

PROBE_S = 60.0  # until a cluster that somebody listens for has let us in
CLIENT = "ray://"  # before the address of a cluster's client server
STORE_BYTES = 256 * 2**20  # for what actors of a cluster of this machine say
TRIES = 3  # Ray gives its own processes 30 s to start, which is little where cores are busy
# It says on its last line why the cluster cannot be had; Ray may abort the process that asks.
PROBE = """
import logging, sys, ray
ray.init(sys.argv[1], log_to_driver=False, logging_level=logging.CRITICAL)
cores = [node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]]
print(int(max(cores, default=0.0)))
"""


class RayEngine:
    """Drives with actors of a Ray cluster."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config

    def check(self) -> None:
        """Refuse a run without Ray, or with a cluster that cannot be had."""
        if importlib.util.find_spec("ray") is None:
            raise ConfigError(
                "engine ray needs ray, which is not installed: pip install 'fusiondrive[ray]'"
            )
        address = self._config.ray_address
        if address is not None:
            check_address(address, self._config.timeouts.connect_s)
            cores = probe(address)
            if cores < self._config.ray_cpus:
                raise ConfigError(
                    f"no node of the Ray cluster at {address} has {self._config.ray_cpus} cores, "
                    f"the largest has {cores}: give a smaller --ray-cpus"
                )

    def drive(self, run: Run) -> None:
        """Drive what is not done yet; see `Engine`."""
        with connected(self._config):
            from harness.engines.ray_place import RayPlaces  # imports Ray, as `connected` does

            with Runner(run, RayPlaces([part.config for part in run.parts])) as runner:
                runner.run()


def check_address(address: str, timeout_s: float) -> None:
    """Refuse an address at which nobody listens; Ray itself would try for minutes.

    Raises:
        ConfigError: in one line.
    """
    if address == "auto":
        return
    host, colon, port = address.removeprefix(CLIENT).partition("/")[0].rpartition(":")
    if not (host and colon and port.isdigit()):
        raise ConfigError(
            f"ray address '{address}': expected HOST:PORT, ray://HOST:PORT or auto; leave it out "
            "for a cluster of this machine alone"
        )
    try:
        socket.create_connection((host, int(port)), timeout=timeout_s).close()
    except (OSError, OverflowError) as err:
        reason = getattr(err, "strerror", None) or str(err)
        raise ConfigError(
            f"no Ray cluster at {address} ({reason}); start one with 'ray start --head', or leave "
            "--ray-address out"
        ) from err


def probe(address: str) -> int:
    """Join a cluster for a moment, in a process of its own; the cores of its largest node.

    Raises:
        ConfigError: it cannot be joined: no Ray, or another version of it or of Python.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROBE, address],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PROBE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as err:
        raise ConfigError(
            f"the Ray cluster at {address} did not let this machine in within {PROBE_S:.0f} s"
        ) from err
    lines = [line for line in done.stdout.split() if line.isdigit()]
    if done.returncode == 0 and lines:
        return int(lines[-1])
    reason = next(reversed(done.stderr.strip().splitlines()), f"exit code {done.returncode}")
    raise ConfigError(f"the Ray cluster at {address} cannot be joined: {reason}")


@contextmanager
def connected(config: RunConfig) -> Iterator[None]:
    """Join the cluster that a run names, or make one of this machine."""
    with _same_handler(signal.SIGTERM):  # Ray puts one of its own in place
        import ray

        where: dict[str, Any] = {"address": config.ray_address}
        if config.ray_address is None:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody was asked
            where = {
                "address": "local",
                "num_cpus": config.width * config.ray_cpus,
                "include_dashboard": False,
                "object_store_memory": STORE_BYTES,
                # Ray's workers are nice to others, 15 by default; a drive has timeouts to keep.
                "_system_config": {"worker_niceness": 0},
            }
        _join(where)
    try:
        yield
    finally:
        ray.shutdown()


def _join(where: Mapping[str, Any]) -> None:
    """Join or start a cluster.

    Raises:
        SimulatorError: it does not start.
    """
    import ray

    for tries in range(1, TRIES + 1):
        try:
            ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
            return
        except Exception as err:  # Ray raises plain ones, too
            ray.shutdown()
            lines = str(err).strip().splitlines() or [type(err).__name__]
            if tries == TRIES:
                raise SimulatorError(f"Ray does not start: {lines[0]}") from err
            logger.warning("Ray does not start, attempt %d: %s", tries, lines[0])


@contextmanager
def _same_handler(number: signal.Signals) -> Iterator[None]:
    """Leave a signal's handler as it was; only a main thread has handlers."""
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(number)
    try:
        yield
    finally:
        if is_main:
            signal.signal(number, before)
