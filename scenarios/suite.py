"""Suites: named matrices of drives in YAML; and their expansion to an ordered list of episodes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fusiondrive.arms import Arm
from fusiondrive.errors import ConfigError, unknown_name
from fusiondrive.provenance import text_hash
from fusiondrive.yaml_files import read_yaml
from scenarios.spec import EpisodeSpec

SUITES_DIR = Path(__file__).parent / "suites"
LOCK = ".lock.json"  # behind the name of a suite that is a frozen benchmark
SUFFIXES = (".yaml", ".yml")
ABOUT, DEFAULTS, BLOCKS = "about", "defaults", "blocks"  # a suite's own keys


@dataclass(frozen=True)
class Suite:
    """A named matrix of drives, as its file has it; `harness.suites` makes configurations of it."""

    name: str
    about: str  # what it is for, in a sentence or two
    defaults: Mapping[str, Any]  # what a user's flags may change
    blocks: tuple[Mapping[str, Any], ...]  # factors by their names, each crossed on its own
    digest: str  # of all of it, 12 hex digits; comments and order of keys are no part of it
    lock: Path | None = None  # of a frozen benchmark, see `harness.benchmark_lock`


def suite_names() -> tuple[str, ...]:
    """The suites that ship with the package."""
    return tuple(sorted(path.stem for path in SUITES_DIR.glob("*.yaml")))


def suite(name: str) -> Suite:
    """Read a suite that ships with the package, or a user's own file.

    Args:
        name: one of `suite_names()`, or the path of a YAML file.

    Raises:
        ConfigError: there is no such suite, or its file is broken; names file and key.
    """
    if name.endswith(SUFFIXES):
        return _read_suite(Path(name).stem, Path(name))
    if name not in suite_names():
        raise unknown_name("suite", name, (*suite_names(), "FILE.yaml"))
    lock = SUITES_DIR / f"{name}{LOCK}"
    chosen = _read_suite(name, SUITES_DIR / f"{name}.yaml")
    return replace(chosen, lock=lock) if lock.is_file() else chosen


def _read_suite(name: str, path: Path) -> Suite:
    values = read_yaml(path, "suite")
    own = {key: values.pop(key) for key in (ABOUT, DEFAULTS, BLOCKS) if key in values}
    blocks = own.get(BLOCKS, [{}])
    if not isinstance(blocks, list) or not all(isinstance(item, dict) for item in blocks):
        raise ConfigError(f"suite {path}: {BLOCKS}: expected a list of mappings of factors")
    if not blocks:
        raise ConfigError(f"suite {path}: {BLOCKS}: expected one block or more, found none")
    defaults = own.get(DEFAULTS) or {}
    if not isinstance(defaults, dict):
        raise ConfigError(f"suite {path}: {DEFAULTS}: expected a mapping of keys")
    merged = tuple({**values, **{str(key): item[key] for key in item}} for item in blocks)
    text = json.dumps([defaults, merged], sort_keys=True)
    about = " ".join(str(own.get(ABOUT, "")).split())
    return Suite(name, about, defaults, merged, text_hash(text))


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
    latency: str = ""


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
            latency=factors.latency,
        )
        for town, route_ids in factors.routes.items()
        for weather in factors.weathers
        for seed in factors.seeds
        for route_id in route_ids
        for arm in factors.arms
    )
    return tuple(dict.fromkeys(specs))  # a name is no part of an episode's equality
