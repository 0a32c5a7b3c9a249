"""The configuration of a run: defaults, then a YAML file, then flags; frozen once it is read."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from fusionproxy.errors import FusionError
from fusionproxy.text import read_text
from harness.errors import ConfigError
from results.identity import OUTCOME_FIELDS, RUNTIME_FIELDS

BackendName = Literal["embedded", "docker", "external"]
LogLevel = Literal["debug", "info", "warning", "error"]

BACKENDS: tuple[str, ...] = get_args(BackendName)
LOG_LEVELS: tuple[str, ...] = get_args(LogLevel)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _as_text(value: object) -> object:
    # YAML reads `route: 3` as a number; ids are written with leading zeros or not, both work.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _path_as_text(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else _as_text(value)


Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
Names = Annotated[tuple[str, ...], BeforeValidator(_as_list), Field(min_length=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Timeouts(_Frozen):
    """How long to wait, in seconds of wall-clock time."""

    server_start_s: Seconds = 240.0  # a cold compile of the renderer takes a minute
    connect_s: Seconds = 10.0
    load_s: Seconds = 180.0  # a town
    first_tick_s: Seconds = 120.0  # after loading, spawning or attaching sensors
    tick_s: Seconds = 15.0
    frame_s: Seconds = 10.0  # a sensor's image after its tick
    agent_setup_s: Seconds = 600.0  # building the policy, and each of its resets
    agent_step_s: Seconds = 300.0  # one answer of the policy; the Leaderboard waits as long


class RunConfig(_Frozen):
    """Everything that a user can choose; see README for examples."""

    town: Names = ("Town02",)
    weather: Names = ("clear",)
    input: Names = ("rgb",)
    policy: str = "cilrs"
    policy_weights: Path | None = None
    agent_config: Annotated[str | None, BeforeValidator(_path_as_text)] = None
    fused_camera: str | None = None
    fuser: str = "student"
    fuser_weights: Path | None = None
    suite: str | None = None
    backend: BackendName = "embedded"
    host: str = "localhost"
    port: Annotated[int | None, Field(ge=1, le=65000)] = None
    maps: Path | None = None
    routes: Positive = 10
    route: Annotated[str | None, BeforeValidator(_as_text)] = None
    route_file: Path | None = None
    seeds: Positive = 1
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0  # the first one
    traffic: str = "empty"
    collision_mode: str = "stop"
    video: bool = False
    trace: bool = True
    show: bool = False
    out: Path | None = None
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    retries: Annotated[int, Field(ge=0)] = 3
    log_level: LogLevel = "warning"
    timeouts: Timeouts = Timeouts()

    @property
    def seed_list(self) -> tuple[int, ...]:
        """Consecutive seeds from the first one."""
        return tuple(range(self.seed, self.seed + self.seeds))

    @property
    def directory(self) -> Path:
        """Where rows, tables, traces and videos go."""
        if self.out is not None:
            return self.out
        parts = ["-".join(self.town), "-".join(self.weather), "-".join(self.input)]
        policy = re.sub(r"[^\w.-]+", "-", self.policy)  # a plug-in's name may hold a path
        name = "_".join([*parts, policy]).replace(":", "-")  # as in random:7
        return Path("runs") / (self.suite or name)


def anchored(config: RunConfig) -> RunConfig:
    """The same with absolute paths, for a process whose folder foreign code may change."""
    named = {name: getattr(config, name) for name in ("maps", "route_file", "fuser_weights")}
    paths = {name: path.absolute() for name, path in named.items() if path is not None}
    return config.model_copy(update={**paths, "out": config.directory.absolute()})


def load_config(file: Path | None, flags: Mapping[str, Any]) -> RunConfig:
    """Merge the YAML file and the flags over the defaults.

    Args:
        file: a YAML mapping with the keys of `RunConfig`, or None.
        flags: values given on the command line; they win over the file.

    Raises:
        ConfigError: a key is unknown, or a value cannot be; names the full path.
    """
    values = {**({} if file is None else _read_yaml(file)), **flags}
    conflicts = _expand_suite(values)
    if conflicts:
        name = values["suite"]
        raise ConfigError(
            f"suite '{name}' sets {', '.join(conflicts)} itself; leave {'/'.join(conflicts)} out"
        )
    try:
        return RunConfig.model_validate(values)
    except ValidationError as err:
        raise ConfigError(_message(err, file)) from err


def unclassified_fields(names: set[str]) -> set[str]:
    """Fields that are in neither or in both of the identity's classes."""
    return names - (OUTCOME_FIELDS ^ RUNTIME_FIELDS)


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(read_text(file))
    except OSError as err:
        raise ConfigError(f"config file {file}: {err.strerror or err}") from err
    except FusionError as err:  # of its encoding
        raise ConfigError(f"config file {err}") from err
    except yaml.YAMLError as err:
        raise ConfigError(f"config file {file}: not readable as YAML: {_one_line(err)}") from err
    if content is None:
        return {}
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise ConfigError(f"config file {file}: expected a mapping of keys, found {kind}")
    return {str(key): value for key, value in content.items()}


def _expand_suite(values: dict[str, Any]) -> list[str]:
    """Put the suite's part into `values`; returns the keys that the user set against it."""
    from scenarios.suite import suite

    if not isinstance(values.get("suite"), str):
        return []
    chosen = suite(values["suite"])
    part = {"town": chosen.towns, "weather": chosen.weathers, "input": chosen.inputs}
    conflicts = [key for key in part if key in values]
    values.update(part)
    values.setdefault("traffic", chosen.traffic)
    return conflicts


def _message(err: ValidationError, file: Path | None) -> str:
    """The first problem in one line, with its path and what would be accepted."""
    problem = err.errors()[0]
    path = ".".join(str(part) for part in problem["loc"])
    source = f" (in {file})" if file is not None else ""
    if problem["type"] == "extra_forbidden":
        model: type[BaseModel] = RunConfig if len(problem["loc"]) == 1 else Timeouts
        known = ", ".join(sorted(model.model_fields))
        return f"unknown config key '{path}'{source}; known: {known}"
    found = repr(problem["input"])
    return f"config key '{path}'{source}: {problem['msg']}; found {found[:80]}"


def _one_line(err: Exception) -> str:
    return " ".join(str(err).split())
