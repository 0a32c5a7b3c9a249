"""Trains a student: everything that changes during a run, its state file, its checks.

The command line is `fusionproxy.train`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol, cast

import numpy as np

from fusiondrive.arms import TWIN_OF
from fusiondrive.cli import Flag, check_values
from fusiondrive.provenance import UNKNOWN, source_commit
from fusionproxy.config import PRESETS, preset
from fusionproxy.data import U8
from fusionproxy.errors import FusionError, missing_extra
from fusionproxy.fuse import write_image

try:
    import torch
    from torch import Tensor, nn
    from torch.nn.parallel import DistributedDataParallel
    from torch.utils.tensorboard import SummaryWriter

    from fusionproxy import training
    from fusionproxy.direct import DirectConfig, DirectTask
    from fusionproxy.distillation import DistillationConfig, DistillationTask
    from fusionproxy.ensemble.cache import open_ensemble
    from fusionproxy.oracle import OracleConfig, OracleTask
    from fusionproxy.place import Place
    from fusionproxy.student import Blanked, Padded, build, load, save
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

TARGETS = ("oracle", "ensemble", "direct")
INERTIA = 0.98  # of the loss that is shown
SHOW_EVERY = 20  # steps


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training run."""

    data: str
    target: str = "oracle"
    student: Annotated[str, Flag("network", choices=tuple(sorted(PRESETS)))] = "cpu"
    steps: Annotated[int, Flag("length of the run, unless --minutes says it", more_than=0)] = 4000
    minutes: Annotated[
        float | None,
        Flag("of training without its checks; whichever ends first", more_than=0),
    ] = None
    batch: Annotated[int, Flag("pairs a step, of each process", more_than=0)] = 12
    learning_rate: Annotated[float, Flag("at its highest", at_least=0)] = 2e-3
    weight_decay: float = 1e-2
    warmup_steps: int = 100
    ema: float = 0.998
    seed: Annotated[int, Flag("of weights and batches", at_least=0)] = 0
    check_every: Annotated[int, Flag("steps between checks", more_than=0)] = 500
    blank_infrared: Annotated[
        bool, Flag("train the twin without infrared: it is fed a grey plane in its place")
    ] = False
    begun_with: str = ""  # hash of the weights of --init
    oracle: OracleConfig = field(default_factory=OracleConfig)
    distillation: DistillationConfig = field(default_factory=DistillationConfig)
    direct: DirectConfig = field(default_factory=DirectConfig)

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.target not in TARGETS:
            raise FusionError(f"unknown target '{self.target}'; known: {', '.join(TARGETS)}")
        check_values(self, FusionError)


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

    def validate(self, student: nn.Module, most: int) -> dict[str, dict[str, float]]:
        """Means over held-out sequences, by group."""
        ...

    def samples(self, student: nn.Module) -> U8:
        """A picture of held-out pairs, RGB."""
        ...

    def facts(self) -> Mapping[str, str]:
        """What the weights should say of their data."""
        ...


def open_task(config: TrainConfig) -> Task:
    """Open the data of a run."""
    if config.target == "oracle":
        return OracleTask(Path(config.data), config.oracle, config.batch)
    if config.target == "direct":
        return DirectTask(config.direct, config.batch)
    return DistillationTask(open_ensemble(Path(config.data)), config.distillation, config.batch)


