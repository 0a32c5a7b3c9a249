"""Train CILRS on recorded drives, in one file from top to bottom.

`python -m policies.training.train --data DATA --out RUN --minutes 40`, then
`python -m policies.training.export`.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from fusiondrive.errors import ConfigError, FusionDriveError
from fusiondrive.files import check_folder, output
from fusiondrive.paths import path_text, user_path
from fusiondrive.text import lenient_output
from fusionproxy.errors import FusionError
from policies.cilrs import file_hash
from policies.cilrs_network import Cilrs, NetworkConfig
from policies.framing import common_framing
from policies.preprocess import Preprocessing
from policies.training.augment import Augmentation, augment
from policies.training.dataset import (
    Frames,
    driving_views,
    flatten,
    load_episodes,
    read_card,
    sampling_weights,
)
from policies.training.learner import Learner, begin_with, current_commit, restore, save
from policies.training.path_head import PathHead, path_loss
from policies.training.relabel import actions
from policies.training.short_drives import DriveCheck, drive_apart

# Codevilla et al. 2019, "Exploring the Limitations of Behavior Cloning", with the settings of
# github.com/felipecode/coiltraine
ACTION_WEIGHTS = (0.5, 0.45, 0.05)  # steer, throttle, brake
BRANCH_WEIGHT = 0.95
SPEED_WEIGHT = 0.05
LIGHTS = ("obey", "ignore")
PRECISIONS = ("fp32", "bf16")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that changes the result."""

    data: tuple[str, ...]  # directories of policies.training.collect
    backbone: str = "resnet10t"
    slimness: float = 1.0
    minutes: float = 0.0  # budget; 0 trains `epochs`
    epochs: float = 10.0
    batch: int = 120
    learning_rate: float = 6e-4
    weight_decay: float = 1e-4
    ema_decay: float = 0.998
    speed_dropout: float = 0.3  # share of samples whose speed is replaced, pedals with it
    init: str = ""  # weights of an earlier run to begin with, for rounds of aggregation
    lights: str = "obey"  # or `ignore`: pedals as on a street without traffic lights
    brightness: float = Augmentation.brightness
    contrast: float = Augmentation.contrast
    tint: float = Augmentation.tint
    noise: float = Augmentation.noise
    scenery_swap: float = Augmentation.scenery_swap
    path_weight: float = 0.0  # of predicting the route ahead beside the actions
    held_out: float = 0.08  # share of routes kept for validation
    drives: int = 0  # short closed-loop drives at each validation
    drive_town: str = "Town02"  # where; its ready-made routes stay unseen
    drive_maps: str = ""  # directory with official .xodr files
    drive_scenery: int = 0  # seed of the server
    precision: str = "fp32"  # of features and their gradients; bf16 is faster with AVX-512 BF16
    threads: int = 2
    seed: int = 1


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    lenient_output()
    parser = argparse.ArgumentParser(prog="python -m policies.training.train", description=__doc__)
    parser.add_argument("--out", type=user_path, required=True, help="run directory")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    for field in fields(TrainConfig):
        flag = "--" + field.name.replace("_", "-")
        if field.name == "data":
            parser.add_argument(
                flag, type=path_text, required=True, nargs="+", help="directories of drives"
            )
        else:
            kind = {"str": str, "float": float, "int": int}[str(field.type)]
            is_path = field.name in ("init", "drive_maps")
            parser.add_argument(flag, type=path_text if is_path else kind, default=field.default)
    options = vars(parser.parse_args(arguments))
    out, resume = options.pop("out"), options.pop("resume")
    options["data"] = tuple(options["data"])
    try:
        check_folder(out, flag="--out")
        train(TrainConfig(**options), out, resume=resume)
    except (FusionDriveError, FusionError, OSError) as err:
        print(f"error: {err}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nstopped; go on with --resume --out {out}", file=sys.stderr)
        return 130
    return 0


