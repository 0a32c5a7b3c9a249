"""Distillation learns from an ensemble, resumes to the same bits, checks what it is given."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fusionproxy import train as training
from fusionproxy.distillation import DistillationConfig, DistillationTask
from fusionproxy.errors import FusionError
from fusionproxy.foundations.panel import Panel, ScaleEstimate
from fusionproxy.foundations.specs import PANELS
from fusionproxy.losses import LossConfig
from fusionproxy.train import TrainConfig, Trainer, config_of, parser, train

SIZES = [(64, 80)] * 6 + [(64, 64)] * 4


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@dataclasses.dataclass
class Member:
    infrared: Tensor
    visible: Tensor
    mean: Tensor
    variance: Tensor
    features: dict[str, Tensor]
    feature_variances: dict[str, Tensor]


class MadeEnsemble:
    """Four noisy copies of the brighter image a pair, in memory."""

    teachers = ("ddfm", "mask_difuser")
    samples = 2
    data_hash = "0" * 12

    def __init__(self) -> None:
        rng = torch.Generator().manual_seed(0)
        self.sequences = [f"drive{i}" for i in range(len(SIZES))]
        self.sizes = SIZES
        pairs = [
            (torch.rand(1, *s, generator=rng), torch.rand(3, *s, generator=rng)) for s in SIZES
        ]
        self._panel = Panel(PANELS["tiny"])
        estimate = ScaleEstimate()
        for _, visible in pairs:
            estimate.add(self._panel.raw(visible[None]))
        self._panel.set_scales(estimate.scales())
        self._members = [self._member(*pair, rng) for pair in pairs]
        self.mean_variances = {
            slot: float(np.mean([float(m.feature_variances[slot].mean()) for m in self._members]))
            for slot in self._panel.slots
        }

    def _member(self, infrared: Tensor, visible: Tensor, rng: torch.Generator) -> Member:
        brighter = torch.maximum(infrared, visible)
        noise = 0.05 * torch.randn(4, *visible.shape, generator=rng)
        drawn = (brighter + noise).clamp(0, 1)
        features = self._panel(drawn)
        return Member(
            infrared,
            visible,
            drawn.mean(0),
            drawn.var(0, correction=0).mean(0, keepdim=True),
            {slot: x.mean(0) for slot, x in features.items()},
            {slot: x.var(0, correction=0).sum(0, keepdim=True) for slot, x in features.items()},
        )

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, index: int) -> Member:
        return self._members[index]

    def panel(self) -> Panel:
        return self._panel

    def card(self) -> dict[str, Any]:
        return {"teachers": list(self.teachers)}


@pytest.fixture(scope="module")
def ensemble() -> MadeEnsemble:
    return MadeEnsemble()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, ensemble: MadeEnsemble) -> Callable[..., TrainConfig]:
    def open_task(config: TrainConfig) -> DistillationTask:
        return DistillationTask(ensemble, config.distillation, config.batch)

    monkeypatch.setattr(training, "open_task", open_task)

    def settings(**given: Any) -> TrainConfig:
        defaults: dict[str, Any] = {"steps": 6, "batch": 2, "warmup_steps": 2}
        return TrainConfig("cache", "ensemble", **{**defaults, **given})

    return settings


def test_student_comes_nearer_to_the_ensemble(
    opened: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    trainer = Trainer(opened(steps=40), tmp_path)
    before = trainer.task.validate(trainer.student.eval(), 80)["held-out"]
    trainer.student.train()
    for _ in range(40):
        trainer.train_step()
    after = trainer.task.validate(trainer.student.eval(), 80)["held-out"]
    assert after["student_total"] < 0.9 * before["student_total"]
    assert after["average_total"] == before["average_total"]


@pytest.mark.parametrize("routing", ["variance", "global"])
def test_resumed_run_equals_an_unbroken_one(
    opened: Callable[..., TrainConfig], tmp_path: Path, routing: str
) -> None:
    config = opened(distillation=DistillationConfig(LossConfig(routing=routing)))
    whole = Trainer(config, tmp_path)
    for _ in range(2):
        whole.train_step()
    whole.save_state()
    resumed = Trainer(config, tmp_path)
    resumed.load_state()
    assert [resumed.train_step() for _ in range(2)] == [whole.train_step() for _ in range(2)]


def test_run_leaves_weights_log_and_pictures(
    opened: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    path = train(opened(), tmp_path / "run", resume=False)
    assert path.is_file()
    for name in ("log.jsonl", "samples.png", "tensorboard", "state.pt"):
        assert (tmp_path / "run" / name).exists()
    with pytest.raises(FusionError, match="holds a trained student"):
        train(opened(), tmp_path / "run", resume=False)


def test_batches_are_of_one_size_and_only_the_infrared_is_displaced(
    ensemble: MadeEnsemble,
) -> None:
    straight = DistillationTask(ensemble, DistillationConfig(misalignment=None), 2)
    displaced = DistillationTask(ensemble, DistillationConfig(), 2)
    a, b = (task.draw(np.random.default_rng(3)) for task in (straight, displaced))
    assert torch.equal(a["visible"], b["visible"])
    assert torch.equal(a["mean"], b["mean"])
    assert not torch.equal(a["infrared"], b["infrared"])
    seen = {tuple(straight.draw(np.random.default_rng(s))["mean"].shape[2:]) for s in range(20)}
    assert seen == set(SIZES)


def test_nan_stops_the_run_and_keeps_the_batch(
    opened: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(opened(), tmp_path)
    with torch.no_grad():
        next(trainer.student.parameters()).fill_(float("nan"))
    with pytest.raises(FusionError, match="the batch is in"):
        trainer.train_step()
    assert "visible" in np.load(tmp_path / "nan_batch.npz")


def test_cache_of_other_teachers_is_refused(ensemble: MadeEnsemble) -> None:
    with pytest.raises(FusionError, match="expected a cache of the teachers mask_difuser"):
        DistillationTask(ensemble, DistillationConfig(teachers=("mask_difuser",)), 2)
    with pytest.raises(FusionError, match="expected a cache of 4 samples"):
        DistillationTask(ensemble, DistillationConfig(samples=4), 2)


def test_command_line_combines_preset_ablation_and_flags() -> None:
    line = "--ensemble CACHE --out RUN --preset cpu-hour --ablation 4e --minutes 5"
    config = config_of(parser().parse_args(line.split()))
    assert (config.target, config.minutes, config.batch) == ("ensemble", 5.0, 4)
    assert config.distillation.loss.temperature == float("inf")
    assert config.student == "paper"  # the row's own
    with pytest.raises(FusionError, match="--ablation is of distillation"):
        config_of(parser().parse_args(["--data", "D", "--out", "R", "--ablation", "4e"]))