class Trainer(training.Descent[TrainConfig]):
    """Everything that changes during a run and is saved in its state file."""

    def __init__(
        self,
        config: TrainConfig,
        run: Path,
        place: Place | None = None,
        init: Path | None = None,
    ) -> None:
        """Begin a run.

        Args:
            config: settings.
            run: its folder.
            place: where to compute; the CPU by default.
            init: a trained student's `.safetensors` to begin with in place of random weights.

        Raises:
            FusionError: the data cannot be used, or `init` is of another network.
        """
        torch.manual_seed(config.seed)
        self.run, self.place = run, place or Place()
        self.task = open_task(config)
        student = build(preset(config.student)) if init is None else begun(config.student, init)
        self.student = student.train().to(self.place.device)
        own = [] if self.task.modules is None else self.task.modules.parameters()
        super().__init__(config, self.student, own)
        self.model: nn.Module = self.student
        if self.place.world > 1:
            self.model = DistributedDataParallel(self.student)
        self.model = self.as_fed(self.model)
        seed = config.seed if self.place.world == 1 else (config.seed, self.place.rank)
        self.rng = np.random.default_rng(seed)
        self.commit = source_commit()

    @property
    def average(self) -> Padded:
        """The student of averaged weights."""
        return cast(Padded, self.ema.module)

    def as_fed(self, student: nn.Module) -> nn.Module:
        """A student as the run feeds it: with the infrared image, or a twin without."""
        return Blanked(student) if self.config.blank_infrared else student

    @property
    def label(self) -> str:
        """What the weights are called."""
        return TWIN_OF[self.task.label] if self.config.blank_infrared else self.task.label

    @property
    def state_path(self) -> Path:
        """Where the run is kept; other processes than the first keep their random state beside."""
        return self.run / ("state.pt" if self.place.first else f"state.rank{self.place.rank}.pt")

    def train_step(self) -> dict[str, float]:
        """One batch; returns its losses."""
        self.set_rate()
        batch = self.task.draw(self.rng)
        device = self.place.device
        with self.place.autocast():
            fused = self.model(batch["infrared"].to(device), batch["visible"].to(device))
        losses = self.task.loss(fused.float(), batch)
        if not torch.isfinite(losses["total"]):
            self._give_up(batch, float(losses["total"].detach()))
        self.descend(losses["total"])
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
        if self.task.modules is not None:
            self.task.modules.load_state_dict(state["task"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rng.bit_generator.state = json.loads(state["rng"])
        self.step, self.seconds = state["step"], state["seconds"]
        training.restore_average(self.ema, state["average"], self.step)
        earlier = state.get("commit", UNKNOWN)
        if earlier != self.commit:
            self.commit = f"{earlier}, resumed at {self.commit}"


def begun(name: str, weights: Path) -> Padded:
    """A trained student to go on with.

    Raises:
        FusionError: it is of another network than the preset of that name.
    """
    student = load(weights)
    if student.config != preset(name):
        raise FusionError(
            f"--init: {weights} is of another network than --student {name}: {student.config}"
        )
    return student


def train(
    config: TrainConfig,
    run: Path,
    *,
    resume: bool,
    place: Place | None = None,
    init: Path | None = None,
) -> Path:
    """Train to the last step; returns the student's file.

    Raises:
        FusionError: the data cannot be used, the run exists already, or a loss is not finite.
    """
    torch.set_flush_denormal(True)  # denormals slow a CPU down by an order of magnitude
    if (run / "student.safetensors").is_file() and not resume:
        raise FusionError(f"{run} holds a trained student; give --resume or another --out")
    trainer = Trainer(config, run, place, init)
    run.mkdir(parents=True, exist_ok=True)
    if resume and trainer.state_path.is_file():
        trainer.load_state()
    losses: dict[str, float] = {}

    def advance() -> float:
        losses.update(trainer.train_step())
        return losses["total"]

    with SummaryWriter(str(run / "tensorboard"), purge_step=trainer.step) as board:
        trainer.run_to_the_end(
            advance,
            lambda smooth: tell(trainer, smooth, losses, board),
            lambda smooth: check(trainer, smooth, board),
            INERTIA,
        )
    return finish(trainer)


def tell(
    trainer: Trainer, smooth: float, losses: Mapping[str, float], board: SummaryWriter
) -> None:
    """Show progress now and then."""
    if trainer.step % SHOW_EVERY or not trainer.place.first:
        return
    speed = trainer.step * trainer.config.batch / trainer.seconds
    trainer.show_progress(smooth, f"{speed:.0f} images/s")
    for name, value in losses.items():
        board.add_scalar(f"loss/{name}", value, trainer.step)


def check(trainer: Trainer, smooth: float, board: SummaryWriter) -> None:
    """Save, measure on held-out sequences and log one line."""
    trainer.save_state()
    if not trainer.place.first:
        return
    shown = trainer.as_fed(trainer.average)
    result = trainer.task.validate(shown, 80)
    line = {"step": trainer.step, "loss": smooth, "seconds": trainer.seconds, "validation": result}
    with (trainer.run / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")
    for group, row in result.items():
        for name, value in row.items():
            board.add_scalar(f"{group}/{name}", value, trainer.step)
    picture = trainer.task.samples(shown)
    write_image(trainer.run / "samples.png", picture)


def finish(trainer: Trainer) -> Path:
    """Write the averaged weights and what is known of them."""
    path = trainer.run / "student.safetensors"
    if not trainer.place.first:
        return path
    facts = {
        "label": trainer.label,
        "commit": trainer.commit,
        "train_config": json.dumps(asdict(trainer.config)),
        "seconds": f"{trainer.seconds:.0f}",
        "validation": json.dumps(trainer.task.validate(trainer.as_fed(trainer.average), 400)),
        **trainer.task.facts(),
    }
    save(trainer.average, path, facts)
    return path
