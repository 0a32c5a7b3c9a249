r"""Caches the samples of an ensemble of teachers and their statistics, for distillation.

    python -m fusionproxy.ensemble --pairs DIR... --teacher ddfm=RUN --teacher mask_difuser=RUN \
        --panel standin --out CACHE --workers 2

Run it again after a break: only what is missing or broken is made. On several machines with a
shared folder give each `--part I/N` once one of them has written the manifest.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fusiondrive.cli import Flag, check_values, command_parser, configured, exit_code
from fusiondrive.files import check_folder
from fusionproxy.errors import FusionError, exit_without
from fusionproxy.foundations.specs import panel_specs, parse_weights
from fusionproxy.pairs import PairOptions, parse_size

try:
    import torch  # noqa: F401  the extra `train`

    from fusionproxy.ensemble.build import EnsembleConfig, build_ensemble
    from fusionproxy.ensemble.pair_list import PairList
    from fusionproxy.place import find_place
except (ModuleNotFoundError, FusionError) as err:
    exit_without(err)


@dataclass(frozen=True, kw_only=True)
class Options(PairOptions):
    """Options of this command that do not change what a pair's samples are."""

    pairs: Annotated[tuple[Path, ...], Flag("folders of pairs", metavar="DIR")]
    limit: Annotated[
        tuple[int, ...] | None, Flag("at most so many pairs of each folder, evenly chosen")
    ] = None
    size: Annotated[str, Flag("of the samples", metavar="WIDTHxHEIGHT")] = "320x240"
    weights: Annotated[
        tuple[str, ...], Flag("may be repeated", metavar="BACKBONE=FILE", is_repeated=True)
    ] = ()
    workers: Annotated[int, Flag("processes", at_least=1)] = 1
    device: Annotated[str, Flag("auto, cpu or cuda")] = "auto"
    part: Annotated[str, Flag("of several machines: 1/3, 2/3, 3/3", metavar="I/N")] = "1/1"
    out: Annotated[Path, Flag("folder of the cache")]

    def __post_init__(self) -> None:
        """Check the options."""
        check_values(self)


def part_of(text: str) -> tuple[int, int]:
    """Read `I/N` as this machine's number, from 0, and the count of machines."""
    number, _, count = text.partition("/")
    if not (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise FusionError(f"--part: expected I/N such as 1/3, found '{text}'")
    return int(number) - 1, int(count)


def run(options: Options, config: EnsembleConfig) -> str:
    """Make the cache and return the final message."""
    weights = parse_weights(options.weights)
    panel_specs(config.panel, weights)
    sources = [options.open_pairs(folder) for folder in options.pairs]
    pairs = PairList(sources, [folder.name for folder in options.pairs], options.limit)
    part = part_of(options.part)
    check_folder(options.out, flag="--out")
    device = find_place(options.device).device
    made = build_ensemble(config, pairs, options.out, weights, options.workers, part, device)
    return (
        f"\nmade {made} pairs; distil with `python -m fusionproxy.train --ensemble {options.out}`"
    )


def command(arguments: list[str] | None) -> str:
    """Make the cache as a command line says."""
    parser = command_parser("fusionproxy.ensemble", __doc__, Options, EnsembleConfig)
    found = parser.parse_args(arguments)
    options = configured(Options, found)
    width, height = parse_size("--size", options.size)
    return run(options, configured(EnsembleConfig, found, width=width, height=height))


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    return exit_code(lambda: command(arguments), "stopped; the same command goes on")


if __name__ == "__main__":
    sys.exit(main())
