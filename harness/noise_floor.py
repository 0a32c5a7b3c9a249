"""How often one arm ends otherwise: driven twice with the same seed, and with other traffic.

Of rows that are there, without driving:

  python -m harness.noise_floor runs/a [runs/b ...]

By driving everything twice, each time with servers of its own, and with two seeds or more:

  python -m harness.noise_floor --town Town02 --traffic regular --seeds 2 --out runs/noise
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from itertools import combinations

from fusiondrive.cli import add_flags, command_parser, exit_code, given_values
from fusiondrive.errors import ConfigError
from fusiondrive.paths import user_path
from harness.config import RunConfig
from harness.run import drive, interruptible, show_plan
from harness.suites import load_parts
from results.frame import load_frame, to_rows
from results.grid import Table, write_markdown
from results.noise import Repeat, floor_table, floors, repeat_table, repeats
from results.reading import unique
from results.row import EpisodeRow
from results.terminal import show

ONCE, AGAIN = "once", "again"  # folders of the two drives
DIFFERENT = 1  # exit code where equal drives were not equal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 1 where equal episodes were not driven equally."""
    return exit_code(
        lambda: _run(arguments), "stopped; rows so far are kept, the same command goes on"
    )


def _run(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(arguments)
    given = given_values(RunConfig, options)
    if options.runs and given:
        raise ConfigError(
            f"rows of {options.runs[0]} need no driving; leave {', '.join(given)} out"
        )
    if options.runs:
        rows = [to_rows(load_frame(path)) for path in options.runs]
    else:
        configs = _both(given)
        if configs[0][0].dry_run:
            for once in configs:
                show_plan(once)
            return 0
        with interruptible():
            rows = [drive(once).rows for once in configs]
    again = [item for pair in combinations(rows, 2) for item in repeats(*pair)]
    tables = _tables([row for part in rows for row in part], again)
    if not options.runs:
        write_markdown(tables, configs[0][0].directory.parent / "noise_floor.md")
    show(tables)
    return DIFFERENT if any(item.has_to_be_equal and item.differing for item in again) else 0


def _tables(rows: Sequence[EpisodeRow], again: Sequence[Repeat]) -> list[Table]:
    found = floors(unique(rows))
    if not found and not again:
        raise ConfigError(
            "nothing to compare: expected routes with several seeds, or two runs of the same "
            "episodes; drive with --seeds 2, or give two runs"
        )
    tables = [repeat_table(again)] if again else []
    return [*tables, floor_table(found)] if found else tables


def _both(given: Mapping[str, object]) -> list[list[RunConfig]]:
    """The configurations of the two drives, each with a folder of its own."""
    configs = load_parts(None, given)
    logging.basicConfig(level=configs[0].log_level.upper(), format="%(levelname)s: %(message)s")
    folder = configs[0].directory
    return [
        [config.model_copy(update={"out": folder / name}) for config in configs]
        for name in (ONCE, AGAIN)
    ]


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("harness.noise_floor", __doc__)
    parser.add_argument(
        "runs", nargs="*", type=user_path, metavar="RUN", help="folders of runs, or files of rows"
    )
    add_flags(parser, RunConfig)
    return parser


if __name__ == "__main__":
    sys.exit(main())
