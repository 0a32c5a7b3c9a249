"""Trains a student: distilled from the cache of an ensemble, or the `oracle`.

    python -m fusionproxy.train --ensemble CACHE --out RUN --preset cpu-hour
    python -m fusionproxy.train --data CAPTURED --out RUN [--minutes 15]
    torchrun --nproc-per-node 8 -m fusionproxy.train --ensemble CACHE --out RUN --student paper

An oracle student is an upper bound: no real camera has its targets. Progress stands on one line;
`RUN/state.pt` is written at every check and at the end, and `--resume` goes on from there, on a CPU
to the same bits. Without `--minutes` the same seed gives the same weights; with it, the learning
rate follows the clock. `RUN/tensorboard` has the losses, `RUN/samples.png` pictures of held-out
pairs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fusiondrive.files import check_folder
from fusiondrive.paths import path_text, user_path
from fusiondrive.provenance import UNKNOWN, source_commit
from fusiondrive.text import lenient_output
from fusionproxy import mixing
from fusionproxy.config import PRESETS, preset
from fusionproxy.data import U8
from fusionproxy.errors import FusionError, exit_code, exit_without
from fusionproxy.fuse import write_image

try:
    import torch
    from torch import Tensor, nn
    from torch.nn.parallel import DistributedDataParallel
    from torch.utils.tensorboard import SummaryWriter

    from fusionproxy import training
    from fusionproxy.ablations import ABLATIONS, ablation
    from fusionproxy.distillation import DistillationConfig, DistillationTask
    from fusionproxy.ensemble.cache import open_ensemble
    from fusionproxy.fidelity import FidelityConfig
    from fusionproxy.losses import STRUCTURES, LossConfig
    from fusionproxy.oracle import OracleConfig, OracleTask
    from fusionproxy.place import Place, find_place
    from fusionproxy.student import Padded, build, save
except ModuleNotFoundError as err:
    exit_without(err)

TARGETS = ("oracle", "ensemble")


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training run."""

    data: str
    target: str = "oracle"
    student: str = "cpu"
    steps: int = 4000
    minutes: float | None = None  # of training without its checks; whichever ends first
    batch: int = 12  # of each process
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup_steps: int = 100
    ema: float = 0.998
    seed: int = 0
    check_every: int = 500
    oracle: OracleConfig = field(default_factory=OracleConfig)
    distillation: DistillationConfig = field(default_factory=DistillationConfig)

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.target not in TARGETS:
            raise FusionError(f"unknown target '{self.target}'; known: {', '.join(TARGETS)}")
        for name in ("steps", "batch", "minutes", "check_every"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                shown = name.replace("_", "-")
                raise FusionError(f"--{shown}: expected more than 0, found {value}")


# Settings by name; flags of the command line come on top.
RECIPES: Mapping[str, Mapping[str, Any]] = {
    # a useful student in an hour on two cores; measured in docs/fusion.md
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


class Task(Protocol):
    """What a student learns from."""

    label: str
    modules: nn.Module | None  # to be trained together with the student

    def draw(self, rng: np.random.Generator) -> dict[str, Any]:
        """A batch; `infrared` and `visible` are the student's input."""
        ...

    def loss(self, fused: Tensor, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`total`, and its parts to log."""
        ...

    def validate(self, student: Padded, most: int) -> dict[str, dict[str, float]]:
        """Means over held-out sequences, by group."""
        ...

    def samples(self, student: Padded) -> U8:
        """A picture of held-out pairs, RGB."""
        ...

    def facts(self) -> Mapping[str, str]:
        """What the weights should say of their data."""
        ...


def open_task(config: TrainConfig) -> Task:
    """Open the data of a run."""
    if config.target == "oracle":
        return OracleTask(Path(config.data), config.oracle, config.batch)
    return DistillationTask(open_ensemble(Path(config.data)), config.distillation, config.batch)


class Trainer:
    """Everything that changes during a run and is saved in its state file."""

    def __init__(self, config: TrainConfig, run: Path, place: Place | None = None) -> None:
        torch.manual_seed(config.seed)
        self.config, self.run, self.place = config, run, place or Place()
        self.task = open_task(config)
        self.student = build(preset(config.student)).train().to(self.place.device)
        self.average = build(preset(config.student)).eval().to(self.place.device)
        self.average.load_state_dict(self.student.state_dict())
        self.student.to(memory_format=torch.channels_last)  # faster on CPUs
        self.model: nn.Module = self.student
        if self.place.world > 1:
            self.model = DistributedDataParallel(self.student)
        own = [] if self.task.modules is None else list(self.task.modules.parameters())
        self.optimizer = torch.optim.AdamW(
            [*self.student.parameters(), *own],
            config.learning_rate,
            weight_decay=config.weight_decay,
        )
        seed = config.seed if self.place.world == 1 else (config.seed, self.place.rank)
        self.rng = np.random.default_rng(seed)
        self.step = 0
        self.seconds = 0.0
        self.commit = source_commit()

    @property
    def state_path(self) -> Path:
        """Where the run is kept; other processes than the first keep their random state beside."""
        return self.run / ("state.pt" if self.place.first else f"state.rank{self.place.rank}.pt")

    @property
    def done(self) -> float:
        """Share of the run that is behind, 0 to 1, by steps or by the clock."""
        config = self.config
        return training.share_done(self.step, config.steps, self.seconds, config.minutes)

    def train_step(self) -> dict[str, float]:
        """One batch; returns its losses."""
        factor = training.rate_factor(self.step, self.config.warmup_steps, self.done)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * factor
        batch = self.task.draw(self.rng)
        device = self.place.device
        with self.place.autocast():
            fused = self.model(batch["infrared"].to(device), batch["visible"].to(device))
        losses = self.task.loss(fused.float(), batch)
        if not torch.isfinite(losses["total"]):
            self._give_up(batch, float(losses["total"].detach()))
        self.optimizer.zero_grad(set_to_none=True)
        losses["total"].backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        training.follow(self.average, self.student, self.step, self.config.ema)
        return {name: float(value.detach()) for name, value in losses.items()}

    def _give_up(self, batch: dict[str, Any], loss: float) -> None:
        path = self.run / "nan_batch.npz"
        arrays = {k: v.numpy() for k, v in batch.items() if isinstance(v, Tensor)}
        np.savez(path, **arrays)  # type: ignore[arg-type]
        raise FusionError(f"the loss is {loss} at step {self.step}; the batch is in {path.name}")

    def save_state(self) -> None:
        """Write the state file atomically."""
        own = self.task.modules
        state = {
            "student": self.student.state_dict(),
            "average": self.average.state_dict(),
            "task": {} if own is None else own.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": json.dumps(self.rng.bit_generator.state),
            "step": self.step,
            "seconds": self.seconds,
            "commit": self.commit,
            "config": json.dumps(asdict(self.config)),
        }
        training.save_state(self.state_path, state)

    def load_state(self) -> None:
        """Go on from the state file; the settings must be the same."""
        state = training.load_state(
            self.state_path, json.dumps(asdict(self.config)), self.place.device
        )
        self.student.load_state_dict(state["student"])
        self.average.load_state_dict(state["average"])
        if self.task.modules is not None:
            self.task.modules.load_state_dict(state["task"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rng.bit_generator.state = json.loads(state["rng"])
        self.step, self.seconds = state["step"], state["seconds"]
        earlier = state.get("commit", UNKNOWN)
        if earlier != self.commit:
            self.commit = f"{earlier}, resumed at {self.commit}"


def train(config: TrainConfig, run: Path, *, resume: bool, place: Place | None = None) -> Path:
    """Train to the last step; returns the student's file.

    Raises:
        FusionError: the data cannot be used, the run exists already, or a loss is not finite.
    """
    torch.set_flush_denormal(True)  # denormals slow a CPU down by an order of magnitude
    if (run / "student.safetensors").is_file() and not resume:
        raise FusionError(f"{run} holds a trained student; give --resume or another --out")
    trainer = Trainer(config, run, place)
    run.mkdir(parents=True, exist_ok=True)
    if resume and trainer.state_path.is_file():
        trainer.load_state()
    smooth = float("nan")
    with SummaryWriter(str(run / "tensorboard"), purge_step=trainer.step) as board:
        while trainer.done < 1.0:
            started = time.perf_counter()
            losses = trainer.train_step()
            trainer.seconds += time.perf_counter() - started
            total = losses["total"]
            smooth = total if smooth != smooth else 0.98 * smooth + 0.02 * total
            if trainer.step % 20 == 0 and trainer.place.first:
                show_progress(trainer, smooth)
                for name, value in losses.items():
                    board.add_scalar(f"loss/{name}", value, trainer.step)
            if trainer.step % config.check_every == 0 or trainer.done >= 1.0:
                check(trainer, smooth, board)
    return finish(trainer)


def show_progress(trainer: Trainer, smooth: float) -> None:
    """Rewrite the one line of progress."""
    speed = trainer.step * trainer.config.batch / trainer.seconds
    left = trainer.seconds * (1.0 / trainer.done - 1.0) / 60
    line = f"step {trainer.step} loss {smooth:.4f}, {speed:.0f} images/s, {left:.1f} min left "
    print(f"\r{line}", end="", file=sys.stderr, flush=True)


def check(trainer: Trainer, smooth: float, board: SummaryWriter) -> None:
    """Save, measure on held-out sequences and log one line."""
    trainer.save_state()
    if not trainer.place.first:
        return
    result = trainer.task.validate(trainer.average, 80)
    line = {"step": trainer.step, "loss": smooth, "seconds": trainer.seconds, "validation": result}
    with (trainer.run / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")
    for group, row in result.items():
        for name, value in row.items():
            board.add_scalar(f"{group}/{name}", value, trainer.step)
    picture = trainer.task.samples(trainer.average)
    write_image(trainer.run / "samples.png", picture)


def finish(trainer: Trainer) -> Path:
    """Write the averaged weights and what is known of them."""
    path = trainer.run / "student.safetensors"
    if not trainer.place.first:
        return path
    facts = {
        "label": trainer.task.label,
        "commit": trainer.commit,
        "train_config": json.dumps(asdict(trainer.config)),
        "seconds": f"{trainer.seconds:.0f}",
        "validation": json.dumps(trainer.task.validate(trainer.average, 400)),
        **trainer.task.facts(),
    }
    save(trainer.average, path, facts)
    return path


def parser() -> argparse.ArgumentParser:
    """Options of the command."""
    made = argparse.ArgumentParser(
        prog="fusionproxy.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = made.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--ensemble", type=path_text, help="cache of `fusionproxy.ensemble`: distil it"
    )
    source.add_argument(
        "--data", type=path_text, help="folder of `harness.capture`: train the oracle"
    )
    made.add_argument("--out", required=True, type=user_path, help="folder of the run")
    made.add_argument(
        "--preset", choices=sorted(RECIPES), help="settings that flags come on top of"
    )
    made.add_argument("--student", choices=sorted(PRESETS), help="network; default cpu")
    made.add_argument("--ablation", choices=list(ABLATIONS), help="row of Table 4 or 7")
    made.add_argument("--steps", type=int, help=f"default {TrainConfig.steps}, or by --minutes")
    made.add_argument("--minutes", type=float, help="stop by the clock instead of by steps")
    made.add_argument("--batch", type=int, help="of each process")
    made.add_argument("--learning-rate", type=float)
    made.add_argument("--check-every", type=int, help="steps between checks")
    made.add_argument("--seed", type=int)
    made.add_argument(
        "--weight",
        nargs="+",
        default=[],
        metavar="TERM=NUMBER",
        help="of Eq. 12: pixel, feature, structure; beside it: gradient, intensity (default 0)",
    )
    made.add_argument("--structure", choices=STRUCTURES, help="SSIM of Eq. 11; block8 is cheaper")
    made.add_argument(
        "--feature-every", type=int, help="feature term in one of so many steps, as much stronger"
    )
    made.add_argument("--mix", nargs="+", default=[], metavar=mixing.METAVAR, help=mixing.HELP)
    made.add_argument("--no-misalignment", action="store_true", help="distil without Eq. 14")
    made.add_argument("--device", default="auto", help="auto, cpu or cuda")
    made.add_argument("--resume", action="store_true")
    return made


FLAGS = ("student", "steps", "minutes", "batch", "learning_rate", "check_every", "seed")


def config_of(options: argparse.Namespace) -> TrainConfig:
    """Settings of a command line."""
    settings: dict[str, Any] = dict(RECIPES.get(options.preset or "", {}))
    if options.ensemble is None:
        refuse_for_the_oracle(options, settings)
    distillation = settings.pop("distillation", DistillationConfig())
    if options.ablation is not None:
        row = ablation(options.ablation)
        distillation = replace(distillation, loss=replace(distillation.loss, **row.loss))
        distillation = replace(distillation, teachers=row.teachers, samples=row.samples)
        if row.student is not None:
            settings["student"] = row.student
    if options.no_misalignment:
        distillation = replace(distillation, misalignment=None)
    distillation = distillation.weighted(mixing.parse_weights("--weight", options.weight))
    distillation = replace(distillation, mix=mixing.parse_weights("--mix", options.mix))
    if options.structure is not None:
        loss = replace(distillation.loss, structure=options.structure)
        distillation = replace(distillation, loss=loss)
    if options.feature_every is not None:
        distillation = replace(distillation, feature_every=options.feature_every)
    given = {name: getattr(options, name) for name in FLAGS}
    settings.update({name: value for name, value in given.items() if value is not None})
    if settings.get("minutes") is not None:
        settings.setdefault("steps", training.ENDLESS)
    target = "oracle" if options.ensemble is None else "ensemble"
    data = options.data or options.ensemble
    return TrainConfig(data=data, target=target, distillation=distillation, **settings)


def refuse_for_the_oracle(options: argparse.Namespace, settings: Mapping[str, Any]) -> None:
    """Flags that mean nothing without an ensemble are errors."""
    given = {
        f"--preset {options.preset}": "distillation" in settings,
        "--ablation": options.ablation is not None,
        "--mix": bool(options.mix),
    }
    for flag, is_given in given.items():
        if is_given:
            raise FusionError(f"{flag} is of distillation; give --ensemble instead of --data")


def run(options: argparse.Namespace) -> str:
    """Train as a command line says; returns what to say at the end."""
    check_folder(options.out, flag="--out")
    place = find_place(options.device)
    path = train(config_of(options), options.out, resume=options.resume, place=place)
    done = f"\nwrote {path}; export it with `python -m fusionproxy.export {options.out}`"
    return done if place.first else ""


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    lenient_output()
    options = parser().parse_args(arguments)
    return exit_code(lambda: run(options), "stopped; --resume goes on from the last check")


if __name__ == "__main__":
    sys.exit(main())
