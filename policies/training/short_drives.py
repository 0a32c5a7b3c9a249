"""Short closed-loop drives, to judge weights while they are trained.

    python -m policies.training.short_drives RUN/last.pth --town Town02 random:9 --drives 6

prints one line of JSON for each town, and another of all where there are several: so networks are
compared by driving.
Routes are drawn with a seed of their own: neither those of collection nor the ready-made ones that
results are measured on. Open-loop errors say little about driving (Codevilla et al. 2018).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fusiondrive.cli import Flag, check_values, exit_code, parse
from fusiondrive.errors import ConfigError
from harness import launch
from policies.loading import load_cilrs
from results.stats import wilson
from scenarios.spec import EpisodeSpec

if TYPE_CHECKING:
    from harness.drive import Drive
    from policies.base import Policy

ROUTE_SEED = 7001
SPAN_S = 40.0  # simulated, of one drive at most
TIMEOUT_S = 120.0  # wall clock, for each drive of a check


@dataclass(frozen=True)
class DriveCheck:
    """What is driven."""

    town: str
    drives: int
    maps: Path | None = None
    scenery: int = 0  # seed of the server


def drive(policy: Policy, check: DriveCheck) -> dict[str, float]:
    """Drive the routes by clear day without traffic.

    Returns:
        `drives`, the share of them without a failure (`drive_success`) and the mean metres until
        the goal, the failure or the end of 40 s (`drive_m`).
    """
    from harness.env_config import EnvConfig
    from harness.server import ServerSpec
    from harness.simulation import Simulation
    from scenarios.generate import draw_route_file

    with tempfile.TemporaryDirectory() as folder:
        server = ServerSpec(town=check.town, maps=check.maps, seed=check.scenery)
        file = Path(folder) / "routes.xml"
        config = EnvConfig(server, camera=policy.camera, town=check.town, route_file=file)
        failures, metres = 0, 0.0
        with Simulation(config) as simulation:
            carla_map = simulation.town(check.town).map
            draw_route_file(carla_map, check.town, file, seed=ROUTE_SEED, count=check.drives)
            for number in range(check.drives):
                one = simulation.begin(_spec(check.town, number))
                failures += not _has_lasted(one, policy)
                metres += one.score().distance_m
    return {
        "drives": check.drives,
        "drive_success": round(1.0 - failures / check.drives, 4),
        "drive_m": round(metres / check.drives, 1),
    }


def _has_lasted(one: Drive, policy: Policy) -> bool:
    """Drive to the goal, a failure or the end of the time; whether it was no failure."""
    from harness.rollout import Stopped, rollout

    try:
        score = rollout(one, policy, should_stop=lambda: one.elapsed_s >= SPAN_S)
    except Stopped:
        return True
    return score.outcome.value == "success"


def together(towns: Sequence[dict[str, float]]) -> dict[str, object]:
    """Shares and means over the drives of several towns, with Wilson's 95 % interval."""
    drives = round(sum(numbers["drives"] for numbers in towns))
    good = round(sum(numbers["drives"] * numbers["drive_success"] for numbers in towns))
    metres = sum(numbers["drives"] * numbers["drive_m"] for numbers in towns)
    interval = wilson(good, drives)
    return {
        "drives": drives,
        "drive_success": round(good / drives, 4),
        "interval": [round(interval.low, 4), round(interval.high, 4)],
        "drive_m": round(metres / drives, 1),
    }


def drive_apart(weights: Path, check: DriveCheck) -> dict[str, float]:
    """The same in a process of its own: CARLA's client shares none of a trainer's threads.

    Raises:
        ConfigError: it could not be driven; the message is that of the other process.
    """
    command = launch.command("policies.training.short_drives", str(weights), "--town", check.town)
    command += ["--drives", str(check.drives), "--scenery", str(check.scenery)]
    if check.maps is not None:
        command += ["--maps", str(check.maps)]
    limit_s = TIMEOUT_S * (check.drives + 1)
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as err:
        raise ConfigError(f"short drives did not end within {limit_s:.0f} s") from err
    if answer.returncode:
        raise ConfigError(f"short drives failed: {answer.stderr.strip()[-500:]}")
    numbers: dict[str, float] = json.loads(answer.stdout.strip().splitlines()[-1])
    return numbers


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command."""

    weights: Annotated[Path, Flag("a checkpoint or an export", names=("weights",))]
    town: Annotated[tuple[str, ...], Flag("such as Town02 random:9")] = ("Town02",)
    drives: Annotated[int, Flag("in each town", at_least=1)] = 6
    maps: Annotated[Path | None, Flag("folder with official .xodr files", metavar="DIR")] = None
    scenery: Annotated[int, Flag("seed of the server", at_least=0)] = 0

    def __post_init__(self) -> None:
        """Check the options."""
        check_values(self)


def run(options: Options) -> str:
    """Drive as a command line says; a line for each town is printed when it is driven."""
    policy = load_cilrs(options.weights)
    found = []
    for town in options.town:
        check = DriveCheck(town, options.drives, options.maps, options.scenery)
        found.append(drive(policy, check))
        named = {"town": town} if len(options.town) > 1 else {}
        print(json.dumps({**named, **found[-1]}), flush=True)
    if len(found) == 1:
        return ""
    return json.dumps({"weights": policy.weights_hash(), **together(found)})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    module = "policies.training.short_drives"
    return exit_code(lambda: run(parse(Options, arguments, module, __doc__)))


def _spec(town: str, number: int) -> EpisodeSpec:
    return EpisodeSpec(
        town=town,
        route_id=f"{number:02d}",
        weather="clear",
        input="rgb",
        fuser="none",
        policy="cilrs",
        seed=number,
        traffic="empty",
    )


if __name__ == "__main__":
    sys.exit(main())
