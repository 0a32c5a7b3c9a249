"""What the trainers of students and of teachers share: rate, clock, average, state file."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

from fusiondrive.files import whole_file
from fusionproxy.errors import FusionError, missing_extra

try:
    import torch
    from torch import nn
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

ENDLESS = 10**9  # steps, where the clock ends a run


def share_done(step: int, steps: int, seconds: float, minutes: float | None) -> float:
    """Share of a run that is behind, 0 to 1, by steps or by the clock; whichever is more."""
    by_clock = 0.0 if minutes is None else seconds / (60.0 * minutes)
    return min(max(step / steps, by_clock), 1.0)


def rate_factor(step: int, warmup_steps: int, done: float) -> float:
    """Of the learning rate: linear warm-up, cosine to 1 %."""
    warm = min((step + 1) / warmup_steps, 1.0)
    return warm * (0.01 + 0.495 * (1.0 + math.cos(math.pi * done)))


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, step: int, decay: float) -> None:
    """Move the average of the weights towards the network's; faster in the first steps."""
    keep = min(decay, (1 + step) / (10 + step))
    ours = network.state_dict()
    for key, slow in average.state_dict().items():
        if slow.is_floating_point():
            slow.lerp_(ours[key], 1.0 - keep)
        else:
            slow.copy_(ours[key])


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state file that appears whole or not at all.

    Raises:
        FusionError: the disk is full or cannot be written.
    """
    with whole_file(path, RuntimeError) as partial:  # torch's writer raises RuntimeError
        torch.save(state, partial)


def load_state(
    path: Path, config: Any, device: str = "cpu", *, may_differ: Collection[str] = ()
) -> dict[str, Any]:
    """Read a state file.

    Args:
        path: the file.
        config: settings of the run that goes on; by name where some may differ.
        device: where to put the tensors.
        may_differ: names of settings that a run may change on its way, such as its length.

    Raises:
        FusionError: it is broken, or was made with other settings than `config`.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        found = state["config"]
    except Exception as err:  # torch raises of many kinds for broken files
        raise FusionError(f"{path} is broken ({err}); start anew in another --out") from err
    if may_differ:
        found = {**found, **{name: config[name] for name in may_differ}}
    if found != config:
        raise FusionError(f"{path} was made with other settings: {found}")
    return state
