"""Tables of what policies would do on pictures of the same poses."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from fusiondrive.errors import ConfigError
from results.counterfactual_drives import by_arm, correlations
from results.counterfactuals import (
    BINS_M,
    Measured,
    Share,
    came_by_distance,
    measure,
    settings_of,
)
from results.grid import Table
from results.row import EpisodeRow
from results.stats import Interval, PairedDifference

PRIVILEGED = (
    "Thermal pictures are computed from class ids and depth (privileged): no real thermal camera "
    "knows them."
)
NOTE = (
    "Errors are the mean difference of a policy's answer from its own answer to the clear-day "
    "picture of the same pose, with the same speed and command; pedal: throttle less brake. "
    "[...]: 95 % by bootstrap over {cluster}s; against rgb on the same poses: negative errors and "
    "positive brakings are better. Needed brakings: both the expert and the policy's clear-day "
    "answer brake. False ones: neither does."
)


def error_table(frame: pd.DataFrame, cluster: str = "drive") -> Table:
    """A line for each level, policy and arm.

    Raises:
        ConfigError: arms cannot be compared, see `measure`.
    """
    header = (
        *("level", "policy", "arm", "poses", "steering error", "against rgb", "pedal error"),
        *("against rgb", "needed brakings that come", "against rgb, points", "false brakings"),
    )
    found = measure(frame, cluster)
    body = tuple(_line(item, found) for item in found)
    return Table("Same-pose counterfactuals", header, body, _notes(frame, found, cluster))


def distance_table(frame: pd.DataFrame) -> Table:
    """Share of needed brakings that come, by distance to who is to be braked for."""
    header = ("level", "policy", "arm", *(f"{low:g} to {high:g} m" for low, high in BINS_M))
    body = []
    names = _policy_names([setting for setting, _ in settings_of(frame)])
    for setting, part in settings_of(frame):
        for arm, rows in part.groupby("arm", sort=False):
            cells = [_share(item) for item in came_by_distance(rows)]
            body.append((setting.level, names[setting[1:]], str(arm), *cells))
    note = (
        "Needed brakings for a vehicle or a person that come, in percent (of n), by metres from "
        "the bumper to whom the expert brakes for."
    )
    return Table("Needed brakings by distance", header, tuple(body), (note,))


def correlation_table(frame: pd.DataFrame, drives: Sequence[EpisodeRow]) -> Table:
    """Arms by errors on poses and by success in drives of the same weather and policy weights.

    Raises:
        ConfigError: fewer than three arms were both asked and driven.
    """
    found = by_arm(frame, drives)
    if len(found) < 3:
        raise ConfigError(
            f"expected three arms or more that were asked and driven with the same policy weights "
            f"in one weather, found {len(found)}"
        )
    header = ("level", "policy", "arm", "steering error", "pedal error", "needed brakings that "
              "come", "drives", "success")  # fmt: skip
    body = tuple(
        (item.level, item.policy, item.arm, f"{item.steer:.3f}", f"{item.pedal:.3f}",
         _share(item.came), str(item.drives), f"{100.0 * item.success:.0f} %")
        for item in found
    )  # fmt: skip
    notes = [
        f"Spearman's rank correlation of {what} with success over {len(found)} lines: "
        f"{rho:+.2f} (p = {p:.2f})."
        for what, rho, p in correlations(found)
    ]
    notes.append("Drives and poses are of different towns; a line is an arm in a weather.")
    return Table("Errors on poses and success in drives", header, body, tuple(notes))


def _line(item: Measured, found: Sequence[Measured]) -> tuple[str, ...]:
    name = _policy_names([other.setting for other in found])[item.setting[1:]]
    return (
        item.setting.level,
        name,
        item.arm,
        str(item.poses),
        _value(item.steer, item.steer_interval),
        _gain(item.steer_gain),
        _value(item.pedal, item.pedal_interval),
        _gain(item.pedal_gain),
        _share(item.came),
        _points(item.came_gain),
        _share(item.false),
    )


def _notes(frame: pd.DataFrame, found: Sequence[Measured], cluster: str) -> tuple[str, ...]:
    notes = [NOTE.format(cluster=cluster)]
    names = _policy_names([item.setting for item in found])
    met = {item.setting[1:]: item.met for item in found}
    for key, share in met.items():
        notes.append(
            f"{names[key]} by clear day meets {_share(share)} of the expert's brakings: "
            "those that it does not meet are not among the needed ones."
        )
    sets = ", ".join(sorted(set(frame["pose_set"])))
    clusters = frame[cluster].nunique()
    notes.append(f"Pose set {sets}: {clusters} {cluster}s.")
    thermal = dict.fromkeys(text for text in frame["thermal"] if text)
    if thermal:
        looks = ", ".join(str(int(v)) for v in sorted(frame["thermal_look"].dropna().unique()))
        notes.append(f"{PRIVILEGED} Settings: {'; '.join(thermal)} (thermal look {looks}).")
    commits = sorted(set(frame["commit"]))
    if len(commits) > 1:
        notes.append(f"Rows of several commits of the source: {', '.join(commits)}.")
    return tuple(notes)


def _policy_names(settings: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """Policies by name, with their weights where several have one name; keys lack the level."""
    keys = list(dict.fromkeys(tuple(item[1:]) for item in settings))
    names = [key[0] for key in keys]
    return {key: key[0] if names.count(key[0]) == 1 else f"{key[0]} ({key[1]})" for key in keys}


def _value(mean: float, interval: Interval) -> str:
    return f"{mean:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _gain(gain: PairedDifference | None) -> str:
    if gain is None:
        return ""
    return f"{gain.mean:+.3f} [{gain.interval.low:+.3f}, {gain.interval.high:+.3f}]"


def _points(gain: PairedDifference | None) -> str:
    if gain is None:
        return ""
    return f"{gain.mean:+.0f} [{gain.interval.low:+.0f}, {gain.interval.high:+.0f}]"


def _share(item: Share) -> str:
    return "" if item.share is None else f"{100.0 * item.share:.0f} % (of {item.n})"
