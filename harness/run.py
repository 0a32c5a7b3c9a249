"""The command line: `python -m harness.run --town Town03 --weather fog --input rgb fused`."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from tqdm.contrib.logging import logging_redirect_tqdm

from fusiondrive.cli import EXIT_ERROR, EXIT_INTERRUPTED, Parser
from fusiondrive.errors import FusionDriveError
from fusiondrive.paths import user_path
from fusiondrive.text import lenient_output
from harness.checks import check_run, with_route_weather
from harness.config import BACKENDS, LOG_LEVELS, RunConfig, load_config
from harness.runner import Runner
from results.store import RowStore
from results.table import make_tables, write_tables
from results.terminal import show


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    lenient_output()
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        config = parse(arguments)
        logging.basicConfig(level=config.log_level.upper(), format="%(levelname)s: %(message)s")
        evaluate(config)
    except FusionDriveError as err:
        print(f"error: {err}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        print("stopped; rows so far are kept, the same command goes on", file=sys.stderr)
        return EXIT_INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
    return 0


def evaluate(config: RunConfig) -> None:
    """Drive a configuration and print its tables.

    Raises:
        ConfigError: something cannot be run as asked.
        SimulatorError: no simulator came up.
    """
    config = with_route_weather(config)
    models = check_run(config)
    with RowStore(config.directory) as store:
        with Runner(config, models, store) as runner, logging_redirect_tqdm():
            runner.run()
        rows = store.rows()
        tables = make_tables(rows, config.suite)
        write_tables(rows, config.directory, tables)
    show(tables)
    print(f"rows, tables and records: {config.directory}", file=sys.stderr)


def parse(arguments: Sequence[str] | None = None) -> RunConfig:
    """Flags and the file they name, as a configuration.

    Raises:
        ConfigError: a flag, key or value is unknown.
    """
    flags: dict[str, Any] = vars(_parser().parse_args(arguments))
    file: Path | None = flags.pop("config", None)
    return load_config(file, flags)


def _parser() -> argparse.ArgumentParser:
    """Flags without defaults: what is not given comes from the file or from `RunConfig`."""
    parser = Parser(
        prog="python -m harness.run",
        description="Drive routes in closed loop and print what came of it.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--config", type=user_path, metavar="FILE", help="YAML with the same keys; flags win")
    add("--town", nargs="+", help="such as Town02 Town03 random:7")
    add("--weather", nargs="+", help="such as clear fog night; route: the route file's own")
    add("--input", nargs="+", help="rgb, thermal, fused; several are compared in pairs")
    add(
        "--policy",
        help="cilrs (default), expert, autopilot, constant, module:Class, leaderboard:AGENT.py",
    )
    weights = ("--policy-weights", "--weights")
    add(*weights, type=user_path, metavar="FILE", help="default: the shipped ones")
    setup = "for leaderboard:AGENT.py's setup: a file or folder, or such as CONFIG.py+NET.pth+NAME"
    add("--agent-config", metavar="TEXT", help=setup)
    add("--fused-camera", metavar="ID", help="of that agent's RGB cameras; default: its first")
    add("--fuser", help="student (default), distilled, oracle, average, max, laplacian; "
        "NAME:blanked puts a grey plane in place of the infrared image")  # fmt: skip
    add("--fuser-weights", type=user_path, metavar="FILE", help="default: the shipped ones")
    add("--suite", help="appendix_b: the paper's matrix, printed beside its numbers")
    add("--routes", type=int, help="how many of the town's routes (default 10 of 25)")
    add("--route", help="drive this one route")
    add("--route-file", type=user_path, metavar="XML", help="routes in the Leaderboard's format")
    add("--seeds", type=int, help="how many seeds (default 1)")
    add("--seed", type=int, help="the first seed (default 0)")
    add("--traffic", help="empty (default), regular, dense, or VEHICLES+WALKERS such as 20+30")
    add("--collision-mode", help="stop (default) or continue")
    add("--backend", help=f"{', '.join(BACKENDS)} (default embedded)")
    add("--host", help="of an external server (default localhost)")
    add("--port", type=int, help="of an external server (default 2000), or to listen on")
    add(
        "--maps",
        type=user_path,
        metavar="DIR",
        help="official OpenDRIVE files for embedded servers",
    )
    add("--video", action=argparse.BooleanOptionalAction, help="write an mp4 per episode")
    add("--trace", action=argparse.BooleanOptionalAction, help="write a parquet per episode")
    add("--show", action=argparse.BooleanOptionalAction, help="open a window while driving")
    add("--out", type=user_path, metavar="DIR", help="default: runs/<name>")
    add("--workers", type=int, help="servers that drive side by side (default 1)")
    add("--retries", type=int, help="of an episode that the simulator broke (default 3)")
    add("--log-level", help=f"{', '.join(LOG_LEVELS)} (default warning)")
    return parser


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
