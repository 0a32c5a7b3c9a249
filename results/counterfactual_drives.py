"""Arms that were both asked on poses and driven: do the errors foretell the success?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
from scipy.stats import spearmanr

from results.cells import has_succeeded
from results.counterfactuals import Share, came, pedal_errors, steer_errors
from results.row import EpisodeRow


class ArmDriven(NamedTuple):
    """An arm in a weather, asked and driven by the same frozen policy."""

    level: str
    policy: str
    arm: str
    steer: float  # mean errors on poses
    pedal: float
    came: Share  # of needed brakings
    drives: int
    success: float  # share of them


def by_arm(frame: pd.DataFrame, drives: Sequence[EpisodeRow]) -> list[ArmDriven]:
    """Arms that are in both, by weather, policy weights and arm; simulator errors are left out."""
    driven: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
    for row in drives:
        if row.is_driven:
            driven[row.weather, row.policy_weights, row.arm].append(has_succeeded(row))
    found = []
    names = ["level", "policy", "policy_weights", "arm"]
    for key, part in frame.groupby(names, sort=False):
        level, policy, weights, arm = map(str, key)
        outcomes = driven.get((level, weights, arm))
        if outcomes:
            found.append(
                ArmDriven(
                    level,
                    policy,
                    arm,
                    float(steer_errors(part).mean()),
                    float(pedal_errors(part).mean()),
                    came(part),
                    len(outcomes),
                    sum(outcomes) / len(outcomes),
                )
            )
    return found


def correlations(found: Sequence[ArmDriven]) -> list[tuple[str, float, float]]:
    """Spearman's rho and p of each measure with success; NaN where one of them never differs."""
    success = [item.success for item in found]
    columns = {
        "steering error": [item.steer for item in found],
        "pedal error": [item.pedal for item in found],
    }
    if all(item.came.share is not None for item in found):
        columns["needed brakings that come"] = [item.came.share or 0.0 for item in found]
    results = []
    for name, values in columns.items():
        is_flat = len(set(values)) < 2 or len(set(success)) < 2
        rho, p = (float("nan"),) * 2 if is_flat else map(float, spearmanr(values, success))
        results.append((name, rho, p))
    return results
