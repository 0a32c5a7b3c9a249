"""Trains small priors on the pairs at hand: DDFM's unconditional one, or Mask-DiFuser's network.

    python -m fusionproxy.teachers.train --teacher ddfm --pairs DIR... --out RUN --minutes 60

Progress stands on one line; `--resume` goes on from the last check. `RUN` gets the pipeline (give
`ddfm=RUN` to `fusionproxy.ensemble`), its card, `log.jsonl`, and `samples.png` at every check:
infrared, visible, average, two samples of held-out pairs.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fusiondrive.files import check_folder
from fusiondrive.paths import user_path
from fusiondrive.provenance import source_commit
from fusiondrive.text import lenient_output
from fusionproxy import mixing
from fusionproxy.classical import average, fuse_luma
from fusionproxy.data import U8
from fusionproxy.errors import FusionError, exit_code, exit_without
from fusionproxy.fuse import write_image
from fusionproxy.pairs import Pair, add_arguments, from_arguments

try:
    import torch
    from torch import Tensor, nn

    from fusionproxy import training
    from fusionproxy.teachers.diffusion import PREDICTIONS, Schedule, make_scheduler
    from fusionproxy.teachers.images import CleanImages, Sides, open_sides
    from fusionproxy.teachers.objectives import (
        CROP_MULTIPLE,
        OBJECTIVES,
        CropConfig,
        at_random_times,
        objective,
    )
    from fusionproxy.teachers.registry import Sampling, open_teacher
except ModuleNotFoundError as err:
    exit_without(err)

SHOWN_WIDTH = 256
SHOWN_STEPS = {"ddfm": 25, "mask_difuser": 5}  # of a contact sheet during training


@dataclass(frozen=True)
class TeacherConfig:
    """Settings of one training run."""

    teacher: str
    size: str = "small"  # of `PRIORS` or `NETWORKS`
    prediction: str = "epsilon"  # as both papers; `sample` learns faster where steps are few
    crop: int = 64
    batch: int = 16
    infrared_share: float = 0.2
    steps: int = 20000
    minutes: float | None = None
    mix: Mapping[str, float] = field(default_factory=dict)  # how often each set is drawn
    learning_rate: float = 3e-4  # Mask-DiFuser's paper: 5e-5, for a larger network and batch
    weight_decay: float = 1e-4
    warmup_steps: int = 200
    ema: float = 0.999
    late_share: float = 0.25  # of the run, at its end, with the losses on the clean image
    seed: int = 0
    check_every: int = 1000

    def __post_init__(self) -> None:
        """Check the settings."""
        objective(self.teacher)  # whether there is one
        if self.crop <= 0 or self.crop % CROP_MULTIPLE:
            raise FusionError(f"--crop: expected a multiple of {CROP_MULTIPLE}, found {self.crop}")
        for name in ("steps", "batch", "minutes"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise FusionError(f"--{name}: expected more than 0, found {value}")

    @property
    def crops(self) -> CropConfig:
        """How crops are drawn."""
        return CropConfig(self.crop, self.batch, self.infrared_share)


class TeacherTrainer:
    """Everything that changes during a run and is saved in its state file."""

    def __init__(self, config: TeacherConfig, run: Path) -> None:
        torch.manual_seed(config.seed)
        self.config, self.run = config, run
        self.objective = objective(config.teacher)
        self.network = self.objective.build(config.size).train()
        self.average = self.objective.build(config.size).eval()
        self.average.load_state_dict(self.network.state_dict())
        self.network.to(memory_format=torch.channels_last)  # faster on CPUs
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        self.schedule = Schedule(make_scheduler(config.prediction))
        self.rng = np.random.default_rng(config.seed)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.step, self.seconds = 0, 0.0

    @property
    def state_path(self) -> Path:
        """Where the run is kept."""
        return self.run / "state.pt"

    @property
    def done(self) -> float:
        """Share of the run that is behind, by steps or by the clock."""
        config = self.config
        return training.share_done(self.step, config.steps, self.seconds, config.minutes)

    def train_step(self, images: CleanImages) -> float:
        """One batch; returns its loss."""
        factor = training.rate_factor(self.step, self.config.warmup_steps, self.done)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * factor
        loss = self.loss(self.network, images, self.rng, self.generator)
        if not torch.isfinite(loss):
            raise FusionError(f"the loss is {loss.item()} at step {self.step}; lower the rate")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        training.follow(self.average, self.network, self.step, self.config.ema)
        return float(loss.detach())

    def loss(
        self,
        network: nn.Module,
        images: CleanImages,
        rng: np.random.Generator,
        generator: torch.Generator,
    ) -> Tensor:
        """Loss of a fresh batch."""
        batch = self.objective.draw(images, rng, self.config.crops)
        step = at_random_times(batch, self.schedule, generator)
        late = self.done >= 1.0 - self.config.late_share
        return self.objective.loss(network, step, self.schedule, late=late)

    @torch.no_grad()
    def validate(self, images: CleanImages, batches: int = 8) -> float:
        """Loss on held-out images, with the same crops, times and noise at every check."""
        rng, generator = np.random.default_rng(1), torch.Generator().manual_seed(1)
        found = [self.loss(self.average, images, rng, generator) for _ in range(batches)]
        return float(torch.stack(found).mean())

    def save_state(self) -> None:
        """Write the state file atomically."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": json.dumps(self.rng.bit_generator.state),
            "generator": self.generator.get_state(),
            "step": self.step,
            "seconds": self.seconds,
            "config": asdict(self.config),
        }
        training.save_state(self.state_path, state)

    def load_state(self) -> None:
        """Go on from the state file; all settings but the length of the run must be the same."""
        settings = asdict(self.config)
        state = training.load_state(self.state_path, settings, may_differ=("steps", "minutes"))
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rng.bit_generator.state = json.loads(state["rng"])
        self.generator.set_state(state["generator"])
        self.step, self.seconds = state["step"], state["seconds"]

    def save_pipeline(self) -> None:
        """Write the averaged network as a `diffusers` pipeline, its weights in half precision."""
        scheduler = make_scheduler(self.config.prediction)
        halved = copy.deepcopy(self.average).half()  # loading makes them single again
        self.objective.pipeline(halved, scheduler).save_pretrained(self.run)


