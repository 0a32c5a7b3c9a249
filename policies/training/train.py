"""Train CILRS on recorded drives.

    python -m policies.training.train --data DATA --out RUN --minutes 40

then `python -m policies.training.export`. The loop is in `policies.training.trainer`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fusiondrive.cli import Flag, command_parser, configured, exit_code
from fusiondrive.files import check_folder
from policies.training.config import TrainConfig
from policies.training.trainer import train


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command beside those of `TrainConfig`."""

    out: Annotated[Path, Flag("folder of the run")]
    resume: Annotated[bool, Flag("go on from the last checkpoint")] = False


def run(arguments: list[str] | None) -> str:
    """Train as a command line says."""
    parser = command_parser("policies.training.train", __doc__, Options, TrainConfig)
    found = parser.parse_args(arguments)
    options, config = configured(Options, found), configured(TrainConfig, found)
    check_folder(options.out, flag="--out")
    train(config, options.out, resume=options.resume)
    return ""


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    return exit_code(lambda: run(arguments), "stopped; go on with the same line and --resume")


if __name__ == "__main__":
    sys.exit(main())
