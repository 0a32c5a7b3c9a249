"""Trains the `oracle` student: the clear-day rendering of the same pose is its target.

    python -m fusionproxy.train --data DIR --out RUN [--minutes 15] [--resume]

An oracle student is an upper bound: no real camera has its targets. Progress stands on one line;
`RUN/state.pt` is written at every check and at the end, so that `--resume` goes on. Without
`--minutes` the same seed gives the same weights; with it, the learning rate follows the clock.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fusionproxy.config import PRESETS, preset
from fusionproxy.data import Pairs, data_hash, open_split, read_about
from fusionproxy.errors import FusionError, exit_without
from fusionproxy.provenance import UNKNOWN, source_commit

try:
    import torch
    from torch import Tensor

    from fusionproxy import metrics
    from fusionproxy.student import Padded, build, save
except ModuleNotFoundError as err:
    exit_without(err)

ENDLESS = 10**9  # steps
Batch = tuple[Tensor, Tensor, Tensor]  # thermal (B,1,h,w), degraded and clear (B,3,h,w), in [0, 1]


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training run."""

    data: str
    preset: str = "cpu"
    steps: int = 4000
    minutes: float | None = None  # of training without its checks; whichever ends first
    batch: int = 12
    crop_height: int = 128
    crop_width: int = 192
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup_steps: int = 100
    ema: float = 0.998
    ssim_weight: float = 0.3
    gradient_weight: float = 0.5
    seed: int = 0
    check_every: int = 500


def check_config(config: TrainConfig) -> None:
    """Raise FusionError where a number makes no sense."""
    for name in ("steps", "batch", "minutes"):
        value = getattr(config, name)
        if value is not None and value <= 0:
            raise FusionError(f"--{name}: expected more than 0, found {value}")


def loss_of(fused: Tensor, clear: Tensor, config: TrainConfig) -> Tensor:
    """L1 on colours, L1 on image gradients, and 1 - SSIM of the luma."""
    dx = (fused.diff(dim=3) - clear.diff(dim=3)).abs().mean()
    dy = (fused.diff(dim=2) - clear.diff(dim=2)).abs().mean()
    structure = 1.0 - metrics.block_ssim(luma_of(fused), luma_of(clear)).mean()
    pixel = (fused - clear).abs().mean()
    return pixel + config.gradient_weight * (dx + dy) + config.ssim_weight * structure


def luma_of(rgb: Tensor) -> Tensor:
    """BT.601 luma, (B, 3, H, W) to (B, 1, H, W)."""
    return 0.299 * rgb[:, :1] + 0.587 * rgb[:, 1:2] + 0.114 * rgb[:, 2:]


def draw_batch(pairs: Pairs, rng: np.random.Generator, config: TrainConfig) -> Batch:
    """Random crops, half of them mirrored."""
    thermal, degraded, clear = [], [], []
    for index in rng.integers(len(pairs), size=config.batch):
        low, heat, high = pairs.sample(int(index))
        if heat.shape[0] < config.crop_height or heat.shape[1] < config.crop_width:
            crop = (config.crop_height, config.crop_width)
            raise FusionError(f"captured images are {heat.shape}, smaller than the crop {crop}")
        y = int(rng.integers(heat.shape[0] - config.crop_height + 1))
        x = int(rng.integers(heat.shape[1] - config.crop_width + 1))
        step = -1 if rng.random() < 0.5 else 1
        window = (slice(y, y + config.crop_height), slice(x, x + config.crop_width))
        thermal.append(heat[window][:, ::step])
        degraded.append(low[window][:, ::step])
        clear.append(high[window][:, ::step])
    return to_tensors(np.stack(thermal), np.stack(degraded), np.stack(clear))


def to_tensors(
    thermal: NDArray[np.uint8], degraded: NDArray[np.uint8], clear: NDArray[np.uint8]
) -> Batch:
    """Bytes (B, H, W[, 3]) to planes in [0, 1]."""
    heat = torch.from_numpy(thermal[:, None].astype(np.float32) / 255)
    low, high = (
        torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32) / 255)
        for x in (degraded, clear)
    )
    return heat, low, high