def train(config: TeacherConfig, sides: Sides, run: Path, *, resume: bool) -> None:
    """Train to the end; writes the pipeline, its card and a contact sheet."""
    torch.set_flush_denormal(True)
    if (run / "card.json").is_file() and not resume:
        raise FusionError(f"{run} holds a trained teacher; give --resume or another --out")
    run.mkdir(parents=True, exist_ok=True)
    trainer = TeacherTrainer(config, run)
    if resume and trainer.state_path.is_file():
        trainer.load_state()
    smooth = float("nan")
    while trainer.done < 1.0:
        started = time.perf_counter()
        loss = trainer.train_step(sides.training)
        trainer.seconds += time.perf_counter() - started
        smooth = loss if smooth != smooth else 0.99 * smooth + 0.01 * loss
        if trainer.step % 10 == 0:
            show_progress(trainer, smooth)
        if trainer.step % config.check_every == 0 or trainer.done >= 1.0:
            check(trainer, sides, smooth)


def show_progress(trainer: TeacherTrainer, smooth: float) -> None:
    """Rewrite the one line of progress."""
    speed = trainer.step / trainer.seconds
    left = trainer.seconds * (1.0 / trainer.done - 1.0) / 60
    line = f"step {trainer.step} loss {smooth:.4f}, {speed:.2f} steps/s, {left:.1f} min left "
    print(f"\r{line}", end="", file=sys.stderr, flush=True)


