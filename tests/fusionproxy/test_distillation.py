"""Distillation learns from an ensemble, resumes to the same bits, checks what it is given."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from fusionproxy import trainer as training
from fusionproxy.ablations import DUAL
from fusionproxy.card import command_of
from fusionproxy.distillation import DistillationConfig, DistillationTask
from fusionproxy.ensemble.cache import CachedEnsemble
from fusionproxy.errors import FusionError
from fusionproxy.fidelity import gradient_loss, intensity_loss
from fusionproxy.foundations.panel import Panel, ScaleEstimate
from fusionproxy.foundations.specs import PANELS
from fusionproxy.losses import LossConfig
from fusionproxy.mixing import parse_weights
from fusionproxy.train import config_of, parser
from fusionproxy.trainer import TrainConfig, Trainer, train

pytestmark = pytest.mark.heavy

SIZES = [(64, 80)] * 6 + [(64, 64)] * 4


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
    looks = thermal_looks = (1,)

    def __init__(self) -> None:
        rng = torch.Generator().manual_seed(0)
        self.sequences = [f"drive{i}" for i in range(len(SIZES))]
        self.sizes = SIZES
        self.names = [f"{'day' if i % 3 else 'night'}/{i}" for i in range(len(SIZES))]
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
def ensemble() -> CachedEnsemble:
    return cast(CachedEnsemble, MadeEnsemble())  # it has all that training asks of a cache


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, ensemble: CachedEnsemble) -> Callable[..., TrainConfig]:
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
    ensemble: CachedEnsemble,
) -> None:
    straight = DistillationTask(ensemble, DistillationConfig(misalignment=None), 2)
    displaced = DistillationTask(ensemble, DistillationConfig(), 2)
    a, b = (task.draw(np.random.default_rng(3)) for task in (straight, displaced))
    assert torch.equal(a["visible"], b["visible"])
    assert torch.equal(a["mean"], b["mean"])
    assert not torch.equal(a["infrared"], b["infrared"])
    seen = {tuple(straight.draw(np.random.default_rng(s))["mean"].shape[2:]) for s in range(20)}
    assert seen == set(SIZES)


@pytest.mark.parametrize(("night", "share"), [(1.0, 0.25), (0.0, 0.0)])
def test_sets_are_drawn_as_often_as_their_weights_say(
    ensemble: CachedEnsemble, night: float, share: float
) -> None:
    mixed = DistillationConfig(misalignment=None, mix={"night": night, "day": 3.0})
    task = DistillationTask(ensemble, mixed, batch=1)
    rng = np.random.default_rng(0)
    dark = {float(ensemble[i].infrared.sum()) for i in task.training if i % 3 == 0}
    drawn = [float(task.draw(rng)["infrared"].sum()) in dark for _ in range(400)]
    assert np.mean(drawn) == pytest.approx(share, abs=0.065)  # three standard errors


def test_other_sets_than_the_cache_has_are_refused(ensemble: CachedEnsemble) -> None:
    mixed = DistillationConfig(mix={"dusk": 1.0})
    with pytest.raises(FusionError, match="sets day, night; found dusk"):
        DistillationTask(ensemble, mixed, batch=1)


@pytest.mark.parametrize("items", [["a"], ["a=x"], ["=1"], ["a=-1"], ["a=nan"], ["a=1", "a=2"]])
def test_mix_that_makes_no_sense_is_a_clear_error(items: list[str]) -> None:
    with pytest.raises(FusionError, match="--mix: "):
        parse_weights("--mix", items)


def test_feature_term_of_some_steps_counts_as_much_more(ensemble: CachedEnsemble) -> None:
    every = DistillationTask(ensemble, DistillationConfig(misalignment=None), 2)
    config = DistillationConfig(misalignment=None, feature_every=3)
    some = DistillationTask(ensemble, config, 2)
    rng = np.random.default_rng(1)
    factors = [some.draw(rng)["feature_factor"] for _ in range(60)]
    assert set(factors) == {0.0, 3.0}
    assert np.mean(factors) == pytest.approx(1.0, abs=0.4)
    batch = every.draw(np.random.default_rng(0))
    fused = batch["visible"]
    whole, without, tripled = (
        some.loss(fused, {**batch, "feature_factor": factor}) for factor in (1.0, 0.0, 3.0)
    )
    term = whole["total"] - without["total"]
    assert float(tripled["total"] - without["total"]) == pytest.approx(3 * float(term), rel=1e-4)
    assert float(every.loss(fused, batch)["total"]) == pytest.approx(float(whole["total"]))


def test_mirrored_batches_stay_pairs(ensemble: CachedEnsemble) -> None:
    task = DistillationTask(ensemble, DistillationConfig(misalignment=None, feature_every=4), 1)
    members = [ensemble[i] for i in range(len(ensemble.names))]
    for seed in range(20):
        batch = task.draw(np.random.default_rng(seed))
        known = [torch.equal(m.visible, batch["visible"][0]) for m in members]
        flipped = [
            torch.equal(m.visible, batch["visible"][0].flip(-1))
            and torch.equal(m.infrared, batch["aligned"][0].flip(-1))
            and torch.equal(m.mean, batch["targets"].mean[0].flip(-1))
            for m in members
        ]
        assert any(known) != any(flipped)


def test_fidelity_terms_equal_a_hand_calculation() -> None:
    infrared = torch.tensor([[0.0, 0.5, 0.5]]).reshape(1, 1, 1, 3).expand(1, 1, 2, 3)
    visible = torch.tensor([[0.2, 0.4, 0.1]]).reshape(1, 1, 1, 3).expand(1, 1, 2, 3)
    flat = torch.zeros(1, 1, 2, 3)
    # along a row the stronger steps are 0.5 (infrared) and -0.3 (visible); down there is none
    assert float(gradient_loss(flat, infrared, visible)) == pytest.approx((0.5 + 0.3) / 2)
    assert float(intensity_loss(flat, infrared, visible)) == pytest.approx((0.2 + 0.5 + 0.5) / 3)


def test_weights_of_a_command_line_reach_the_loss(ensemble: CachedEnsemble) -> None:
    line = (
        "--ensemble C --out RUN --feature-every 5 --structure block8 --weight pixel=0.5 gradient=2"
    )
    config = config_of(parser().parse_args(line.split())).distillation
    assert (config.loss.pixel_weight, config.loss.structure_weight) == (0.5, 0.5)
    assert (config.fidelity.gradient_weight, config.feature_every) == (2.0, 5)
    task = DistillationTask(ensemble, config, 1)
    batch = task.draw(np.random.default_rng(0))
    assert task.loss(batch["visible"], batch)["gradient"] > 0
    settings = json.loads(json.dumps(dataclasses.asdict(TrainConfig("C", "ensemble"))))
    settings["distillation"] = json.loads(json.dumps(dataclasses.asdict(config)))
    assert (
        "pixel=0.5 feature=0.1 structure=0.5 gradient=2 intensity=0 --structure block8"
        in command_of(settings)
    )


@pytest.mark.parametrize("item", ["pixel", "pixel=much", "pixel=-1", "colour=1"])
def test_weight_that_makes_no_sense_is_a_clear_error(item: str) -> None:
    with pytest.raises(FusionError, match="--weight: "):
        config_of(parser().parse_args(["--ensemble", "C", "--out", "R", "--weight", item]))


def test_nan_stops_the_run_and_keeps_the_batch(
    opened: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(opened(), tmp_path)
    with torch.no_grad():
        next(trainer.student.parameters()).fill_(float("nan"))
    with pytest.raises(FusionError, match="the batch is in"):
        trainer.train_step()
    assert "visible" in np.load(tmp_path / "nan_batch.npz")


def test_cache_of_other_teachers_is_refused(ensemble: CachedEnsemble) -> None:
    with pytest.raises(FusionError, match="expected a cache of the teachers mask_difuser"):
        DistillationTask(ensemble, DistillationConfig(teachers=("mask_difuser",)), 2)
    with pytest.raises(FusionError, match="expected a cache of 4 samples"):
        DistillationTask(ensemble, DistillationConfig(samples=4), 2)


def test_command_line_combines_preset_ablation_and_flags() -> None:
    line = "--ensemble CACHE --out RUN --preset cpu-hour --ablation 4e --minutes 5 --mix A=2 B=1"
    config = config_of(parser().parse_args(line.split()))
    assert (config.target, config.minutes, config.batch) == ("ensemble", 5.0, 4)
    assert config.distillation.loss.temperature == float("inf")
    assert config.student == "cpu_contrast"  # the row names none
    assert config.distillation.loss.structure == "block8"  # the row changes the temperature only
    assert config.distillation.fidelity.gradient_weight == 2.0
    config = config_of(parser().parse_args([*line.split(), "--ablation", "4j"]))
    assert config.student == "efficientformerv2_s1"
    config = config_of(parser().parse_args([*line.split(), "--ablation", "4c"]))
    assert (config.distillation.teachers, config.distillation.samples) == (DUAL, 4)
    assert config.distillation.mix == {"A": 2.0, "B": 1.0}
    for flag in ("--ablation 4e", "--preset cpu-hour", "--mix A=2"):
        with pytest.raises(FusionError, match=f"{flag.split()[0]}.* is of distillation"):
            config_of(parser().parse_args(["--data", "D", "--out", "R", *flag.split()]))