@torch.no_grad()
def validate(student: Padded, pairs: Pairs, most: int = 80) -> dict[str, dict[str, float]]:
    """Mean L1, PSNR and SSIM by weather for the student, the input and average fusion."""
    student.eval()
    sums: dict[str, dict[str, list[float]]] = {}
    for index in range(0, len(pairs), max(1, len(pairs) // most)):
        low, heat, high = pairs.sample(index)
        thermal, degraded, clear = to_tensors(heat[None], low[None], high[None])
        images = {
            "student": student(thermal, degraded),
            "input": degraded,
            "average": (degraded + 0.5 * (thermal - luma_of(degraded))).clamp(0, 1),
        }
        entry = sums.setdefault(pairs.weathers[index], {})
        for name, image in images.items():
            for metric in (metrics.l1, metrics.psnr, metrics.ssim):
                key = f"{name}_{metric.__name__}"
                entry.setdefault(key, []).append(float(metric(image, clear)))
    student.train()
    return {
        weather: {"n": float(len(next(iter(entry.values())))), **_means(entry)}
        for weather, entry in sorted(sums.items())
    }


def _means(entry: dict[str, list[float]]) -> dict[str, float]:
    return {key: round(float(np.mean(values)), 5) for key, values in entry.items()}


@torch.no_grad()
def sample_grid(student: Padded, pairs: Pairs, path: Path, rows: int = 6) -> None:
    """Write a picture with a row per sample: degraded, thermal, fused, clear."""
    student.eval()
    lines = []
    for index in np.linspace(0, len(pairs) - 1, rows).astype(int):
        low, heat, high = pairs.sample(int(index))
        thermal, degraded, _ = to_tensors(heat[None], low[None], high[None])
        fused = (student(thermal, degraded)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
        grey = np.repeat(np.asarray(heat)[:, :, None], 3, 2)
        lines.append(np.hstack([low, grey, fused, high]))
    cv2.imwrite(str(path), np.vstack(lines)[:, :, ::-1])
    student.train()


class Trainer:
    """Everything that changes during a run and is saved in its state file."""

    def __init__(self, config: TrainConfig, run: Path) -> None:
        torch.manual_seed(config.seed)
        self.config, self.run = config, run
        self.student = build(preset(config.preset)).train()
        self.average = build(preset(config.preset))
        self.average.load_state_dict(self.student.state_dict())
        self.student.to(memory_format=torch.channels_last)  # faster on CPUs
        self.optimizer = torch.optim.AdamW(
            self.student.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        self.rng = np.random.default_rng(config.seed)
        self.step = 0
        self.seconds = 0.0
        self.commit = source_commit()

    @property
    def state_path(self) -> Path:
        """Where the run is kept."""
        return self.run / "state.pt"

    @property
    def done(self) -> float:
        """Share of the run that is behind, 0 to 1, by steps or by the clock."""
        minutes = self.config.minutes
        by_clock = 0.0 if minutes is None else self.seconds / (60.0 * minutes)
        return min(max(self.step / self.config.steps, by_clock), 1.0)

    def rate(self) -> float:
        """Learning rate of this step: linear warm-up, cosine to 1 %."""
        warm = min((self.step + 1) / self.config.warmup_steps, 1.0)
        cosine = 0.01 + 0.495 * (1.0 + math.cos(math.pi * self.done))
        return self.config.learning_rate * warm * cosine

    def train_step(self, pairs: Pairs) -> float:
        """One batch; returns its loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        thermal, degraded, clear = draw_batch(pairs, self.rng, self.config)
        loss = loss_of(self.student(thermal, degraded), clear, self.config)
        if not torch.isfinite(loss):
            np.savez(self.run / "nan_batch.npz", thermal=thermal, degraded=degraded, clear=clear)
            raise FusionError(f"the loss is {loss.item()} at step {self.step}; see nan_batch.npz")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        self._follow()
        return float(loss.detach())

    @torch.no_grad()
    def _follow(self) -> None:
        keep = min(self.config.ema, (1 + self.step) / (10 + self.step))
        ours = self.student.state_dict()
        for key, slow in self.average.state_dict().items():
            if slow.is_floating_point():
                slow.lerp_(ours[key], 1.0 - keep)
            else:
                slow.copy_(ours[key])

    def save_state(self) -> None:
        """Write the state file atomically."""
        state = {
            "student": self.student.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": json.dumps(self.rng.bit_generator.state),
            "step": self.step,
            "seconds": self.seconds,
            "commit": self.commit,
            "config": asdict(self.config),
        }
        partial = self.state_path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.state_path)

    def load_state(self) -> None:
        """Go on from the state file; the settings must be the same."""
        state = torch.load(self.state_path, weights_only=True)
        if TrainConfig(**state["config"]) != self.config:
            raise FusionError(f"{self.state_path} was made with other settings: {state['config']}")
        self.student.load_state_dict(state["student"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rng.bit_generator.state = json.loads(state["rng"])
        self.step, self.seconds = state["step"], state["seconds"]
        earlier = state.get("commit", UNKNOWN)
        if earlier != self.commit:
            self.commit = f"{earlier}, resumed at {self.commit}"


def train(config: TrainConfig, run: Path, *, resume: bool) -> Path:
    """Train to the last step; returns the student's file."""
    torch.set_flush_denormal(True)  # denormals slow a CPU down by an order of magnitude
    training, validation = open_split(Path(config.data))
    run.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(config, run)
    if resume and trainer.state_path.is_file():
        trainer.load_state()
    smooth = float("nan")
    while trainer.done < 1.0:
        started = time.perf_counter()
        loss = trainer.train_step(training)
        trainer.seconds += time.perf_counter() - started
        smooth = loss if smooth != smooth else 0.98 * smooth + 0.02 * loss
        if trainer.step % 20 == 0:
            show_progress(trainer, smooth)
        if trainer.step % config.check_every == 0 or trainer.done >= 1.0:
            check(trainer, validation, smooth)
    return finish(trainer, validation)


def show_progress(trainer: Trainer, smooth: float) -> None:
    """Rewrite the one line of progress."""
    speed = trainer.step * trainer.config.batch / trainer.seconds
    left = trainer.seconds * (1.0 / trainer.done - 1.0) / 60
    line = f"step {trainer.step} loss {smooth:.4f}, {speed:.0f} images/s, {left:.1f} min left "
    print(f"\r{line}", end="", file=sys.stderr, flush=True)


def check(trainer: Trainer, validation: Pairs, smooth: float) -> None:
    """Save, measure on held-out sequences and log one line."""
    trainer.save_state()
    result = validate(trainer.average, validation)
    line = {"step": trainer.step, "loss": smooth, "seconds": trainer.seconds, "validation": result}
    with (trainer.run / "log.jsonl").open("a") as log:
        log.write(json.dumps(line) + "\n")
    sample_grid(trainer.average, validation, trainer.run / "samples.png")


def finish(trainer: Trainer, validation: Pairs) -> Path:
    """Write the averaged weights and what is known of them."""
    path = trainer.run / "student.safetensors"
    facts = {
        "label": "oracle",
        "commit": trainer.commit,
        "train_config": json.dumps(asdict(trainer.config)),
        "data_hash": data_hash(Path(trainer.config.data)),
        "looks": json.dumps(looks_of(Path(trainer.config.data))),
        "seconds": f"{trainer.seconds:.0f}",
        "validation": json.dumps(validate(trainer.average, validation, most=400)),
    }
    save(trainer.average.eval(), path, facts)
    return path


def looks_of(folder: Path) -> list[int]:
    """Version of the look of captured pictures, as a list; empty where it is unknown."""
    look = (read_about(folder) or {}).get("look")
    return [] if look is None else [int(look)]


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="fusionproxy.train", description=__doc__)
    parser.add_argument("--data", required=True, help="folder of `fusionproxy.capture`")
    parser.add_argument("--out", required=True, type=Path, help="folder of the run")
    parser.add_argument("--preset", default="cpu", choices=sorted(PRESETS))
    parser.add_argument("--steps", type=int, help=f"default {TrainConfig.steps}, or by --minutes")
    parser.add_argument("--minutes", type=float, help="stop by the clock instead of by steps")
    parser.add_argument("--batch", type=int, default=TrainConfig.batch)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args(arguments)
    by_steps = TrainConfig.steps if options.minutes is None else ENDLESS
    config = TrainConfig(
        data=options.data,
        preset=options.preset,
        steps=by_steps if options.steps is None else options.steps,
        minutes=options.minutes,
        batch=options.batch,
        seed=options.seed,
    )
    try:
        check_config(config)
        path = train(config, options.out, resume=options.resume)
    except FusionError as err:
        print(f"error: {err}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; --resume goes on from the last check", file=sys.stderr)
        return 130
    print(f"\nwrote {path}; export it with `python -m fusionproxy.export {options.out}`")
    return 0


if __name__ == "__main__":
    sys.exit(main())
