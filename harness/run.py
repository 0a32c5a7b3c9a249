"""The command line: `python -m harness.run --town Town03 --weather fog --input rgb fused`."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from tqdm.contrib.logging import logging_redirect_tqdm

from fusiondrive.cli import Parser, add_flags, exit_code, given_values
from fusiondrive.paths import user_path
from harness.checks import check_run, with_route_hazards, with_route_weather
from harness.config import RunConfig, load_config
from harness.kept_config import keep_config
from harness.runner import Runner
from results.store import RowStore
from results.table import make_tables, write_tables
from results.terminal import show


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return exit_code(
        lambda: _drive(arguments), "stopped; rows so far are kept, the same command goes on"
    )


def _drive(arguments: Sequence[str] | None) -> int:
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        config = parse(arguments)
        logging.basicConfig(level=config.log_level.upper(), format="%(levelname)s: %(message)s")
        evaluate(config)
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
    return 0


def evaluate(config: RunConfig) -> None:
    """Drive a configuration and print its tables.

    Raises:
        ConfigError: something cannot be run as asked.
        SimulatorError: no simulator came up.
    """
    config = with_route_hazards(with_route_weather(config))
    models = check_run(config)
    with RowStore(config.directory) as store:
        keep_config(config)
        with Runner(config, models, store) as runner, logging_redirect_tqdm():
            runner.run()
        rows = store.rows()
        tables = make_tables(rows, config.suite, store.hazards())
        write_tables(rows, config.directory, tables)
    show(tables)
    print(f"rows, tables and records: {config.directory}", file=sys.stderr)


def parse(arguments: Sequence[str] | None = None) -> RunConfig:
    """Flags and the file they name, as a configuration.

    Raises:
        ConfigError: a flag, key or value is unknown.
    """
    options = _parser().parse_args(arguments)
    return load_config(options.config, given_values(RunConfig, options))


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
