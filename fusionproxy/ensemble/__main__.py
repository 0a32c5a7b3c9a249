r"""Caches the samples of an ensemble of teachers and their statistics, for distillation.

    python -m fusionproxy.ensemble --pairs DIR... --teacher ddfm=RUN --teacher mask_difuser=RUN \
        --panel standin --out CACHE --workers 2

Run it again after a break: only what is missing or broken is made. On several machines with a
shared folder give each `--part I/N` once one of them has written the manifest.
"""

from __future__ import annotations

import argparse
import sys

from fusiondrive.files import check_folder
from fusiondrive.paths import user_path
from fusiondrive.text import lenient_output
from fusionproxy.errors import FusionError, exit_code, exit_without
from fusionproxy.foundations.specs import PANELS, panel_specs, parse_weights
from fusionproxy.pairs import add_arguments, from_arguments, parse_size

try:
    import torch  # noqa: F401  the extra `train`

    from fusionproxy.ensemble.build import COLOURS, EnsembleConfig, build_ensemble
    from fusionproxy.ensemble.pair_list import PairList
except ModuleNotFoundError as err:
    exit_without(err)


def parser() -> argparse.ArgumentParser:
    """Options of the command."""
    made = argparse.ArgumentParser(
        prog="fusionproxy.ensemble",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--pairs", required=True, nargs="+", type=user_path, metavar="DIR")
    add_arguments(made)
    made.add_argument(
        "--limit", type=int, nargs="+", help="at most so many pairs of each folder, evenly chosen"
    )
    made.add_argument(
        "--teacher",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="ddfm=RUN, mask_difuser=RUN or NAME=package.module:function; may be repeated",
    )
    made.add_argument("--samples", type=int, default=EnsembleConfig.samples, help="K, a teacher")
    made.add_argument("--size", default="320x240", help="width x height; default 320x240")
    made.add_argument("--panel", default=EnsembleConfig.panel, choices=sorted(PANELS))
    made.add_argument("--weights", action="append", metavar="BACKBONE=FILE")
    made.add_argument("--ddfm-steps", type=int, default=EnsembleConfig.ddfm_steps)
    made.add_argument("--mask-steps", type=int, default=EnsembleConfig.mask_steps)
    made.add_argument(
        "--colour",
        default=EnsembleConfig.colour,
        choices=COLOURS,
        help="of samples; `visible` for teachers that have not learnt colour",
    )
    made.add_argument("--compat", action="store_true", help="DDFM with its repository's quirks")
    made.add_argument(
        "--keep-samples",
        type=int,
        default=EnsembleConfig.keep_samples,
        help="of so many pairs, for pictures; chosen evenly",
    )
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--workers", type=int, default=1)
    made.add_argument("--part", default="1/1", help="of several machines: 1/3, 2/3, 3/3")
    made.add_argument("--out", required=True, type=user_path)
    return made


def part_of(text: str) -> tuple[int, int]:
    """Read `I/N` as this machine's number, from 0, and the count of machines."""
    number, _, count = text.partition("/")
    if not (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise FusionError(f"--part: expected I/N such as 1/3, found '{text}'")
    return int(number) - 1, int(count)


def run(options: argparse.Namespace) -> str:
    """Make the cache and return the final message."""
    width, height = parse_size("--size", options.size)
    config = EnsembleConfig(
        tuple(options.teacher),
        options.samples,
        width,
        height,
        options.panel,
        ddfm_steps=options.ddfm_steps,
        compat=options.compat,
        mask_steps=options.mask_steps,
        colour=options.colour,
        keep_samples=options.keep_samples,
        seed=options.seed,
    )
    weights = parse_weights(options.weights)
    panel_specs(options.panel, weights)
    sources = [from_arguments(folder, options) for folder in options.pairs]
    pairs = PairList(sources, [folder.name for folder in options.pairs], options.limit)
    part = part_of(options.part)
    check_folder(options.out, flag="--out")
    made = build_ensemble(config, pairs, options.out, weights, options.workers, part)
    return (
        f"\nmade {made} pairs; distil with `python -m fusionproxy.train --ensemble {options.out}`"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    lenient_output()
    options = parser().parse_args(arguments)
    return exit_code(lambda: run(options), "stopped; the same command goes on")


if __name__ == "__main__":
    sys.exit(main())