def check(trainer: TeacherTrainer, sides: Sides, smooth: float) -> None:
    """Save, measure, show samples; the pipeline can be used from the first check on."""
    trainer.save_state()
    trainer.save_pipeline()
    held_out = trainer.validate(sides.validation)
    line = {"step": trainer.step, "seconds": trainer.seconds, "loss": smooth, "held_out": held_out}
    with (trainer.run / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")
    card = card_of(trainer, sides, held_out)
    (trainer.run / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    (trainer.run / "card.md").write_text(describe(card), encoding="utf-8")
    write_image(trainer.run / "samples.png", contact_sheet(trainer, sides.shown))


def card_of(trainer: TeacherTrainer, sides: Sides, held_out: float) -> dict[str, Any]:
    """What is known of the weights."""
    return {
        "teacher": trainer.config.teacher,
        "label": "small prior, trained here; not the published weights",
        "parameters": sum(p.numel() for p in trainer.average.parameters()),
        "training": asdict(trainer.config),
        "step": trainer.step,
        "seconds": round(trainer.seconds),
        "held_out_loss": held_out,
        "images": len(sides.training),
        "data": sides.cards,
        "commit": source_commit(),
    }


def describe(card: dict[str, Any]) -> str:
    """The card as a page for people."""
    data = "; ".join(f"{d['layout']} {d['pairs']} pairs ({d['sha256_12']})" for d in card["data"])
    return "\n".join(
        [
            f"# Teacher {card['teacher']} ({card['training']['size']})", "",
            f"{card['label']}. {card['parameters'] / 1e6:.2f} M parameters, {card['step']} steps "
            f"in {card['seconds'] / 60:.0f} min at commit {card['commit']}.", "",
            f"- data: {data}; every fifth sequence held out",
            f"- loss on held-out images: {card['held_out_loss']:.4f}",
            f"- settings: `{json.dumps(card['training'])}`", "",
        ]
    )  # fmt: skip


def contact_sheet(trainer: TeacherTrainer, pairs: list[Pair], samples: int = 2) -> U8:
    """A row a pair: infrared, visible, average, samples; RGB."""
    name = trainer.config.teacher
    teacher = open_teacher(f"{name}={trainer.run}", {name: Sampling(SHOWN_STEPS[name])})
    rows = []
    width = min(SHOWN_WIDTH, *(pair.infrared.shape[1] for pair in pairs))
    for pair in pairs:
        height = max(32, round(pair.infrared.shape[0] * width / pair.infrared.shape[1]))
        small = pair.resized(width, min(height, 2 * width))
        heat = np.repeat(small.infrared[..., None], 3, 2)
        images = [heat, small.visible, fuse_luma(small.visible, small.infrared, average)]
        planes = (
            torch.from_numpy(small.infrared)[None, None] / 255,
            torch.from_numpy(small.visible.transpose(2, 0, 1).copy())[None] / 255,
        )
        for k in range(samples):
            fused = teacher.sample(*planes, torch.Generator().manual_seed(k))[0]
            images.append((fused.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy())
        rows.append(np.hstack(images))
    return np.asarray(np.vstack(rows), dtype=np.uint8)


def parser() -> argparse.ArgumentParser:
    """Options of the command."""
    made = argparse.ArgumentParser(prog="fusionproxy.teachers.train", description=__doc__)
    made.add_argument("--teacher", required=True, choices=sorted(OBJECTIVES))
    made.add_argument("--pairs", required=True, nargs="+", type=user_path, metavar="DIR")
    add_arguments(made)
    made.add_argument("--out", required=True, type=user_path, help="folder of the run")
    made.add_argument("--size", default="small", help="cpu, small, tiny; openai256 or paper: large")
    made.add_argument("--prediction", default="epsilon", choices=PREDICTIONS)
    made.add_argument("--steps", type=int, help=f"default {TeacherConfig.steps}, or by --minutes")
    made.add_argument("--minutes", type=float, help="stop by the clock instead of by steps")
    for name in ("crop", "batch", "seed", "check_every", "warmup_steps"):
        default = getattr(TeacherConfig, name)
        made.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    made.add_argument("--infrared-share", type=float, default=TeacherConfig.infrared_share)
    made.add_argument("--learning-rate", type=float, default=TeacherConfig.learning_rate)
    made.add_argument("--mix", nargs="+", default=[], metavar=mixing.METAVAR, help=mixing.HELP)
    made.add_argument("--threads", type=int, help="of torch; by default all cores")
    made.add_argument(
        "--resume",
        action="store_true",
        help="from the last check; more --steps or --minutes make an ended run longer",
    )
    return made


def run(options: argparse.Namespace) -> str:
    """Train as a command line says; returns what to say at the end."""
    check_folder(options.out, flag="--out")
    if options.threads:
        torch.set_num_threads(options.threads)
    by_steps = TeacherConfig.steps if options.minutes is None else training.ENDLESS
    given = {
        n: getattr(options, n) for n in TeacherConfig.__dataclass_fields__ if hasattr(options, n)
    }
    given["mix"] = mixing.parse_weights("--mix", options.mix)
    given["steps"] = by_steps if options.steps is None else options.steps
    config = TeacherConfig(**given)
    sources = [from_arguments(folder, options) for folder in options.pairs]
    train(
        config, open_sides(sources, options.pairs, config.mix), options.out, resume=options.resume
    )
    return f"\nwrote {options.out}; look at {options.out / 'samples.png'}"


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    lenient_output()
    options = parser().parse_args(arguments)
    return exit_code(lambda: run(options), "stopped; --resume goes on from the last check")


if __name__ == "__main__":
    sys.exit(main())
