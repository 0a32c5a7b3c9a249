"""Fusers by what a driver needs and by the usual metrics of fusion, and how far the two agree.

A line is an arm in a weather, measured on the same poses: the errors of a frozen policy against its
own clear-day answers, what frozen perception finds, and EN, MI, SF, VIF, Qabf, SSIM of the same
pictures. Whether a metric foretells what a driver needs is their rank correlation over arms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from fusiondrive.errors import ConfigError
from results.counterfactual_table import PRIVILEGED
from results.counterfactuals import came, pedal_errors, read_rows, steer_errors
from results.grid import Table
from results.stats import paired_bootstrap

RATED_TYPES: dict[str, str] = {
    **{"pose": "string", "town": "string", "drive": "string", "level": "string"},
    **{"range_m": "Float64", "arm": "string", "arm_weights": "string", "look": "Int64"},
    **{"thermal": "string", "thermal_look": "Int64", "pose_set": "string", "commit": "string"},
}
STEER, PEDAL, CAME = "steering error", "pedal error", "needed brakings that come"
LOWER_IS_BETTER = (STEER, PEDAL)
LEAST_ARMS = 3


class Seen(NamedTuple):
    """What frozen perception finds."""

    pose_sets: set[str]
    weights: Mapping[str, str]  # by arm
    values: Mapping[tuple[str, str], Mapping[str, float | None]]  # by level and arm


class Leader(NamedTuple):
    """An arm in a weather."""

    level: str
    policy: str
    arm: str
    poses: int
    needs: Mapping[str, float | None]  # what a driver needs
    metrics: Mapping[str, float]  # the usual ones of fusion


def read_rated(path: Path) -> pd.DataFrame:
    """Read rows of `harness.perception rate`; a folder stands for the `rows.parquet` in it.

    Raises:
        ConfigError: there are none, or they are of something else.
    """
    frame = read_rows(path, RATED_TYPES, "rate")
    if not titles_of(frame):
        raise ConfigError(f"{path}: expected rows of harness.perception rate, found no metric")
    return frame


def titles_of(rated: pd.DataFrame) -> list[str]:
    """Columns of metrics, such as `EN:rounded`."""
    return [name for name in rated.columns if ":" in name]


def rated_table(frame: pd.DataFrame, titles: Sequence[str]) -> Table:
    """Mean and interval of each metric, by level and arm."""
    body = []
    for (level, arm), rows in frame.groupby(["level", "arm"], sort=False):
        cells = [_mean(rows[title], list(rows["drive"])) for title in titles]
        body.append((str(level), str(arm), str(len(rows)), *cells))
    notes = (
        "Sources of every arm's metrics are the visible and the thermal image of the pose, as "
        "degraded as they are. [...]: 95 % by bootstrap over drives. Pictures that a metric has no "
        f"value of are left out. {PRIVILEGED}"
    )
    header = ("level", "arm", "pictures", *titles)
    return Table("Metrics of fusion on the same poses", header, tuple(body), (notes,))


def leaders(acted: pd.DataFrame, rated: pd.DataFrame, seen: Seen | None) -> list[Leader]:
    """Arms that are in all of them.

    Args:
        acted: rows of `act`.
        rated: rows of `rate`.
        seen: what frozen perception finds; None where it was not asked.

    Raises:
        ConfigError: they are of other poses or weights, or have fewer than three arms in common.
    """
    _hold_same(acted, rated, seen)
    titles = titles_of(rated)
    means: dict[tuple[str, str], dict[str, float]] = {
        (str(level), str(arm)): {title: float(rows[title].mean()) for title in titles}
        for (level, arm), rows in rated.groupby(["level", "arm"], sort=False)
    }
    found = []
    names = ["level", "policy", "policy_weights", "arm"]
    for key, part in acted.groupby(names, sort=False):
        level, policy, weights, arm = map(str, key)
        if (level, arm) not in means or (seen and (level, arm) not in seen.values):
            continue
        needs: dict[str, float | None] = {
            STEER: float(steer_errors(part).mean()),
            PEDAL: float(pedal_errors(part).mean()),
            CAME: came(part).share,
        }
        needs |= seen.values[level, arm] if seen else {}
        name = f"{policy} ({weights})"
        found.append(Leader(level, name, arm, len(part), needs, means[level, arm]))
    arms = {item.arm for item in found}
    if len(arms) < LEAST_ARMS:
        raise ConfigError(
            f"expected {LEAST_ARMS} arms or more that are in all rows, found {len(arms)}: "
            f"{', '.join(sorted(arms)) or 'none'}"
        )
    return found


def _hold_same(acted: pd.DataFrame, rated: pd.DataFrame, seen: Seen | None) -> None:
    sets = {*acted["pose_set"], *rated["pose_set"], *(seen.pose_sets if seen else ())}
    if len(sets) > 1:
        raise ConfigError(f"rows of several pose sets ({', '.join(sorted(sets))})")
    weights = [_weights(acted), _weights(rated), *([seen.weights] if seen else ())]
    for arm in set.intersection(*(set(item) for item in weights)):
        if len({item[arm] for item in weights}) > 1:
            raise ConfigError(f"arm '{arm}' has other weights in one of the rows than in another")
    for level, arm in {(str(a), str(b)) for a, b in zip(acted["level"], acted["arm"], strict=True)}:
        mine, other = (_poses(frame, level, arm) for frame in (acted, rated))
        if other and mine != other:
            raise ConfigError(
                f"{level}, arm '{arm}': answers to {len(mine)} poses, metrics of {len(other)}: "
                "not the same"
            )


def _weights(frame: pd.DataFrame) -> dict[str, str]:
    return dict(zip(frame["arm"].map(str), frame["arm_weights"].map(str), strict=True))


def _poses(frame: pd.DataFrame, level: str, arm: str) -> set[str]:
    return set(frame.loc[(frame["level"] == level) & (frame["arm"] == arm), "pose"])


def leaders_table(found: Sequence[Leader]) -> Table:
    """A line for each level and arm, the least pedal error first."""
    needs, metrics = list(found[0].needs), list(found[0].metrics)
    levels = list(dict.fromkeys((item.level, item.policy) for item in found))
    ordered = sorted(
        found, key=lambda item: (levels.index((item.level, item.policy)), item.needs[PEDAL] or 0.0)
    )
    body = tuple(
        (
            item.level,
            item.policy,
            item.arm,
            str(item.poses),
            *(_value(name, item.needs[name]) for name in needs),
            *(f"{item.metrics[title]:.3f}" for title in metrics),
        )
        for item in ordered
    )
    note = (
        "Sorted by pedal error. Errors: mean difference of the frozen policy's answer from its own "
        f"to the clear-day picture of the same pose. {PRIVILEGED}"
    )
    header = ("level", "policy", "arm", "poses", *needs, *metrics)
    return Table("Fusers on the same poses", header, body, (note,))


def agreement_table(found: Sequence[Leader]) -> Table:
    """Rank correlation over arms of every metric with every need, in each level."""
    needs = list(found[0].needs)
    body = []
    for level, policy, group in _groups(found):
        for title in found[0].metrics:
            cells = [_agreement(group, title, need) for need in needs]
            body.append((level, policy, str(len(group)), title, *cells))
    note = (
        "Spearman's rank correlation over arms, signed so that +1 means that the metric ranks arms "
        "as the driver does (errors count negatively), and its two-sided p. With so few arms only "
        "a strong agreement can be told from chance; arms are not a random sample of fusers."
    )
    header = ("level", "policy", "arms", "metric", *needs)
    return Table(
        "Do the metrics of fusion foretell what a driver needs?", header, tuple(body), (note,)
    )


def _groups(found: Sequence[Leader]) -> Iterator[tuple[str, str, list[Leader]]]:
    for level, policy in dict.fromkeys((item.level, item.policy) for item in found):
        group = [item for item in found if (item.level, item.policy) == (level, policy)]
        yield level, policy, group


def _agreement(group: Sequence[Leader], title: str, need: str) -> str:
    pairs = [(item.metrics[title], item.needs[need]) for item in group]
    known = [(a, b) for a, b in pairs if b is not None and np.isfinite([a, b]).all()]
    is_flat = any(len({pair[side] for pair in known}) < 2 for side in (0, 1))
    if len(known) < LEAST_ARMS or is_flat:
        return ""
    rho, p = map(float, spearmanr(*zip(*known, strict=True)))
    sign = -1.0 if need in LOWER_IS_BETTER else 1.0
    return f"{sign * rho:+.2f} (p = {p:.2f})"


def _value(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if name in LOWER_IS_BETTER else f"{100.0 * value:.0f} %"


def _mean(values: pd.Series, clusters: list[str]) -> str:
    known = np.isfinite(values.to_numpy(np.float64))
    if not known.any():
        return ""
    kept = values.to_numpy(np.float64)[known]
    own = [name for name, is_one in zip(clusters, known, strict=True) if is_one]
    found = paired_bootstrap([0.0] * len(kept), list(kept), own)
    return f"{found.mean:.3f} [{found.interval.low:.3f}, {found.interval.high:.3f}]"