def check_of(config: TrainConfig) -> DriveCheck:
    """The short drives of a validation."""
    maps = Path(config.drive_maps) if config.drive_maps else None
    return DriveCheck(config.drive_town, config.drives, maps, config.drive_scenery)


def network_of(config: TrainConfig) -> NetworkConfig:
    """Sizes of the network to train."""
    return NetworkConfig(backbone=config.backbone, slimness=config.slimness)


def augmentation_of(config: TrainConfig) -> Augmentation:
    """How training changes its pictures."""
    return Augmentation(**{item.name: getattr(config, item.name) for item in fields(Augmentation)})


def train(config: TrainConfig, out: Path, *, resume: bool = False) -> None:
    """Train until the budget is used, with a checkpoint and a validation now and then."""
    torch.set_num_threads(config.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    preprocessing = common_framing(data_cards(config)).preprocessing
    train_frames, held_out = split(config)
    probability = sampling_weights(train_frames)
    network_config = network_of(config)
    net = Cilrs(network_config).to(memory_format=torch.channels_last)
    begun_with = begin_with(Path(config.init), net) if config.init else ""
    average = copy.deepcopy(net).eval()
    path_head = PathHead(network_config)
    optimizer = torch.optim.AdamW(
        [*net.parameters(), *path_head.parameters()],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
    )
    learner = Learner(net, path_head, average, optimizer)
    step, spent_s = 0, 0.0
    total_steps = max(1, round(config.epochs * len(train_frames) / config.batch))
    with output(out):
        out.mkdir(parents=True, exist_ok=True)
    if resume:
        step, spent_s = restore(out / "last.pth", learner)
        rng = np.random.default_rng((config.seed, step))
    if begun_with:
        print(f"beginning with {config.init} ({begun_with})")
    print(
        f"{len(train_frames)} frames to train on, {len(held_out)} held out; "
        f"{sum(p.numel() for p in net.parameters()) / 1e6:.1f} M parameters"
    )

    def judge(step: int, spent_s: float, losses: list[float]) -> dict[str, float]:
        """Validate, drive if asked for, and keep what was found with the weights."""
        numbers = validate(average, held_out, preprocessing)
        last = out / "last.pth"
        save(last, learner, facts_of(config, step, spent_s, numbers))
        if config.drives:
            numbers |= drive_apart(last, check_of(config))
            save(last, learner, facts_of(config, step, spent_s, numbers))
        log(out, step, spent_s, float(np.mean(losses[-200:] or [math.nan])), numbers)
        return numbers

    started = time.monotonic() - spent_s
    saved_at, losses = time.monotonic(), []
    while True:
        spent_s = time.monotonic() - started
        done = spent_s / (60.0 * config.minutes) if config.minutes else step / total_steps
        if done >= 1.0:
            break
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * schedule(done, step)
        index = rng.choice(len(train_frames), size=config.batch, p=probability)
        losses.append(train_step(learner, train_frames, index, config, preprocessing, rng))
        step += 1
        update_average(average, net, min(config.ema_decay, (1 + step) / (10 + step)))
        if step % 20 == 0:
            rate = step * config.batch / max(spent_s, 1e-6)
            print(
                f"\r{100 * done:5.1f} %  step {step}  loss {np.mean(losses[-100:]):.4f}  "
                f"{rate:.0f} images/s ",
                end="",
                flush=True,
            )
        if time.monotonic() - saved_at > 180.0:
            judge(step, spent_s, losses)
            started = time.monotonic() - spent_s  # the budget is of training alone
            saved_at = time.monotonic()
    print()
    refresh_statistics(average, train_frames, probability, config, preprocessing, rng)
    print(json.dumps(judge(step, spent_s, losses)))


def split(config: TrainConfig) -> tuple[Frames, Frames]:
    """Training and validation frames; a route is in one of them, never in both."""
    if config.lights not in LIGHTS:
        raise ConfigError(f"unknown lights '{config.lights}'; known: {', '.join(LIGHTS)}")
    if config.precision not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise ConfigError(f"unknown precision '{config.precision}'; known: {known}")
    obey, held_out = config.lights == "obey", config.held_out
    folders = [Path(folder) for folder in config.data]
    episodes = [(f.name, episode) for f in folders for episode in load_episodes(f)]
    owners = [f"{name} {episode.table['route'].iloc[0]}" for name, episode in episodes]
    routes = sorted(set(owners))
    every = max(2, round(1.0 / held_out)) if held_out > 0 else 0
    kept_out = set(routes[every - 1 :: every]) if every else set()
    pairs = [(owner, episode) for owner, (_, episode) in zip(owners, episodes, strict=True)]
    training = [episode for owner, episode in pairs if owner not in kept_out]
    validation = [driving_views(episode) for owner, episode in pairs if owner in kept_out]
    if not training or not validation:
        raise ConfigError(f"{len(routes)} recorded routes are too few to hold some out")
    return flatten(training, obey_lights=obey), flatten(validation, obey_lights=obey)


def schedule(done: float, step: int) -> float:
    """Linear warm-up over 200 steps, then cosine to 2 %."""
    return min(1.0, (step + 1) / 200) * (0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * done)))


