"""Trains a small prior: what changes during a run, its state file, card and contact sheet.

The command line is `fusionproxy.teachers.train`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from fusiondrive.cli import Flag, check_values
from fusiondrive.provenance import source_commit
from fusionproxy.classical import average, fuse_luma
from fusionproxy.data import U8
from fusionproxy.errors import FusionError, missing_extra
from fusionproxy.fuse import write_image
from fusionproxy.pair_source import Pair

try:
    import torch
    from torch import Tensor, nn

    from fusionproxy import training
    from fusionproxy.place import Place
    from fusionproxy.teachers.diffusion import PREDICTIONS, Schedule, make_scheduler
    from fusionproxy.teachers.images import CleanImages, Sides
    from fusionproxy.teachers.objectives import (
        CROP_MULTIPLE,
        OBJECTIVES,
        CropConfig,
        at_random_times,
        objective,
    )
    from fusionproxy.teachers.registry import Sampling, open_teacher, read_network
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

INERTIA = 0.99  # of the loss that is shown
SHOW_EVERY = 10  # steps
SHOWN_WIDTH = 256
SHOWN_STEPS = {"ddfm": 25, "mask_difuser": 5}  # of a contact sheet during training


@dataclass(frozen=True)
class TeacherConfig:
    """Settings of one training run."""

    teacher: Annotated[str, Flag("which", choices=tuple(sorted(OBJECTIVES)))]
    size: Annotated[str, Flag("street, cpu, small, tiny; openai256 or paper: large")] = "small"
    # as both papers; `sample` learns faster where steps are few
    prediction: Annotated[str, Flag("what is predicted", choices=PREDICTIONS)] = "epsilon"
    crop: Annotated[int, Flag("side of the images that are drawn")] = 64
    batch: Annotated[int, Flag("images a step", more_than=0)] = 16
    infrared_share: Annotated[float, Flag("of the images", at_least=0, at_most=1)] = 0.2
    weather_share: Annotated[
        float,
        Flag(
            "of the visible images: restored from made-up fog or night and made-up infrared, in "
            "place of the paper's masks; mask_difuser alone",
            at_least=0,
            at_most=1,
        ),
    ] = 0.0
    steps: Annotated[int, Flag("length of the run, unless --minutes says it", more_than=0)] = 20000
    minutes: Annotated[float | None, Flag("stop by the clock instead of by steps", more_than=0)] = (
        None
    )
    mix: Mapping[str, float] = field(default_factory=dict)  # how often each set is drawn
    # Mask-DiFuser's paper: 5e-5, for a larger network and batch
    learning_rate: Annotated[float, Flag("at its highest", at_least=0)] = 3e-4
    weight_decay: float = 1e-4
    warmup_steps: Annotated[int, Flag("until the highest learning rate", more_than=0)] = 200
    ema: float = 0.999
    late_share: float = 0.25  # of the run, at its end, with the losses on the clean image
    seed: Annotated[int, Flag("of weights, crops, times and noise", at_least=0)] = 0
    check_every: Annotated[int, Flag("steps between checks", more_than=0)] = 1000
    begun_with: str = ""  # hash of the weights of --init

    def __post_init__(self) -> None:
        """Check the settings."""
        objective(self.teacher)  # whether there is one
        if self.crop <= 0 or self.crop % CROP_MULTIPLE:
            raise FusionError(f"--crop: expected a multiple of {CROP_MULTIPLE}, found {self.crop}")
        check_values(self, FusionError)
        if self.weather_share and self.teacher != "mask_difuser":
            raise FusionError(
                "--weather-share is of mask_difuser, which restores views; "
                f"'{self.teacher}' learns clean images alone"
            )

    @property
    def crops(self) -> CropConfig:
        """How crops are drawn."""
        return CropConfig(self.crop, self.batch, self.infrared_share, self.weather_share)


class TeacherTrainer(training.Descent[TeacherConfig]):
    """Everything that changes during a run and is saved in its state file."""

    def __init__(
        self,
        config: TeacherConfig,
        run: Path,
        place: Place | None = None,
        init: Path | None = None,
    ) -> None:
        """Begin a run.

        Args:
            config: settings.
            run: its folder.
            place: where to compute; the CPU by default.
            init: a trained teacher's folder to begin with in place of random weights.

        Raises:
            FusionError: `init` holds no teacher of this kind and size.
        """
        torch.manual_seed(config.seed)
        self.run, self.place = run, place or Place()
        self.objective = objective(config.teacher)
        network = self.objective.build(config.size)
        if init is not None:
            begin_with(network, config, init)
        self.network = network.train().to(self.place.device)
        super().__init__(config, self.network)
        self.schedule = Schedule(make_scheduler(config.prediction))
        self.rng = np.random.default_rng(config.seed)
        self.generator = torch.Generator().manual_seed(config.seed)

    @property
    def average(self) -> nn.Module:
        """The network of averaged weights."""
        return self.ema.module

    @property
    def state_path(self) -> Path:
        """Where the run is kept."""
        return self.run / "state.pt"

    def train_step(self, images: CleanImages) -> float:
        """One batch; returns its loss."""
        self.set_rate()
        loss = self.loss(self.network, images, self.rng, self.generator)
        if not torch.isfinite(loss):
            raise FusionError(f"the loss is {loss.item()} at step {self.step}; lower the rate")
        self.descend(loss)
        return float(loss.detach())

    def loss(
        self,
        network: nn.Module,
        images: CleanImages,
        rng: np.random.Generator,
        generator: torch.Generator,
    ) -> Tensor:
        """Loss of a fresh batch."""
        batch = self.objective.draw(images, rng, self.config.crops).to(self.place.device)
        step = at_random_times(batch, self.schedule, generator)
        late = self.done >= 1.0 - self.config.late_share
        with self.place.autocast():
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
        state = training.load_state(
            self.state_path, settings, self.place.device, may_differ=("steps", "minutes")
        )
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rng.bit_generator.state = json.loads(state["rng"])
        self.generator.set_state(state["generator"].cpu())
        self.step, self.seconds = state["step"], state["seconds"]
        training.restore_average(self.ema, state["average"], self.step)

    def save_pipeline(self) -> None:
        """Write the averaged network as a `diffusers` pipeline, its weights in half precision."""
        scheduler = make_scheduler(self.config.prediction)
        halved = copy.deepcopy(self.average).cpu().half()  # loading makes them single again
        self.objective.pipeline(halved, scheduler).save_pretrained(self.run)


def begin_with(network: nn.Module, config: TeacherConfig, folder: Path) -> None:
    """Put a trained teacher's weights into a network.

    Raises:
        FusionError: the folder holds none of this teacher and size.
    """
    found = read_network(config.teacher, folder).state_dict()
    wanted = {name: tuple(item.shape) for name, item in network.state_dict().items()}
    if {name: tuple(item.shape) for name, item in found.items()} != wanted:
        raise FusionError(
            f"--init: {folder} holds a {config.teacher} of another size than '{config.size}'; "
            "give the --size that its card names"
        )
    network.load_state_dict(found)


def train(
    config: TeacherConfig,
    sides: Sides,
    run: Path,
    *,
    resume: bool,
    place: Place | None = None,
    init: Path | None = None,
) -> None:
    """Train to the end; writes the pipeline, its card and a contact sheet."""
    torch.set_flush_denormal(True)
    _check_infrared(config, sides)
    if (run / "card.json").is_file() and not resume:
        raise FusionError(f"{run} holds a trained teacher; give --resume or another --out")
    run.mkdir(parents=True, exist_ok=True)
    trainer = TeacherTrainer(config, run, place, init)
    if resume and trainer.state_path.is_file():
        trainer.load_state()
    trainer.run_to_the_end(
        lambda: trainer.train_step(sides.training),
        lambda smooth: tell(trainer, smooth),
        lambda smooth: check(trainer, sides, smooth),
        INERTIA,
    )


def _check_infrared(config: TeacherConfig, sides: Sides) -> None:
    has_infrared = sides.training.infrared and sides.validation.infrared
    if config.infrared_share and not has_infrared:
        raise FusionError(
            f"--infrared-share {config.infrared_share:g}: the sets give no infrared images for "
            "training and validation (captured ones give their clear pictures alone); add real "
            "pairs, or give --infrared-share 0"
        )


def tell(trainer: TeacherTrainer, smooth: float) -> None:
    """Show progress now and then."""
    if trainer.step % SHOW_EVERY == 0:
        trainer.show_progress(smooth, f"{trainer.step / trainer.seconds:.2f} steps/s")


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
    teacher = teacher.on(trainer.place.device)
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
