"""How fast a policy loads and acts on one core.

    python -m policies.speed --policy cilrs

Ends with 1 where a limit is missed: 6 ms per step (median) and 2 s to load, imports included.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from fusiondrive.cli import Flag, check_values, exit_code, parse
from fusiondrive.errors import AgentError, ConfigError, FusionDriveError
from fusiondrive.types import Command, Observation
from policies import LEADERBOARD, make_policy
from policies.base import Policy, close_policy
from policies.faults import reason

WARM_UP_STEPS = 20
MISSED = 1


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command."""

    policy: Annotated[str, Flag("which")] = "cilrs"
    weights: Annotated[Path | None, Flag("by default the shipped ones", metavar="FILE")] = None
    steps: Annotated[int, Flag("that are timed", at_least=1)] = 300
    limit_ms: Annotated[float, Flag("of a step, median")] = 6.0
    limit_s: Annotated[float, Flag("of loading")] = 2.0

    def __post_init__(self) -> None:
        """Check the options."""
        check_values(self)


@dataclass(frozen=True)
class Speed:
    """What was measured."""

    load_s: float
    median_ms: float
    p95_ms: float
    steps: int


def measure(name: str, weights: Path | None, steps: int) -> Speed:
    """Load a policy and let it act on random images of its own camera's size.

    Raises:
        ConfigError: the policy cannot be driven without a simulator.
        AgentError: it failed.
    """
    began = time.perf_counter()
    policy = make_policy(name, weights)
    load_s = time.perf_counter() - began
    if policy.is_privileged or policy.sensors or name.startswith(LEADERBOARD):
        raise ConfigError(f"policy '{name}' needs a simulator: python -m harness.benchmark")
    try:
        times_ms = _act(policy, steps)
    except FusionDriveError:
        raise
    except Exception as err:  # foreign code may fail in any way
        raise AgentError(f"policy {name}: {reason(err)}") from err
    finally:
        close_policy(policy)
    median, p95 = np.percentile(times_ms, (50, 95))
    return Speed(load_s, float(median), float(p95), steps)


def _act(policy: Policy, steps: int) -> list[float]:
    rng, camera = np.random.default_rng(0), policy.camera
    images = rng.integers(0, 255, (8, camera.height, camera.width, 3), np.uint8)
    times_ms = []
    for step in range(WARM_UP_STEPS + steps):
        command = Command(1 + step % len(Command))
        view = Observation(images[step % len(images)], 5.0, command, (10.0, 0.0))
        began = time.perf_counter()
        policy.act(view, None)
        times_ms.append(1000.0 * (time.perf_counter() - began))
    return times_ms[WARM_UP_STEPS:]


def run(options: Options) -> int:
    """Measure as a command line says; returns the exit code."""
    if hasattr(os, "sched_setaffinity"):  # Linux; elsewhere the machine's cores are all used
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    speed = measure(options.policy, options.weights, options.steps)
    is_fast = speed.median_ms <= options.limit_ms and speed.load_s <= options.limit_s
    print(
        f"{options.policy}: {speed.median_ms:.2f} ms per step (95 %: {speed.p95_ms:.2f}) over "
        f"{speed.steps} steps on one core, loaded in {speed.load_s:.2f} s; limits "
        f"{options.limit_ms:g} ms and {options.limit_s:g} s: {'met' if is_fast else 'MISSED'}"
    )
    return 0 if is_fast else MISSED


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return exit_code(lambda: run(parse(Options, arguments, "policies.speed", __doc__)))


if __name__ == "__main__":
    sys.exit(main())
