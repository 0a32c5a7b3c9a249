"""Gathers rows into cells, one for each setting and input, and into paired comparisons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from results.columns import aggregated
from results.row import OUTCOMES, EpisodeRow
from results.stats import Interval, PairedDifference, holm, mcnemar, paired_bootstrap, wilson


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
    package_version: str


class InputSetting(NamedTuple):
    """The policy's input: the image source, and for fused images the fuser."""

    input: str
    fuser_label: str
    fuser_weights: str

    @property
    def label(self) -> str:
        """Text such as `rgb` or `fused: student (oracle)`."""
        return f"fused: {self.fuser_label}" if self.input == "fused" else self.input


class Rate(NamedTuple):
    """A share with its Wilson interval."""

    hits: int
    n: int
    interval: Interval

    @property
    def percent(self) -> float | None:
        """The share in percent; None where nothing was driven."""
        return 100.0 * self.hits / self.n if self.n else None


@dataclass(frozen=True)
class Cell:
    """The results of one setting with one input."""

    setting: Setting
    input_setting: InputSetting
    n: int  # driven episodes
    errors: int  # unresolved simulator errors, in no number but the bound
    success: Rate
    collision: Rate
    outcomes: dict[str, int]
    numbers: Mapping[str, float | None]  # by the names of `results.columns.Aggregate`
    km: float

    @property
    def agent_errors(self) -> int:
        """Driven episodes that an error of the user's policy ended; they count in n as failures."""
        return self.outcomes.get("agent_error", 0)

    @property
    def success_bound(self) -> float | None:
        """Success in percent if every unresolved simulator error were a failure."""
        total = self.n + self.errors
        return 100.0 * self.success.hits / total if total else None


@dataclass(frozen=True)
class Comparison:
    """RGB compared with another input on the same episodes; differences are other minus RGB."""

    setting: Setting
    input_setting: InputSetting
    pairs: int
    success: PairedDifference  # in points
    success_p: float  # exact McNemar
    success_p_holm: float
    collision: PairedDifference
    collision_p: float
    collision_p_holm: float
    lane: PairedDifference  # infractions per route


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


def compare(rows: Sequence[EpisodeRow]) -> list[Comparison]:
    """Pair every other input with RGB on the same route and seed, with Holm's adjustment."""
    driven = [row for row in rows if row.is_driven]
    baseline = {_pair_key(row): row for row in driven if row.input == "rgb"}
    groups: dict[tuple[Setting, InputSetting], list[tuple[EpisodeRow, EpisodeRow]]] = {}
    for row in driven:
        partner = baseline.get(_pair_key(row))
        if row.input != "rgb" and partner is not None:
            groups.setdefault((setting_of(row), input_of(row)), []).append((partner, row))
    raw = [
        (key, pairs, _mcnemar(pairs, _has_succeeded), _mcnemar(pairs, _has_collided))
        for key, pairs in groups.items()
    ]
    success_p = holm([item[2] for item in raw])
    collision_p = holm([item[3] for item in raw])
    return [
        Comparison(
            setting=setting,
            input_setting=seen,
            pairs=len(pairs),
            success=_difference(pairs, lambda row: 100.0 * _has_succeeded(row)),
            success_p=p_success,
            success_p_holm=success_p[index],
            collision=_difference(pairs, lambda row: 100.0 * _has_collided(row)),
            collision_p=p_collision,
            collision_p_holm=collision_p[index],
            lane=_difference(pairs, lambda row: float(row.lane_infractions or 0)),
        )
        for index, ((setting, seen), pairs, p_success, p_collision) in enumerate(raw)
    ]


def _cell(setting: Setting, seen: InputSetting, rows: list[EpisodeRow]) -> Cell:
    driven = [row for row in rows if row.is_driven]
    n = len(driven)
    outcomes = Counter(row.outcome for row in rows)
    km = sum(row.distance_m or 0.0 for row in driven) / 1000.0
    successes = sum(_has_succeeded(row) for row in driven)
    collided = sum(_has_collided(row) for row in driven)
    return Cell(
        setting=setting,
        input_setting=seen,
        n=n,
        errors=len(rows) - n,
        success=Rate(successes, n, wilson(successes, n)),
        collision=Rate(collided, n, wilson(collided, n)),
        outcomes={name: outcomes[name] for name in OUTCOMES if outcomes[name]},
        numbers=aggregated(type(rows[0]), driven, km),
        km=km,
    )


def _pair_key(row: EpisodeRow) -> tuple[Setting, str, str, int]:
    return setting_of(row), row.route_id, row.route_digest, row.seed


def _has_succeeded(row: EpisodeRow) -> bool:
    return row.outcome == "success"


def _has_collided(row: EpisodeRow) -> bool:
    return bool(row.collisions)


def _mcnemar(
    pairs: Sequence[tuple[EpisodeRow, EpisodeRow]], claim: Callable[[EpisodeRow], bool]
) -> float:
    return mcnemar([claim(a) for a, _ in pairs], [claim(b) for _, b in pairs])


def _difference(
    pairs: Sequence[tuple[EpisodeRow, EpisodeRow]], number: Callable[[EpisodeRow], float]
) -> PairedDifference:
    return paired_bootstrap(
        [number(a) for a, _ in pairs],
        [number(b) for _, b in pairs],
        [a.route_id for a, _ in pairs],
    )
