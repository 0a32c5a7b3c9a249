"""Gathers rows into cells, one for each setting and arm; `results.gains` compares them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fusiondrive.arms import FUSED, THERMAL, arm_name, split_modifier
from results.columns import aggregated
from results.row import OUTCOMES, EpisodeRow
from results.stats import Interval, wilson_clustered

REAL_LATENCY = "real"  # in place of milliseconds: what fuser and policy took


class Setting(NamedTuple):
    """Everything that rows of one comparison share; numbers of two settings are never mixed."""

    backend: str
    look: int | None
    simulator_version: str
    map: str
    town: str
    weather: str
    traffic: str
    policy: str
    policy_weights: str
    collision_mode: str
    hazards: str
    speed_kmh: int | None
    latency: str
    package_version: str

    @property
    def scene(self) -> str:
        """Who is on the road beside the ego, the speed that was asked for, and the latency."""
        return scene_text(self.traffic, self.hazards, self.speed_kmh, self.latency)


def scene_text(traffic: str, hazards: str, speed_kmh: int | None, latency: str = "") -> str:
    """What tables say of traffic, hazards, speed, and the latency of controls."""
    names = hazards.split(",") if hazards else []
    text = f"hazards of {len(names)} kinds" if len(names) > 2 else " and ".join(names)
    if names == ["route"]:
        text = "the file's hazards"
    speed = "" if speed_kmh is None else f"{speed_kmh} km/h"
    late = f"latency {latency}" + " ms" * (latency != REAL_LATENCY) if latency else ""
    return ", ".join(part for part in (traffic, text, speed, late) if part)


class InputSetting(NamedTuple):
    """The policy's input: the image source, and what fuses or enhances it."""

    input: str
    fuser: str
    fuser_label: str
    fuser_weights: str
    thermal: str = ""
    thermal_look: int | None = None

    @property
    def arm(self) -> str:
        """Its name without regard to a weather of its own: that of `clear` is `rgb`."""
        return arm_name(self.input, self.fuser)

    @property
    def label(self) -> str:
        """The arm; a student that the user may have brought is named by its file."""
        return self.fuser_label if split_modifier(self.fuser)[0] == "student" else self.arm

    @property
    def thermal_text(self) -> str:
        """Settings of the thermal camera and version of its pictures; empty where it is not used.

        Rows from before there were any have the settings of those days.
        """
        if self.input not in (FUSED, THERMAL):
            return ""
        return f"{self.thermal or 'fog_ratio=0.1'}, thermal look {self.thermal_look or 1}"

    @property
    def modifier(self) -> str:
        """`:blanked`, `:swapped` or nothing."""
        return split_modifier(self.fuser)[1]


def labels_of(settings: Iterable[InputSetting]) -> dict[InputSetting, str]:
    """How a table calls its arms; those of one name are told apart by what differs among them."""
    alike: dict[str, list[InputSetting]] = {}
    for seen in dict.fromkeys(settings):
        alike.setdefault(seen.label, []).append(seen)
    found = {}
    for label, group in alike.items():
        for seen in group:
            parts = (
                seen.fuser_weights if len({other.fuser_weights for other in group}) > 1 else "",
                seen.thermal_text if len({other.thermal_text for other in group}) > 1 else "",
            )
            said = ", ".join(part for part in parts if part)
            found[seen] = f"{label} ({said})" if said else label
    return found


class Rate(NamedTuple):
    """A share with its Wilson interval."""

    hits: int
    n: int  # drives
    interval: Interval
    effective: float  # independent drives that they are worth

    def __str__(self) -> str:
        """In percent with its interval, as tables have it."""
        if self.percent is None:
            return "n/a"
        low, high = (100.0 * bound for bound in self.interval)
        return f"{self.percent:.1f} [{low:.0f}, {high:.0f}]"

    @property
    def percent(self) -> float | None:
        """The share in percent; None where nothing was driven."""
        return 100.0 * self.hits / self.n if self.n else None


