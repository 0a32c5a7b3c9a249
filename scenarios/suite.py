"""Suites: named combinations, expanded to an ordered list of episodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fusiondrive.arms import Arm
from fusiondrive.errors import ConfigError, unknown_name
from scenarios.spec import EpisodeSpec


@dataclass(frozen=True)
class Suite:
    """A named part of a run's configuration; the rest stays the user's choice."""

    towns: tuple[str, ...]
    weathers: tuple[str, ...]
    inputs: tuple[str, ...]
    traffic: str = "regular"


SUITES: dict[str, Suite] = {
    # Paper, Appendix B: success, collision and lane infractions of fused against RGB input.
    "appendix_b": Suite(
        towns=("Town02", "Town03"), weathers=("fog", "night"), inputs=("rgb", "fused")
    ),
}


def suite(name: str) -> Suite:
    """Look a suite up; an unknown name is a ConfigError that lists the known ones."""
    if name not in SUITES:
        raise unknown_name("suite", name, SUITES)
    return SUITES[name]


@dataclass(frozen=True)
class RouteSet:
    """Towns and how many of the routes of each; the routes are those that each town has anyway."""

    towns: tuple[str, ...]
    routes: int  # of each town


ROUTE_SETS: dict[str, RouteSet] = {
    # 50 routes on which choices are made, so that the towns of a study are met once. No training
    # may see these towns: tests read the recipes and the cards of the weights.
    "validation": RouteSet(tuple(f"random:{seed}" for seed in range(1001, 1011)), routes=5),
}


def route_set(name: str) -> RouteSet:
    """Look a set of routes up; an unknown name is a ConfigError that lists the known ones."""
    if name not in ROUTE_SETS:
        raise unknown_name("route set", name, ROUTE_SETS)
    return ROUTE_SETS[name]


@dataclass(frozen=True)
class Factors:
    """The factors of a run; every combination of them becomes one episode."""

    routes: Mapping[str, Sequence[str]]  # town -> route ids, in the order to drive
    weathers: Sequence[str]
    arms: Sequence[Arm]
    seeds: Sequence[int]
    policy: str
    traffic: str = "empty"
    collision_mode: str = "stop"
    hazards: str = ""
    speed_kmh: int | None = None


def expand(factors: Factors) -> tuple[EpisodeSpec, ...]:
    """Cross the factors into episodes, in the order in which they are driven.

    The town is outermost, so that a map loads once, and the arm innermost, so that the episodes
    of a pair are driven one after the other. An arm with a weather of its own is driven once,
    however many weathers there are; where its weather is among them, it is no drive of its own.

    Raises:
        ConfigError: a factor is empty.
    """
    for name in ("routes", "weathers", "arms", "seeds"):
        if not getattr(factors, name):
            raise ConfigError(f"nothing to drive: no {name}")
    specs = (
        EpisodeSpec(
            town=town,
            route_id=route_id,
            weather=arm.weather or weather,
            input=arm.input,
            fuser=arm.fuser,
            policy=factors.policy,
            seed=seed,
            traffic=factors.traffic,
            collision_mode=factors.collision_mode,
            arm="" if arm.weather in factors.weathers else arm.name,
            hazards=factors.hazards,
            speed_kmh=factors.speed_kmh,
        )
        for town, route_ids in factors.routes.items()
        for weather in factors.weathers
        for seed in factors.seeds
        for route_id in route_ids
        for arm in factors.arms
    )
    return tuple(dict.fromkeys(specs))  # a name is no part of an episode's equality
