"""Somebody in the way: how often such frames are drawn, and whether a network brakes for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import pytest
import torch

from policies.cilrs_network import Cilrs
from policies.preprocess import Preprocessing
from policies.training.dataset import (
    Frames,
    flatten,
    load_episodes,
    sampling_weights,
    save_episode,
)
from policies.training.trainer import action_error
from policies.training.validation import validate


def slowing(folder: Path, hazards: list[str]) -> Frames:
    """Frames in which the expert wants 2 m/s at 6 m/s, for these reasons."""
    count = len(hazards)
    table = pd.DataFrame(
        {
            "frame": np.arange(count),
            "command": np.full(count, 4, np.int8),
            "noise_steer": np.zeros(count, np.float32),
            "hazard": hazards,
            "speed_mps": np.full(count, 6.0, np.float32),
            **{name: np.full(count, 2.0, np.float32) for name in ("wanted_mps", "free_mps")},
            **{name: np.zeros(count, np.float32) for name in ("steer", "throttle", "brake")},
        }
    )
    save_episode(folder, 0, [np.zeros((88, 200, 3), np.uint8)] * count, table)
    return flatten(load_episodes(folder), obey_lights=True)


def test_slowing_for_somebody_in_the_way_is_a_group_of_its_own(tmp_path: Path) -> None:
    frames = slowing(tmp_path, [*["walker"] * 4, *["light", "", "guess"] * 12])
    assert frames.blocked.tolist() == [True] * 4 + [False] * 36
    weights = sampling_weights(frames)
    assert weights[:4].sum() / weights[4:].sum() == pytest.approx(np.sqrt(4 / 36))


def test_slowing_for_people_and_for_vehicles_are_groups_of_their_own(tmp_path: Path) -> None:
    frames = slowing(tmp_path, [*["walker"] * 4, *["lead"] * 36])
    weights = sampling_weights(frames)
    assert weights[:4].sum() / weights[4:].sum() == pytest.approx(np.sqrt(4 / 36))


class Pedal(torch.nn.Module):
    """Answers one braking for every picture."""

    def __init__(self, brake: float) -> None:
        super().__init__()
        self.brake = brake

    def forward(
        self, images: torch.Tensor, speed: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        actions = torch.zeros((len(images), 4, 3))
        actions[..., 2] = self.brake
        return actions, speed


@pytest.mark.parametrize(("brake", "met"), [(0.1, 0.0), (0.3, 1.0)])
def test_validation_tells_which_brakings_come(tmp_path: Path, brake: float, met: float) -> None:
    frames = slowing(tmp_path, ["lead", "crossing", "walker", "light", "", ""])
    wanted = np.where(np.arange(6) < 4, frames.wanted, np.float32(9.0))
    frames = replace(frames, wanted=wanted)  # the last two drive freely
    numbers = validate(cast(Cilrs, Pedal(brake)), frames, Preprocessing())
    assert numbers["brakings_met"] == met
    assert numbers["brakings_met_people"] == met
    assert numbers["brakings_without_cause"] == met


def test_the_brake_counts_by_its_weight() -> None:
    predicted = torch.zeros((2, 4, 3))
    predicted[0, 1, 2] = 1.0  # the first sample's branch brakes where nothing is wanted
    branch, target = torch.tensor([1, 0]), torch.zeros((2, 3))
    assert float(action_error(predicted, branch, target, 0.05)) == pytest.approx(0.5 * 0.05)
    assert float(action_error(predicted, branch, target, 0.2)) == pytest.approx(0.5 * 0.2)
