"""Trains a student: distilled from the cache of an ensemble, `direct` without one, or the `oracle`.

    python -m fusionproxy.train --ensemble CACHE --out RUN --preset cpu-hour
    python -m fusionproxy.train --clear SET --out RUN [--minutes 60]
    python -m fusionproxy.train --data CAPTURED --out RUN [--minutes 15]
    torchrun --nproc-per-node 8 -m fusionproxy.train --ensemble CACHE --out RUN --student paper

A direct student has no teacher: it learns from clear pictures in made-up weather and made-up
infrared, as teachers do that restore. An oracle student is an upper bound: no real camera has its
targets. Progress stands on one line;
`RUN/state.pt` is written at every check and at the end, and `--resume` goes on from there, on a CPU
to the same bits. Without `--minutes` the same seed gives the same weights; with it, the learning
rate follows the clock. `RUN/tensorboard` has the losses, `RUN/samples.png` pictures of held-out
pairs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from fusiondrive.cli import (
    Flag,
    Parser,
    command_parser,
    configured,
    exit_code,
    given_values,
)
from fusiondrive.files import check_folder
from fusiondrive.paths import path_text
from fusionproxy import mixing
from fusionproxy.errors import FusionError, exit_without
from fusionproxy.formats import weights_hash
from fusionproxy.layouts import LAYOUTS

try:
    from fusionproxy.ablations import ABLATIONS, ablation
    from fusionproxy.direct import DirectConfig
    from fusionproxy.distillation import DistillationConfig
    from fusionproxy.fidelity import FidelityConfig
    from fusionproxy.losses import STRUCTURES, LossConfig
    from fusionproxy.misalignment import Misalignment
    from fusionproxy.place import find_place
    from fusionproxy.student import facts_of
    from fusionproxy.trainer import TrainConfig, train
    from fusionproxy.training import ENDLESS
except (ModuleNotFoundError, FusionError) as err:
    exit_without(err)

# Settings by name; flags of the command line come on top.
RECIPES: Mapping[str, Mapping[str, Any]] = {
    # a useful student in an hour on two cores; measured in docs/fusion-measured.md
    "cpu-hour": {
        "student": "cpu_contrast",
        "minutes": 55.0,
        "batch": 4,
        "check_every": 600,
        "distillation": DistillationConfig(
            loss=LossConfig(structure="block8"),
            misalignment=None,
            fidelity=FidelityConfig(gradient_weight=2.0, intensity_weight=0.5),
            feature_every=16,
        ),
    },
    # appendix A: batch 8 on one GPU, 640x480; the learning rate is ours
    "paper": {"student": "paper", "batch": 8, "learning_rate": 2e-4, "steps": 22000},
}
WEIGHTS = "of Eq. 12: pixel, feature, structure; beside it: gradient, intensity (default 0)"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command beside those of `TrainConfig`."""

    ensemble: Annotated[
        str | None, Flag("cache of `fusionproxy.ensemble`: distil it", read=path_text)
    ] = None
    clear: Annotated[
        tuple[Path, ...],
        Flag("sets of pairs: train `direct` on their clear pictures", metavar="SET"),
    ] = ()
    layout: Annotated[str | None, Flag(f"of real pairs of --clear: {', '.join(LAYOUTS)}")] = None
    split: Annotated[str | None, Flag("of --clear, where the sets have them, such as train")] = None
    data: Annotated[
        str | None, Flag("folder of `harness.capture`: train the oracle", read=path_text)
    ] = None
    out: Annotated[Path, Flag("folder of the run")]
    preset: Annotated[
        str | None, Flag("settings that flags come on top of", choices=tuple(sorted(RECIPES)))
    ] = None
    ablation: Annotated[str | None, Flag("row of Table 4 or 7", choices=tuple(ABLATIONS))] = None
    weight: Annotated[tuple[str, ...], Flag(WEIGHTS, metavar="TERM=NUMBER")] = ()
    structure: Annotated[
        str | None, Flag("SSIM of Eq. 11; block8 is cheaper", choices=STRUCTURES)
    ] = None
    feature_every: Annotated[
        int | None, Flag("feature term in one of so many steps, as much stronger")
    ] = None
    mix: Annotated[tuple[str, ...], Flag(mixing.HELP, metavar=mixing.METAVAR)] = ()
    misalignment: Annotated[bool, Flag("displace the infrared, Eq. 14, or do not")] = True
    init: Annotated[
        Path | None, Flag("student (.safetensors) of the same network to begin with")
    ] = None
    device: Annotated[str, Flag("auto, cpu or cuda")] = "auto"
    resume: Annotated[bool, Flag("go on from the last check")] = False

    def __post_init__(self) -> None:
        """Check that there is one thing to learn from."""
        if sum(map(bool, (self.ensemble, self.data, self.clear))) != 1:
            raise FusionError(
                "expected one of --ensemble CACHE (distil it), --clear SET (direct) and "
                "--data CAPTURED (oracle)"
            )
        if not self.clear and (self.layout or self.split):
            raise FusionError(
                "--layout and --split are of --clear; a cache and captured pairs know"
            )

    @property
    def target(self) -> str:
        """What the student learns from."""
        if self.clear:
            return "direct"
        return "oracle" if self.ensemble is None else "ensemble"