def to_batch(images: NDArray[np.uint8]) -> Tensor:
    """uint8 (B, H, W, 3) to float (B, 3, H, W) in [0, 1], channels last in memory."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255.0)


def normalise(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """What `Preprocessing.to_input` does, for a batch."""
    mean = torch.tensor(preprocessing.mean).view(1, 3, 1, 1)
    std = torch.tensor(preprocessing.std).view(1, 3, 1, 1)
    return (images - mean) / std


def train_step(
    learner: Learner,
    frames: Frames,
    index: NDArray[np.int64],
    config: TrainConfig,
    preprocessing: Preprocessing,
    rng: np.random.Generator,
) -> float:
    """One update; returns the loss."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    images = normalise(
        augment(to_batch(frames.images(index)), augmentation_of(config), generator), preprocessing
    ).contiguous(memory_format=torch.channels_last)
    true_mps = frames.speeds[index]
    replaced = rng.random(len(index)) < config.speed_dropout
    speed_mps = np.where(
        replaced, rng.uniform(0.0, preprocessing.speed_scale_mps, len(index)), true_mps
    ).astype(np.float32)
    target = torch.from_numpy(actions(frames.steer[index], speed_mps, frames.wanted[index]))
    scale = preprocessing.speed_scale_mps
    net, optimizer = learner.net, learner.optimizer
    with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16"):
        seen, joined = net.features(images, torch.from_numpy(speed_mps / scale)[:, None])
    seen, joined = seen.float(), joined.float()
    predicted, seen_speed = net.act(joined), net.speed_branch(seen)
    branch = torch.from_numpy(frames.branch[index])
    true_speed = torch.from_numpy(true_mps / scale)[:, None]
    loss = loss_of(predicted, seen_speed, branch, target, true_speed)
    if config.path_weight > 0.0:
        path_m = torch.from_numpy(frames.path[index])
        loss = loss + config.path_weight * path_loss(learner.path_head(joined, branch), path_m)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_([*net.parameters(), *learner.path_head.parameters()], 5.0)
    optimizer.step()
    return float(loss.detach())


def loss_of(
    predicted: Tensor, seen_speed: Tensor, branch: Tensor, target: Tensor, speed: Tensor
) -> Tensor:
    """L1 on the branch of each sample's command, and on the speed read from the image.

    Args:
        predicted: (B, branches, 3).
        seen_speed: (B, 1), scaled.
        branch: (B,).
        target: (B, 3).
        speed: (B, 1), the true one, scaled.
    """
    chosen = predicted[torch.arange(len(branch)), branch]  # (B, 3)
    errors = (chosen - target).abs().mean(dim=0)  # (3,)
    action_loss = (errors * torch.tensor(ACTION_WEIGHTS)).sum()
    return BRANCH_WEIGHT * action_loss + SPEED_WEIGHT * (seen_speed - speed).abs().mean()


