"""Ask frozen policies what they would do on the same poses in other weather, without driving.

python -m harness.perception record --poses 300 --out runs/poses.parquet
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from fusiondrive.cli import exit_code, parse
from fusiondrive.errors import unknown_name
from harness.perception import (
    act,
    act_options,
    correlate,
    draw,
    leaderboard,
    pairs,
    perceive,
    perceive_options,
    rate,
    rate_options,
    record,
    record_options,
    sheet,
    tables,
)


class Step(NamedTuple):
    """One of the commands behind `harness.perception`."""

    options: type[Any]
    run: Callable[[Any, list[str]], str | int]
    help: str


STEPS: dict[str, Step] = {
    "record": Step(record_options.RecordOptions, record.run, "keep moments of the expert's drives"),
    "draw": Step(draw.DrawOptions, draw.run, "labelled frames of them in any weather"),
    "pairs": Step(pairs.PairsOptions, pairs.run, "pairs of them for students and teachers"),
    "act": Step(act_options.ActOptions, act.run, "policies' answers to every arm's picture"),
    "perceive": Step(
        perceive_options.PerceiveOptions, perceive.run, "frozen perception in every arm's picture"
    ),
    "rate": Step(rate_options.RateOptions, rate.run, "metrics of fusion of every arm's picture"),
    "leaderboard": Step(
        leaderboard.LeaderboardOptions,
        leaderboard.run,
        "fusers by what a driver needs, and by those",
    ),
    "table": Step(tables.TableOptions, tables.run, "tables and plot of such answers"),
    "sheet": Step(sheet.SheetOptions, sheet.run, "the poses on which an arm leads astray most"),
    "correlate": Step(
        correlate.CorrelateOptions, correlate.run, "errors on poses against success in drives"
    ),
}


def overview() -> str:
    """What the steps are."""
    lines = [f"  {name:<12}{step.help}" for name, step in STEPS.items()]
    usage = "usage: python -m harness.perception STEP [ARGUMENTS]; STEP --help tells more"
    return "\n".join([usage, "", str(__doc__), *lines])


def run(words: list[str]) -> str | int:
    """Run a step as a command line says.

    Raises:
        ConfigError: there is no such step, or an argument cannot be.
    """
    if not words or words[0] in ("-h", "--help"):
        return overview()
    name, *rest = words
    if name not in STEPS:
        raise unknown_name("step", name, STEPS)
    step = STEPS[name]
    about = sys.modules[step.run.__module__].__doc__
    options = parse(step.options, rest, f"harness.perception {name}", about)
    return step.run(options, rest)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    return exit_code(lambda: run(words), "stopped; the same command goes on")


if __name__ == "__main__":
    sys.exit(main())
