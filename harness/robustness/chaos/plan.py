"""What a chaos run drives, and which harm is done when: all of it drawn from one seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np
import yaml

from fusiondrive.files import whole_file
from fusiondrive.types import Pose
from harness.config import Timeouts
from harness.robustness.chaos.options import TRIES_AGAIN, ChaosOptions
from scenarios.route_files import write_route_xml
from scenarios.spec import RouteSpec

TOWN = "Town02"
DRIVER = "harness.robustness.chaos.driver:SeededDriver"
LENGTH_M = 34.0
# x, y and yaw at the start of straight stretches of Town02, as long as a route at least.
STARTS = (
    (177.0, -2.0, 180.0), (145.0, 2.0, 0.0), (115.0, -143.2, 0.0), (51.0, -76.8, 180.0),
    (-2.0, -177.1, 90.0), (122.0, -143.2, 0.0), (162.0, -2.0, 180.0), (86.8, -25.0, -90.0),
    (267.0, -41.9, -90.0), (108.0, -213.0, 0.0), (263.0, -179.1, 90.0), (237.1, -2.0, 180.0),
    (267.0, -29.9, -90.0), (105.0, -146.8, 180.0), (29.9, 2.0, 0.0), (2.0, -29.9, -90.0),
    (36.9, -213.0, 0.0), (175.0, -73.2, 0.0), (32.0, -73.2, 0.0), (2.0, -39.9, -90.0),
    (86.8, -29.0, -90.0), (132.0, -217.0, 180.0), (177.0, -143.2, 0.0), (136.0, -2.0, 180.0),
    (175.0, 2.0, 0.0),
)  # fmt: skip
# Short, so that a hung server is noticed soon: no map is loaded here whose kernels are not there.
TIMEOUTS = Timeouts(load_s=60.0, first_tick_s=15.0, tick_s=10.0, frame_s=5.0, connect_s=5.0)
# The last of the rows before which no harm is done any more: the run must be there to be harmed.
CALM_SHARE, CALM_ROWS = 0.03, 10
MAX_DELAY_S = 3.0


class Kind(str, Enum):
    """Ways to do harm."""

    KILL_SERVER = "server killed"
    KILL_WORKER = "worker killed"
    KILL_RUNNER = "runner killed"
    TORN_ROW = "runner killed, last row cut"
    FULL_DISK = "disk full"
    SECOND_RUNNER = "second runner"
    HANG_SERVER = "server stopped for good"
    PAUSE_SERVER = "server stopped for a moment"


SHARES = {
    Kind.KILL_SERVER: 0.28, Kind.KILL_WORKER: 0.26, Kind.KILL_RUNNER: 0.12, Kind.TORN_ROW: 0.1,
    Kind.FULL_DISK: 0.07, Kind.SECOND_RUNNER: 0.06, Kind.HANG_SERVER: 0.06, Kind.PAUSE_SERVER: 0.05,
}  # fmt: skip


@dataclass(frozen=True)
class Harm:
    """One harm: its kind, and the moment at which it is done."""

    number: int
    kind: Kind
    after_rows: int  # that stand in the file
    delay_s: float  # after that
    draw: float  # 0 to 1: chooses the victim, or how much of a row is cut off


class Key(NamedTuple):
    """What tells the episodes of a chaos run from each other."""

    route_id: str
    seed: int


def seeds_of(options: ChaosOptions) -> int:
    """How many seeds make the episodes that are asked for."""
    return math.ceil(options.episodes / len(STARTS))


def asked(options: ChaosOptions) -> frozenset[Key]:
    """The episodes of the run."""
    return frozenset(
        Key(str(route), seed) for route in range(len(STARTS)) for seed in range(seeds_of(options))
    )


def plan_harms(options: ChaosOptions) -> list[Harm]:
    """Kinds in a seeded order at seeded moments, the earliest first."""
    rng = np.random.default_rng([options.seed, options.harms])
    deck = _deck(options.harms)
    kinds = [deck[index] for index in rng.permutation(len(deck))]
    total = len(asked(options))
    last = total - max(int(CALM_SHARE * total), CALM_ROWS)
    moments = np.sort(rng.integers(0, last, options.harms))
    return [
        Harm(number, kind, int(rows), float(rng.uniform(0.0, MAX_DELAY_S)), float(rng.random()))
        for number, (kind, rows) in enumerate(zip(kinds, moments, strict=True))
    ]


def first_compared(options: ChaosOptions) -> tuple[int, int]:
    """The first seed that is driven undisturbed, too, and how many from there."""
    count = min(options.compare, seeds_of(options))
    rng = np.random.default_rng([options.seed, options.compare, 1])
    return int(rng.integers(0, seeds_of(options) - count + 1)), count


def write_plan(options: ChaosOptions) -> None:
    """Write routes and configuration of the run.

    Raises:
        OutputError: they cannot be written.
    """
    routes = [_route(i, *start) for i, start in enumerate(STARTS)]
    with whole_file(options.route_file) as draft:
        write_route_xml(draft, routes, {})
    values = {
        "town": TOWN,
        "policy": DRIVER,
        "route_file": str(options.route_file),
        "routes": len(STARTS),
        "seeds": seeds_of(options),
        "workers": options.workers,
        "retries": TRIES_AGAIN,
        "trace": options.trace,
        "out": str(options.run_folder),
        "timeouts": TIMEOUTS.model_dump(exclude_defaults=True),
    }
    with whole_file(options.config_file) as draft:
        draft.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def _deck(count: int) -> list[Kind]:
    """Kinds by their shares, each at least once where there are enough harms."""
    if count < len(SHARES):
        return list(SHARES)[:count]
    amounts = {kind: max(1, int(share * count)) for kind, share in SHARES.items()}
    most = max(amounts, key=amounts.__getitem__)
    while (excess := sum(amounts.values()) - count) != 0:
        amounts[most] -= 1 if excess > 0 else -1
        most = max(amounts, key=amounts.__getitem__)
    return [kind for kind, amount in amounts.items() for _ in range(amount)]


def _route(number: int, x: float, y: float, yaw: float) -> RouteSpec:
    angle = math.radians(yaw)
    end = Pose(x + LENGTH_M * math.cos(angle), y + LENGTH_M * math.sin(angle), 0.0, yaw=yaw)
    return RouteSpec(str(number), TOWN, (Pose(x, y, 0.0, yaw=yaw), end))
