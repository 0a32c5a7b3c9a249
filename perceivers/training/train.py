"""Train detector and segmenter on labelled frames of clear days.

    python -m perceivers.training train --data DATA --out RUN --minutes 60

then `python -m perceivers.training export`. The loop is in `perceivers.training.trainer`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fusiondrive.cli import Flag, command_parser, configured, exit_code
from fusiondrive.files import check_folder
from perceivers.training.trainer import TrainConfig, train


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command beside those of `TrainConfig`."""

    out: Annotated[Path, Flag("folder of the run", "DIR")]
    resume: Annotated[bool, Flag("go on from the last checkpoint")] = False


def run(arguments: Sequence[str] | None) -> str:
    """Train as a command line says; gives what was found on held-out towns."""
    parser = command_parser("perceivers.training train", __doc__, Options, TrainConfig)
    found = parser.parse_args(arguments)
    options, config = configured(Options, found), configured(TrainConfig, found)
    check_folder(options.out, flag="--out")
    return json.dumps(train(config, options.out, resume=options.resume))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return exit_code(lambda: run(arguments), "stopped; go on with the same line and --resume")
