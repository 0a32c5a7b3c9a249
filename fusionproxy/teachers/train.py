"""Trains small priors on the pairs at hand: DDFM's unconditional one, or Mask-DiFuser's network.

    python -m fusionproxy.teachers.train --teacher ddfm --pairs DIR... --out RUN --minutes 60

Progress stands on one line; `--resume` goes on from the last check. `RUN` gets the pipeline (give
`ddfm=RUN` to `fusionproxy.ensemble`), its card, `log.jsonl`, and `samples.png` at every check:
infrared, visible, average, two samples of held-out pairs.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fusiondrive.cli import (
    Flag,
    check_values,
    command_parser,
    configured,
    exit_code,
    given_values,
)
from fusiondrive.files import check_folder
from fusionproxy import mixing
from fusionproxy.errors import FusionError, exit_without
from fusionproxy.pairs import PairOptions

try:
    import torch

    from fusionproxy.place import find_place
    from fusionproxy.teachers.images import open_sides
    from fusionproxy.teachers.registry import weights_of
    from fusionproxy.teachers.trainer import TeacherConfig, train
    from fusionproxy.training import ENDLESS
except (ModuleNotFoundError, FusionError) as err:
    exit_without(err)


@dataclass(frozen=True, kw_only=True)
class Options(PairOptions):
    """Options of this command beside those of `TeacherConfig`."""

    pairs: Annotated[tuple[Path, ...], Flag("folders of pairs", metavar="DIR")]
    out: Annotated[Path, Flag("folder of the run")]
    mix: Annotated[tuple[str, ...], Flag(mixing.HELP, metavar=mixing.METAVAR)] = ()
    init: Annotated[
        Path | None, Flag("folder of a trained teacher of the same --size to begin with")
    ] = None
    device: Annotated[str, Flag("auto, cpu or cuda")] = "auto"
    threads: Annotated[int | None, Flag("of torch; by default all cores", at_least=1)] = None
    resume: Annotated[
        bool, Flag("from the last check; more --steps or --minutes make an ended run longer")
    ] = False

    def __post_init__(self) -> None:
        """Check the options."""
        check_values(self)


def run(arguments: list[str] | None) -> str:
    """Train as a command line says; returns what to say at the end."""
    parser = command_parser("fusionproxy.teachers.train", __doc__, Options, TeacherConfig)
    found = parser.parse_args(arguments)
    options, given = configured(Options, found), given_values(TeacherConfig, found)
    if "minutes" in given:
        given.setdefault("steps", ENDLESS)
    mix = mixing.parse_weights("--mix", options.mix)
    config = TeacherConfig(**given, mix=mix, begun_with=weights_of(options.init))
    check_folder(options.out, flag="--out")
    if options.threads:
        torch.set_num_threads(options.threads)
    sources = [options.open_pairs(folder) for folder in options.pairs]
    sides = open_sides(sources, options.pairs, config.mix)
    place = find_place(options.device)
    train(config, sides, options.out, resume=options.resume, place=place, init=options.init)
    return f"\nwrote {options.out}; look at {options.out / 'samples.png'}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    return exit_code(lambda: run(arguments), "stopped; --resume goes on from the last check")


if __name__ == "__main__":
    sys.exit(main())
