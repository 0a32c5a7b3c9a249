"""Errors on held-out routes, and the log of a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from fusiondrive.files import output
from policies.cilrs_network import Cilrs
from policies.preprocess import Preprocessing
from policies.training.batches import normalise, to_batch
from policies.training.dataset import Frames
from policies.training.relabel import actions

Marks = NDArray[np.bool_]

BRAKES = 0.2  # of the pedal; below it, an action is no braking
MOVES_MPS = 1.0


@torch.no_grad()
def validate(net: Cilrs, frames: Frames, preprocessing: Preprocessing) -> dict[str, float]:
    """Mean absolute errors on held-out routes, also of steering per command, and brakings."""
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
    found = torch.cat(chosen).numpy()
    errors = np.abs(found - target)
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
    numbers |= _brakings(frames, index, target[:, 2] >= BRAKES, found[:, 2] >= BRAKES)
    return {name: round(float(value), 5) for name, value in numbers.items()}


def _brakings(
    frames: Frames, index: NDArray[np.int64], needed: Marks, found: Marks
) -> dict[str, float]:
    """Shares of the brakings for somebody in the way that come, and of free driving with one."""
    moving = frames.speeds[index] >= MOVES_MPS
    needed = needed & moving & frames.blocked[index]
    free = moving & (frames.wanted[index] >= frames.speeds[index])
    on_foot = needed & frames.on_foot[index]
    shares = {
        "brakings_met": found[needed],
        "brakings_met_people": found[on_foot],
        "brakings_without_cause": found[free],
    }
    return {name: float(share.mean()) for name, share in shares.items() if len(share)}


def log(out: Path, step: int, spent_s: float, loss: float, numbers: dict[str, float]) -> None:
    """Append one line of JSON, and the same to TensorBoard's file."""
    entry = {"step": step, "minutes": round(spent_s / 60.0, 2), "loss": round(loss, 5), **numbers}
    with output(out / "log.jsonl"), (out / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
    with output(out / "tensorboard"), SummaryWriter(out / "tensorboard") as board:
        for name, value in entry.items():
            board.add_scalar(name, value, step)