@torch.no_grad()
def update_average(average: Cilrs, net: Cilrs, decay: float) -> None:
    """Exponential moving average of weights and statistics."""
    for mine, theirs in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if mine.dtype.is_floating_point:
            mine.lerp_(theirs, 1.0 - decay)
        else:
            mine.copy_(theirs)


@torch.no_grad()
def refresh_statistics(
    average: Cilrs,
    frames: Frames,
    probability: NDArray[np.float64],
    config: TrainConfig,
    preprocessing: Preprocessing,
    rng: np.random.Generator,
) -> None:
    """Recompute the batch-norm statistics of the averaged weights."""
    norms = [m for m in average.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # plain mean over the batches
        norm.train()
    for _ in range(40):
        index = rng.choice(len(frames), size=config.batch, p=probability)
        average.backbone(normalise(to_batch(frames.images(index)), preprocessing))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


@torch.no_grad()
def validate(net: Cilrs, frames: Frames, preprocessing: Preprocessing) -> dict[str, float]:
    """Mean absolute errors on held-out routes, also of steering per command."""
    net.eval()
    every = max(1, len(frames) // 4000)
    index = np.arange(0, len(frames), every)
    chosen, seen = [], []
    for part in np.array_split(index, max(1, len(index) // 200)):
        images = normalise(to_batch(frames.images(part)), preprocessing)
        speed = torch.from_numpy(frames.speeds[part] / preprocessing.speed_scale_mps)[:, None]
        predicted, speeds = net(images, speed)
        chosen.append(predicted[torch.arange(len(part)), torch.from_numpy(frames.branch[part])])
        seen.append(speeds[:, 0] * preprocessing.speed_scale_mps)
    target = actions(frames.steer[index], frames.speeds[index], frames.wanted[index])
    errors = np.abs(torch.cat(chosen).numpy() - target)
    numbers = {
        "steer": errors[:, 0].mean(),
        "throttle": errors[:, 1].mean(),
        "brake": errors[:, 2].mean(),
        "speed_mps": np.abs(torch.cat(seen).numpy() - frames.speeds[index]).mean(),
    }
    for branch, name in enumerate(("follow", "left", "right", "straight")):
        mine = frames.branch[index] == branch
        if mine.any():
            numbers[f"steer_{name}"] = errors[mine, 0].mean()
    return {name: round(float(value), 5) for name, value in numbers.items()}


def log(out: Path, step: int, spent_s: float, loss: float, numbers: dict[str, float]) -> None:
    """Append one line of JSON, and the same to TensorBoard's file."""
    entry = {"step": step, "minutes": round(spent_s / 60.0, 2), "loss": round(loss, 5), **numbers}
    with output(out / "log.jsonl"), (out / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
    with output(out / "tensorboard"), SummaryWriter(out / "tensorboard") as board:
        for name, value in entry.items():
            board.add_scalar(name, value, step)


def data_cards(config: TrainConfig) -> dict[str, dict[str, Any]]:
    """What the data sets say of themselves, by folder; a set cut short has none."""
    cards = {folder: read_card(Path(folder)) for folder in config.data}
    return {folder: card for folder, card in cards.items() if card is not None}


def facts_of(
    config: TrainConfig, step: int, spent_s: float, numbers: dict[str, float]
) -> dict[str, object]:
    """What a checkpoint and the model card tell of the run."""
    cards = data_cards(config)
    return {
        "train": asdict(config),
        "network": network_of(config).to_dict(),
        **common_framing(cards).to_dict(),
        "validation": numbers,
        "data": list(cards.values()),
        "looks": sorted({look for card in cards.values() for look in card.get("looks", ())}),
        "begun_with": file_hash(Path(config.init)) if config.init else "",
        "step": step,
        "minutes": round(spent_s / 60.0, 2),
        "commit": current_commit(),
        "torch": str(torch.__version__),
    }


if __name__ == "__main__":
    sys.exit(main())
