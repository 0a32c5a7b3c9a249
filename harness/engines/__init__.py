"""What spreads the episodes of a run: this machine alone, a Ray cluster, or SLURM.

All engines make the same plan and the same rows. The packages that they need are imported only
where the engine is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from harness.config import RunConfig
from harness.runner import Run


class Engine(Protocol):
    """Drives a run."""

    def check(self) -> None:
        """Refuse what cannot be, before anything is started.

        Raises:
            ConfigError: a package, a command or a cluster is not there.
        """

    def drive(self, run: Run) -> None:
        """Drive what is not done yet; leaves no process behind.

        Raises:
            ConfigError: something cannot be driven as asked.
            SimulatorError: no simulator came up.
        """


def _local(config: RunConfig) -> Engine:
    from harness.engines.local import LocalEngine

    return LocalEngine(config)


def _ray(config: RunConfig) -> Engine:
    from harness.engines.ray import RayEngine

    return RayEngine(config)


def _slurm(config: RunConfig) -> Engine:
    from harness.engines.slurm import SlurmEngine

    return SlurmEngine(config)


ENGINES: Mapping[str, Callable[[RunConfig], Engine]] = {
    "local": _local,
    "ray": _ray,
    "slurm": _slurm,
}


def make_engine(config: RunConfig) -> Engine:
    """The engine that a configuration names."""
    return ENGINES[config.engine](config)
