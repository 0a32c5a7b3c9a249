"""Two checkouts' closed loops in turn, A B A B: `python -m harness.benchmark_pair OTHER`.

Both drive the loop of `python -m harness.benchmark`, each with a server of its own, and one waits
while the other drives, so that what else the machine does meets both. Processor time says what a
step costs where the machine is shared; the ratio of speeds is the median over the rounds.

python -m harness.benchmark_pair ../other --rounds 20 --steps 50 -- --weather night
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tabulate import tabulate

from fusiondrive.cli import exit_code
from fusiondrive.errors import ConfigError, FusionDriveError
from fusiondrive.paths import user_path
from fusiondrive.text import lenient_output
from fusiondrive.types import Closing

HERE = Path(__file__).parents[1]
WARM_UP_STEPS = 40
MOST_TRIES = 4  # at a turn in which no episode begins


class Turn(NamedTuple):
    """What one turn has taken; times are per step."""

    wall_ms: float
    client_ms: float  # processor time of all threads
    server_ms: float
    pictures: int  # digest of what the policy saw, in the warm-up alone


@dataclass(frozen=True)
class Side:
    """All turns of one checkout."""

    name: str
    turns: tuple[Turn, ...]

    def mean(self, name: str) -> float:
        """Mean over the turns of one of their numbers."""
        return statistics.fmean(float(getattr(turn, name)) for turn in self.turns)

    @property
    def processor_ms(self) -> float:
        """Processor time of client and server per step."""
        return self.mean("client_ms") + self.mean("server_ms")


class Checkout(Closing):
    """The benchmark of one checkout, in a process that waits between turns."""

    def __init__(self, folder: Path, options: Sequence[str]) -> None:
        """Start it.

        Args:
            folder: root of the checkout.
            options: of its `harness.benchmark`.
        """
        self._folder = folder
        source = Path(__file__).with_name("benchmark_turn.py").read_text(encoding="utf-8")
        self._process = subprocess.Popen(
            [sys.executable, "-c", source, *options],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def drive(self, steps: int) -> Turn:
        """Drive so many steps of one episode; turns in which another one begins are repeated.

        Raises:
            FusionDriveError: the benchmark has ended, or its episodes are too short.
        """
        for _ in range(MOST_TRIES):
            turn, is_whole = self._ask(steps)
            if is_whole:
                return turn
        raise FusionDriveError(f"no {steps} steps without a new episode: take fewer steps a turn")

    def warm_up(self) -> Turn:
        """Drive what is not counted, and learn what the policy has seen there."""
        return self._ask(-WARM_UP_STEPS)[0]

    def _ask(self, steps: int) -> tuple[Turn, bool]:
        assert self._process.stdin is not None, "both are pipes"
        assert self._process.stdout is not None, "both are pipes"
        try:
            self._process.stdin.write(f"{steps}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended; its answer says so
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            raise FusionDriveError(f"the benchmark of {self._folder} has ended: exit code {code}")
        told = json.loads(line)
        per_step_ms = 1000.0 / int(told["steps"])
        turn = Turn(
            wall_ms=per_step_ms * told["wall_s"],
            client_ms=per_step_ms * told["client_s"],
            server_ms=per_step_ms * told["server_s"],
            pictures=told["pictures"],
        )
        return turn, bool(told["is_whole"])

    def close(self) -> None:
        """Let it remove its actors and stop its server."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait()


def compare(folders: Sequence[Path], options: argparse.Namespace) -> tuple[list[Side], bool]:
    """Drive all rounds; the second value says whether the policies saw the same in the warm-up."""
    with ExitStack() as stack:
        checkouts, seen = list[Checkout](), list[int]()
        for folder in folders:  # the second server looks for ports when the first one has its own
            checkouts.append(stack.enter_context(Checkout(folder, options.benchmark)))
            seen.append(checkouts[-1].warm_up().pictures)
        turns: list[list[Turn]] = [[] for _ in checkouts]
        for number in range(options.rounds):
            for checkout, mine in zip(checkouts, turns, strict=True):
                mine.append(checkout.drive(options.steps))
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        sides = [Side(f.name, tuple(mine)) for f, mine in zip(folders, turns, strict=True)]
    return sides, len(set(seen)) == 1


def report(own: Side, other: Side, *, is_same: bool) -> str:
    """The comparison as text."""
    lines = [
        [
            side.name,
            f"{1000.0 / side.mean('wall_ms'):.1f}",
            f"{side.mean('client_ms'):.2f}",
            f"{side.mean('server_ms'):.2f}",
            f"{side.processor_ms:.2f}",
        ]
        for side in (own, other)
    ]
    headers = ["checkout", "steps/s", "client, ms", "server, ms", "both, ms"]
    ratios = [b.wall_ms / a.wall_ms for a, b in zip(own.turns, other.turns, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    pictures = "the same" if is_same else "different"
    return "\n".join(
        [
            tabulate(lines, headers=headers, tablefmt="github", disable_numparse=True),
            "",
            f"speed of {own.name} over {other.name}: {middle:.3f} (median of {len(ratios)} rounds; "
            f"quartiles {low:.3f} and {high:.3f})",
            f"processor time of {other.name} over {own.name}: "
            f"{other.processor_ms / own.processor_ms:.3f}",
            f"what the policies saw in the first {WARM_UP_STEPS} steps is {pictures}",
            "`client`, `server` and `both` are processor time per step.",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    lenient_output()
    given = list(sys.argv[1:] if arguments is None else arguments)
    middle = given.index("--") if "--" in given else len(given)
    options = argparse.Namespace(benchmark=given[middle + 1 :])
    return exit_code(lambda: _run(_parser().parse_args(given[:middle], options)))


def _run(options: argparse.Namespace) -> int:
    other: Path = options.other.resolve()
    if not (other / "harness" / "benchmark.py").is_file():
        raise ConfigError(f"{other}: expected a checkout with harness/benchmark.py, found none")
    for name, least in (("rounds", 2), ("steps", 1)):
        if getattr(options, name) < least:
            found = getattr(options, name)
            raise ConfigError(f"{name}: expected at least {least}, found {found}")
    (own_side, other_side), is_same = compare((HERE, other), options)
    print(report(own_side, other_side, is_same=is_same))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m harness.benchmark_pair",
        usage="%(prog)s OTHER [--rounds N] [--steps N] [-- OPTIONS OF harness.benchmark]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("other", type=user_path, help="root of the other checkout")
    parser.add_argument("--rounds", type=int, default=20, help="default: %(default)s")
    parser.add_argument("--steps", type=int, default=50, help="in a turn; default: %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