@dataclass(frozen=True)
class Cell:
    """The results of one setting with one input."""

    setting: Setting
    input_setting: InputSetting
    n: int  # distinct drives: on an empty road the seeds of a route are one
    drives: int  # driven episodes
    routes: int
    errors: int  # unresolved simulator errors, in no number but the bound
    success: Rate
    collision: Rate
    outcomes: dict[str, int]
    numbers: Mapping[str, float | None]  # by the names of `results.columns.Aggregate`
    km: float
    own: Mapping[str, float | None]  # events per km of criteria of the user's own, by their names

    @property
    def agent_errors(self) -> int:
        """Driven episodes that an error of the user's policy ended; they count in n as failures."""
        return self.outcomes.get("agent_error", 0)

    @property
    def success_bound(self) -> float | None:
        """Success in percent if every unresolved simulator error were a failure."""
        total = self.drives + self.errors
        return 100.0 * self.success.hits / total if total else None


def setting_of(row: EpisodeRow) -> Setting:
    """The row's setting."""
    return Setting(*(getattr(row, name) for name in Setting._fields))


def input_of(row: EpisodeRow) -> InputSetting:
    """The row's input."""
    return InputSetting(*(getattr(row, name) for name in InputSetting._fields))


def make_cells(rows: Sequence[EpisodeRow]) -> list[Cell]:
    """Group rows by setting and input, in the order of first appearance."""
    groups: dict[tuple[Setting, InputSetting], list[EpisodeRow]] = {}
    for row in rows:
        groups.setdefault((setting_of(row), input_of(row)), []).append(row)
    return [_cell(setting, seen, group) for (setting, seen), group in groups.items()]


def _cell(setting: Setting, seen: InputSetting, rows: list[EpisodeRow]) -> Cell:
    driven = [row for row in rows if row.is_driven]
    outcomes = Counter(row.outcome for row in rows)
    km = sum(row.distance_m or 0.0 for row in driven) / 1000.0
    routes = len({cluster_of(row) for row in driven})
    return Cell(
        setting=setting,
        input_setting=seen,
        n=routes if driven and is_alone(driven[0]) else len(driven),
        drives=len(driven),
        routes=routes,
        errors=len(rows) - len(driven),
        success=_rate(driven, has_succeeded),
        collision=_rate(driven, has_collided),
        outcomes={name: outcomes[name] for name in OUTCOMES if outcomes[name]},
        numbers=aggregated(type(rows[0]), driven, km),
        km=km,
        own={name: _per_km(driven, name) for name in own_names(rows)},
    )


def own_names(rows: Iterable[EpisodeRow]) -> tuple[str, ...]:
    """Names of the user's own criteria, in the order in which they first appear."""
    return tuple(dict.fromkeys(name for row in rows for name, _ in row.own))


def _per_km(rows: Iterable[EpisodeRow], name: str) -> float | None:
    """Events of a criterion by the kilometres of the rows that it watched."""
    watched = [
        (dict(row.own)[name], row.distance_m or 0.0) for row in rows if name in dict(row.own)
    ]
    km = sum(distance_m for _, distance_m in watched) / 1000.0
    return sum(count for count, _ in watched) / km if km > 0.0 else None


def cluster_of(row: EpisodeRow) -> tuple[str, str]:
    """What the drives of a route share; they are no independent ones."""
    return row.route_id, row.route_digest


def is_alone(row: EpisodeRow) -> bool:
    """Whether nothing but the ego moves, so that another seed gives the same drive."""
    return row.traffic in ("empty", "0+0") and not row.hazards


def has_succeeded(row: EpisodeRow) -> bool:
    """Whether the drive is a success."""
    return row.outcome == "success"


def has_collided(row: EpisodeRow) -> bool:
    """Whether there was a collision."""
    return bool(row.collisions)


def _rate(rows: Sequence[EpisodeRow], claim: Callable[[EpisodeRow], bool]) -> Rate:
    return rate_of([claim(row) for row in rows], [cluster_of(row) for row in rows])


def rate_of(outcomes: Sequence[bool], clusters: Sequence[Hashable]) -> Rate:
    """A share with its interval; outcomes of one cluster (a route) have something in common."""
    found = wilson_clustered(outcomes, clusters)
    return Rate(sum(outcomes), len(outcomes), found.interval, found.n)
