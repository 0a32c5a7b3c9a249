"""The command line: `python -m harness.run --town Town03 --weather fog --input rgb fused`."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from tqdm.contrib.logging import logging_redirect_tqdm

from fusiondrive.cli import Parser, add_flags, exit_code, given_values
from fusiondrive.paths import user_path
from harness.benchmark_lock import parts_of_settings, read_lock
from harness.checks import check_settings, with_route_hazards, with_route_weather
from harness.config import RunConfig
from harness.dry_run import plan_table
from harness.engines import make_engine
from harness.kept_config import keep_config
from harness.models import check_arms_there, check_parts
from harness.run_report import report_on
from harness.runner import Run
from harness.suite_folder import check_folder_of, mark_folder
from harness.suites import load_parts
from results.grid import Table
from results.row import EpisodeRow
from results.store import RowStore
from results.table import make_tables, write_tables
from results.terminal import show
from scenarios.suite import suite


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return exit_code(
        lambda: _run(arguments), "stopped; rows so far are kept, the same command goes on"
    )


def _run(arguments: Sequence[str] | None) -> int:
    with interruptible():
        configs = parse(arguments)
        logging.basicConfig(level=configs[0].log_level.upper(), format="%(levelname)s: %(message)s")
        if configs[0].dry_run:
            show_plan(configs)
        else:
            evaluate(configs)
    return 0


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM end a run as Ctrl-C does: in order, with its servers stopped."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


class Results(NamedTuple):
    """What a run's folder has after it was driven."""

    rows: list[EpisodeRow]
    tables: list[Table]
    directory: Path


def evaluate(configs: Sequence[RunConfig]) -> None:
    """Drive a run, print its tables, and write its report where one is wanted.

    Args:
        configs: its parts, from `parse`; the first says where and how all of them are driven.

    Raises:
        ConfigError: something cannot be run as asked.
        SimulatorError: no simulator came up.
    """
    found = drive(configs)
    show(found.tables)
    print(f"rows, tables and records: {found.directory}", file=sys.stderr)
    report_on(configs[0])


def drive(configs: Sequence[RunConfig]) -> Results:
    """Drive what is not driven yet, and write rows and tables; see `evaluate`."""
    configs = [with_route_hazards(with_route_weather(config)) for config in configs]
    first = configs[0]
    chosen = None if first.suite is None else suite(first.suite)
    if chosen is not None:
        check_folder_of(chosen, first.directory)
    parts = check_parts(configs)
    lock = None if chosen is None else read_lock(chosen)
    if lock is not None and chosen is not None:
        lock.check(parts_of_settings(chosen, parts))
    engine = make_engine(first)
    engine.check()
    with RowStore(first.directory) as store:
        if lock is not None:
            lock.check_rows(store.rows(), first.directory)
        if chosen is not None:
            mark_folder(chosen, first.directory)
        for config in configs:
            keep_config(config)
        with logging_redirect_tqdm():
            engine.drive(Run(parts, store, lock))
        rows = store.rows()
        tables = make_tables(rows, first.suite, store.hazards())
        write_tables(rows, first.directory, tables)
    return Results(rows, tables, first.directory)


def show_plan(configs: Sequence[RunConfig]) -> None:
    """Print what would be driven, and then what stands against it.

    Raises:
        ConfigError: a name, a file or an arm's weights cannot be had.
    """
    configs = [with_route_hazards(with_route_weather(config)) for config in configs]
    for config in configs:
        check_settings(config)
    show([plan_table(configs)])
    if configs[0].suite is not None:
        check_folder_of(suite(configs[0].suite), configs[0].directory)
    check_arms_there(configs)


def parse(arguments: Sequence[str] | None = None) -> tuple[RunConfig, ...]:
    """Flags and the file they name, as configurations: one, or the parts of a suite.

    Raises:
        ConfigError: a flag, key or value is unknown.
    """
    options = _parser().parse_args(arguments)
    return load_parts(options.config, given_values(RunConfig, options))


def _parser() -> argparse.ArgumentParser:
    """Flags without defaults: what is not given comes from the file or from `RunConfig`."""
    parser = Parser(
        prog="python -m harness.run",
        description="Drive routes in closed loop and print what came of it.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config", type=user_path, metavar="FILE", help="YAML with the same keys; flags win"
    )
    add_flags(parser, RunConfig)
    return parser


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