def parser() -> Parser:
    """Options of the command."""
    return command_parser("fusionproxy.train", __doc__, Options, TrainConfig)


def config_of(found: argparse.Namespace) -> TrainConfig:
    """Settings of a command line."""
    options = configured(Options, found)
    settings: dict[str, Any] = dict(RECIPES.get(options.preset or "", {}))
    refuse_without_teachers(options, settings)
    if options.ablation is not None and (student := ablation(options.ablation).student):
        settings["student"] = student
    base = settings.get("distillation", DistillationConfig())
    settings |= {
        "distillation": distillation_of(options, base),
        "direct": direct_of(options),
        "begun_with": begun_with(options.init),
        **given_values(TrainConfig, found),
    }
    if settings.get("minutes") is not None:
        settings.setdefault("steps", ENDLESS)
    return TrainConfig(options.data or options.ensemble or "", options.target, **settings)


def begun_with(weights: Path | None) -> str:
    """Hash of the student to begin with; empty without one.

    Raises:
        FusionError: there is no student in the file.
    """
    if weights is None:
        return ""
    facts_of(weights)
    return weights_hash(weights)


def direct_of(options: Options) -> DirectConfig:
    """What a direct student learns from."""
    if not options.clear:
        return DirectConfig()
    mix = mixing.parse_weights("--mix", options.mix)
    folders = tuple(map(str, options.clear))
    misalignment = Misalignment() if options.misalignment else None
    return DirectConfig(folders, options.layout or "folders", options.split, mix, misalignment)


def distillation_of(options: Options, base: DistillationConfig) -> DistillationConfig:
    """How to distil: what a preset says, an ablation on top, flags on top."""
    changed = base
    if options.ablation is not None:
        row = ablation(options.ablation)
        loss = replace(changed.loss, **row.loss)
        changed = replace(changed, loss=loss, teachers=row.teachers, samples=row.samples)
    if not options.misalignment:
        changed = replace(changed, misalignment=None)
    changed = changed.weighted(mixing.parse_weights("--weight", options.weight))
    mix = () if options.clear else options.mix
    changed = replace(changed, mix=mixing.parse_weights("--mix", mix))
    if options.structure is not None:
        changed = replace(changed, loss=replace(changed.loss, structure=options.structure))
    if options.feature_every is not None:
        changed = replace(changed, feature_every=options.feature_every)
    return changed


def refuse_without_teachers(options: Options, settings: Mapping[str, Any]) -> None:
    """Flags that mean nothing to what is trained are errors."""
    if options.target == "ensemble":
        return
    given = {
        f"--preset {options.preset}": "distillation" in settings,
        "--ablation": options.ablation is not None,
        "--weight": bool(options.weight),
        "--structure": options.structure is not None,
        "--feature-every": options.feature_every is not None,
        "--mix": bool(options.mix) and options.target == "oracle",
    }
    for flag, is_given in given.items():
        if is_given:
            source = "--clear" if options.clear else "--data"
            raise FusionError(f"{flag} is of distillation; give --ensemble instead of {source}")


def run(arguments: list[str] | None) -> str:
    """Train as a command line says; returns what to say at the end."""
    found = parser().parse_args(arguments)
    options, config = configured(Options, found), config_of(found)
    check_folder(options.out, flag="--out")
    place = find_place(options.device)
    path = train(config, options.out, resume=options.resume, place=place, init=options.init)
    done = f"\nwrote {path}; export it with `python -m fusionproxy.export {options.out}`"
    return done if place.first else ""


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    return exit_code(lambda: run(arguments), "stopped; --resume goes on from the last check")


if __name__ == "__main__":
    sys.exit(main())
