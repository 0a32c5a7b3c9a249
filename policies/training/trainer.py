"""Trains CILRS: everything that a run learns from and changes, step by step.

The command line is `policies.training.train`.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.swa_utils import update_bn

from fusiondrive.files import output
from fusiondrive.provenance import source_commit
from fusionproxy.training import averaged, rate_factor
from policies.cilrs_network import Cilrs
from policies.framing import common_framing
from policies.training.augment import augment
from policies.training.batches import normalise, split, to_batch
from policies.training.config import TrainConfig
from policies.training.dataset import read_card, sampling_weights
from policies.training.learner import Learner, begin_with, restore, save
from policies.training.path_head import PathHead, path_loss
from policies.training.relabel import actions
from policies.training.short_drives import drive_apart
from policies.training.validation import log, validate

# Codevilla et al. 2019, "Exploring the Limitations of Behavior Cloning", with the settings of
# github.com/felipecode/coiltraine
STEER_WEIGHT, THROTTLE_WEIGHT = 0.5, 0.45  # the brake's, 0.05 there, is set by the configuration
BRANCH_WEIGHT = 0.95
SPEED_WEIGHT = 0.05
WARMUP_STEPS = 200
LEAST_RATE = 0.02  # of the highest, at the end
MOST_GRADIENT = 5.0  # norm
SHOW_EVERY = 20  # steps
JUDGE_EVERY_S = 180.0
STATISTICS_BATCHES = 40


class Trainer:
    """A run: what it learns from, what it changes, how far it is."""

    def __init__(self, config: TrainConfig, out: Path) -> None:
        torch.manual_seed(config.seed)
        self.config, self.out = config, out
        self.commit = source_commit()
        self.rng = np.random.default_rng(config.seed)
        cards = {folder: read_card(Path(folder)) for folder in config.data}
        # A set whose recording was cut short has no card.
        self.cards = {folder: card for folder, card in cards.items() if card is not None}
        self.preprocessing = common_framing(self.cards).preprocessing
        self.frames, self.held_out = split(config)
        self.probability = sampling_weights(self.frames)
        self.learner, self.begun_with = _begin(config)
        self.step, self.spent_s = 0, 0.0
        self.losses: list[float] = []
        self.total_steps = max(1, round(config.epochs * len(self.frames) / config.batch))

    @property
    def done(self) -> float:
        """Share of the budget that is used, 0 to 1."""
        if self.config.minutes:
            return self.spent_s / (60.0 * self.config.minutes)
        return self.step / self.total_steps

    @property
    def average(self) -> Cilrs:
        """The network of averaged weights."""
        return cast(Cilrs, self.learner.average.module)

    @property
    def last(self) -> Path:
        """The checkpoint."""
        return self.out / "last.pth"

    def resume(self) -> None:
        """Go on from the checkpoint."""
        self.step, self.spent_s = restore(self.last, self.learner)
        self.rng = np.random.default_rng((self.config.seed, self.step))

    def train_step(self) -> None:
        """One update; the budget is of these alone."""
        began = time.monotonic()
        rate = self.config.learning_rate * rate_factor(
            self.step, WARMUP_STEPS, self.done, LEAST_RATE
        )
        for group in self.learner.optimizer.param_groups:
            group["lr"] = rate
        loss = self._loss(self._draw())
        self.learner.descend(loss, MOST_GRADIENT)
        self.losses.append(float(loss.detach()))
        self.step += 1
        self.spent_s += time.monotonic() - began

    def _draw(self) -> NDArray[np.int64]:
        return self.rng.choice(len(self.frames), size=self.config.batch, p=self.probability)

    def _loss(self, index: NDArray[np.int64]) -> Tensor:
        frames, rng, preprocessing = self.frames, self.rng, self.preprocessing
        images = self._augmented(index)
        scale = preprocessing.speed_scale_mps
        true_mps = frames.speeds[index]
        replaced = rng.random(len(index)) < self.config.speed_dropout
        speed_mps = np.where(replaced, rng.uniform(0.0, scale, len(index)), true_mps).astype(
            np.float32
        )
        target = torch.from_numpy(actions(frames.steer[index], speed_mps, frames.wanted[index]))
        net = self.learner.net
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.precision == "bf16"):
            seen, joined = net.features(images, torch.from_numpy(speed_mps / scale)[:, None])
        seen, joined = seen.float(), joined.float()
        branch = torch.from_numpy(frames.branch[index])
        true_speed = torch.from_numpy(true_mps / scale)[:, None]
        error = action_error(net.act(joined), branch, target, self.config.brake_weight)
        speed_error = (net.speed_branch(seen) - true_speed).abs().mean()
        loss: Tensor = BRANCH_WEIGHT * error + SPEED_WEIGHT * speed_error
        if self.config.path_weight > 0.0:
            path_m = torch.from_numpy(frames.path[index])
            predicted_m = self.learner.path_head(joined, branch)
            loss = loss + self.config.path_weight * path_loss(predicted_m, path_m)
        return loss

    def _augmented(self, index: NDArray[np.int64]) -> Tensor:
        generator = torch.Generator().manual_seed(int(self.rng.integers(2**62)))
        images = to_batch(self.frames.images(index))
        changed = augment(images, self.config.augmentation, generator)
        return normalise(changed, self.preprocessing).contiguous(memory_format=torch.channels_last)

    def judge(self) -> dict[str, float]:
        """Validate, drive if asked for, and keep what was found with the weights."""
        numbers = validate(self.average, self.held_out, self.preprocessing)
        save(self.last, self.learner, self._facts(numbers))
        if self.config.drives:
            numbers |= drive_apart(self.last, self.config.check)
            save(self.last, self.learner, self._facts(numbers))
        loss = float(np.mean(self.losses[-200:] or [math.nan]))
        log(self.out, self.step, self.spent_s, loss, numbers)
        return numbers

    def refresh_statistics(self) -> None:
        """Recompute the batch-norm statistics of the averaged weights: a mean over batches."""
        update_bn(self._plain_batches(), self.average.backbone)

    def _plain_batches(self) -> Iterator[Tensor]:
        for _ in range(STATISTICS_BATCHES):
            yield normalise(to_batch(self.frames.images(self._draw())), self.preprocessing)

    def _facts(self, numbers: dict[str, float]) -> dict[str, Any]:
        """What a checkpoint and the model card tell of the run."""
        cards = self.cards
        return {
            "train": asdict(self.config),
            "network": self.config.network.to_dict(),
            **common_framing(cards).to_dict(),
            "validation": numbers,
            "data": list(cards.values()),
            "looks": sorted({look for card in cards.values() for look in card.get("looks", ())}),
            "begun_with": self.begun_with,
            "step": self.step,
            "minutes": round(self.spent_s / 60.0, 2),
            "commit": self.commit,
            "torch": str(torch.__version__),
        }


def _begin(config: TrainConfig) -> tuple[Learner, str]:
    """What training changes, and the hash of the weights that it begins with."""
    net = Cilrs(config.network).to(memory_format=torch.channels_last)
    begun_with = begin_with(Path(config.init), net) if config.init else ""
    average = averaged(net, config.ema_decay)
    path_head = PathHead(config.network)
    optimizer = torch.optim.AdamW(
        [*net.parameters(), *path_head.parameters()],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
    )
    return Learner(net, path_head, average, optimizer), begun_with


def train(config: TrainConfig, out: Path, *, resume: bool = False) -> None:
    """Train until the budget is used, with a checkpoint and a validation now and then."""
    torch.set_num_threads(config.threads)
    torch.set_flush_denormal(True)
    trainer = Trainer(config, out)
    with output(out):
        out.mkdir(parents=True, exist_ok=True)
    if resume:
        trainer.resume()
    _introduce(trainer)
    judged_at = time.monotonic()
    while trainer.done < 1.0:
        trainer.train_step()
        if trainer.step % SHOW_EVERY == 0:
            _show_progress(trainer)
        if time.monotonic() - judged_at > JUDGE_EVERY_S:
            trainer.judge()
            judged_at = time.monotonic()
    print()
    trainer.refresh_statistics()
    print(json.dumps(trainer.judge()))


def _introduce(trainer: Trainer) -> None:
    if trainer.begun_with:
        print(f"beginning with {trainer.config.init} ({trainer.begun_with})")
    parameters = sum(p.numel() for p in trainer.learner.net.parameters())
    print(
        f"{len(trainer.frames)} frames to train on, {len(trainer.held_out)} held out; "
        f"{parameters / 1e6:.1f} M parameters"
    )


def _show_progress(trainer: Trainer) -> None:
    rate = trainer.step * trainer.config.batch / max(trainer.spent_s, 1e-6)
    print(
        f"\r{100 * trainer.done:5.1f} %  step {trainer.step}  "
        f"loss {np.mean(trainer.losses[-100:]):.4f}  {rate:.0f} images/s ",
        end="",
        flush=True,
    )


def action_error(predicted: Tensor, branch: Tensor, target: Tensor, brake_weight: float) -> Tensor:
    """Weighted L1 on the branch of each sample's command.

    Args:
        predicted: (B, branches, 3).
        branch: (B,).
        target: (B, 3), steer, throttle and brake.
        brake_weight: beside those of steer and throttle.
    """
    chosen = predicted[torch.arange(len(branch)), branch]  # (B, 3)
    errors = (chosen - target).abs().mean(dim=0)  # (3,)
    weights = torch.tensor((STEER_WEIGHT, THROTTLE_WEIGHT, brake_weight))
    return (errors * weights).sum()
