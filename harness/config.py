"""The configuration of a run: defaults, then a YAML file, then flags; frozen once it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from fusiondrive.cli import Flag
from fusiondrive.errors import ConfigError
from fusiondrive.yaml_files import read_yaml
from harness.config_values import (
    as_latency,
    as_list,
    as_path,
    as_policy,
    as_text,
    as_weathers,
    joined,
    path_as_text,
)
from harness.file_names import safe_name
from scenarios.hazards.kinds import SPEED_RANGE_KMH
from scenarios.weather import weather_name
from sensors.thermal_settings import thermal_text

BackendName = Literal["embedded", "docker", "external"]
EngineName = Literal["local", "ray", "slurm"]
LogLevel = Literal["debug", "info", "warning", "error"]

BACKENDS: tuple[str, ...] = get_args(BackendName)

# Headings of the command line's help.
SCENE = "what is driven"
SIGHT = "what drives, and what it sees"
SERVER = "where it is driven"
ENGINE = "on which machines"
RECORDS = "what is kept"

PORT_STRIDE = 4  # a server takes P, P+1 and, on Unreal, P+2
MAX_NAME_BYTES = 200  # of a run's directory


UserPath = Annotated[Path, BeforeValidator(as_path)]
Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
Names = Annotated[tuple[str, ...], BeforeValidator(as_list), Field(min_length=1)]


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
    """Everything that a user can choose; what has a `Flag` is one of `python -m harness.run`."""

    town: Annotated[Names, Flag("such as Town02 Town03 random:7", group=SCENE)] = ("Town02",)
    weather: Annotated[
        Names,
        BeforeValidator(as_weathers),
        Flag(
            "such as clear fog:40 night:glare FILE.yaml; route: the route file's own", group=SCENE
        ),
    ] = ("clear",)
    input: Annotated[
        Names, Flag("rgb, enhanced, thermal, fused; --arms names all of it at once", group=SIGHT)
    ] = ("rgb",)
    arms: Annotated[
        Names | None,
        Flag(
            "what is compared on the same episodes, such as rgb dehaze distilled oracle "
            "oracle:blanked oracle:swapped clear",
            "ARM",
            group=SIGHT,
        ),
    ] = None  # in place of input and fuser
    policy: Annotated[
        str,
        BeforeValidator(as_policy),
        Flag(
            "cilrs, expert, autopilot, constant, module:Class, leaderboard:AGENT.py, aeb:POLICY",
            group=SIGHT,
        ),
    ] = "cilrs"
    policy_weights: Annotated[
        UserPath | None,
        Flag("default: the shipped ones", "FILE", ("--policy-weights", "--weights"), group=SIGHT),
    ] = None
    detector_weights: Annotated[
        UserPath | None,
        Flag("of the detector behind aeb:POLICY; default: the shipped ones", "FILE", group=SIGHT),
    ] = None
    agent_config: Annotated[
        str | None,
        BeforeValidator(path_as_text),
        Flag(
            "for leaderboard:AGENT.py's setup: a file or folder, or such as CONFIG.py+NET.pth+NAME",
            "TEXT",
            group=SIGHT,
        ),
    ] = None
    fused_camera: Annotated[
        str | None, Flag("of that agent's RGB cameras; default: its first", "ID", group=SIGHT)
    ] = None
    fuser: Annotated[
        str,
        Flag(
            "student, distilled, oracle, average, max, laplacian; NAME:blanked puts a grey plane "
            "in place of the infrared image",
            group=SIGHT,
        ),
    ] = "student"
    fuser_weights: Annotated[
        UserPath | None, Flag("default: the shipped ones", "FILE", group=SIGHT)
    ] = None
    thermal: Annotated[
        str,
        BeforeValidator(thermal_text),
        Flag("of the thermal camera: fog_ratio, or faults such as shift=5px,noise=4", group=SIGHT),
    ] = "fog_ratio=0.5"
    suite: Annotated[
        str | None,
        Flag(
            "a named matrix of drives: quick, appendix_b, dose_response, hazards, stress, nocrash, "
            "fusiondrive-1-rc (frozen), or a file of your own",
            "NAME",
            group=SCENE,
        ),
    ] = None
    dry_run: Annotated[
        bool, Flag("print the plan and how long it will take; drive nothing", group=RECORDS)
    ] = False
    routes: Annotated[
        Positive,
        Flag("how many of the town's routes; Town02 and Town03 have 75, others 25", group=SCENE),
    ] = 10
    route_set: Annotated[
        str | None,
        Flag("validation: 50 routes in ten random towns that no training has seen", group=SCENE),
    ] = None
    route: Annotated[
        str | None, BeforeValidator(as_text), Flag("drive this one route", group=SCENE)
    ] = None
    route_file: Annotated[
        UserPath | None, Flag("routes in the Leaderboard's format", "XML", group=SCENE)
    ] = None
    seeds: Annotated[Positive, Flag("how many seeds", group=SCENE)] = 1
    seed: Annotated[int, Field(ge=0, lt=2**31), Flag("the first seed", group=SCENE)] = 0
    traffic: Annotated[
        str, Flag("empty, regular, dense, or VEHICLES+WALKERS such as 20+30", group=SCENE)
    ] = "empty"
    collision_mode: Annotated[str, Flag("stop or continue", group=SCENE)] = "stop"
    hazards: Annotated[
        str,
        BeforeValidator(joined),
        Flag("none, all, route (the route file's own), or NAME,NAME", group=SCENE),
    ] = "none"
    speed_kmh: Annotated[
        int | None,
        Field(ge=SPEED_RANGE_KMH[0], le=SPEED_RANGE_KMH[1]),
        Flag("that the routes are to be driven at, by those who can choose", group=SCENE),
    ] = None
    latency: Annotated[
        str,
        BeforeValidator(as_latency),
        Flag(
            "until a control acts: real (what fuser and policy take), or milliseconds",
            "real|MS",
            group=SIGHT,
        ),
    ] = ""
    backend: Annotated[BackendName, Flag("what stands behind the client", group=SERVER)] = (
        "embedded"
    )
    host: Annotated[str, Flag("of an external server", group=SERVER)] = "localhost"
    port: Annotated[
        int | None,
        Field(ge=1, le=65000),
        Flag("of an external server (default 2000), or to listen on", group=SERVER),
    ] = None
    hosts: Annotated[
        Names | None,
        Flag(
            "several external servers, HOST or HOST:PORT each, with one episode at a time on each",
            "HOST",
            group=SERVER,
        ),
    ] = None
    maps: Annotated[
        UserPath | None,
        Flag("official OpenDRIVE files for embedded servers", "DIR", group=SERVER),
    ] = None
    workers: Annotated[
        int, Field(ge=1, le=512), Flag("servers that drive side by side", group=SERVER)
    ] = 1
    retries: Annotated[
        int, Field(ge=0), Flag("of an episode that the simulator broke", group=SERVER)
    ] = 3
    engine: Annotated[
        EngineName, Flag("what spreads episodes: this machine, Ray or SLURM", group=ENGINE)
    ] = "local"
    ray_address: Annotated[
        str | None,
        Flag(
            "of a cluster: HOST:PORT, ray://HOST:PORT or auto; default: one of this machine",
            "ADDRESS",
            group=ENGINE,
        ),
    ] = None
    ray_cpus: Annotated[Positive, Flag("cores that a worker reserves", group=ENGINE)] = 2
    slurm_cluster: Annotated[
        Literal["slurm", "local"],
        Flag("local: the same jobs as processes of this machine, to try them", group=ENGINE),
    ] = "slurm"
    slurm_partition: Annotated[str | None, Flag("of the jobs", "NAME", group=ENGINE)] = None
    slurm_minutes: Annotated[Positive, Flag("time limit of a job", group=ENGINE)] = 240
    slurm_cpus: Annotated[Positive, Flag("cores of a job", group=ENGINE)] = 2
    slurm_memory_gb: Annotated[Positive, Flag("memory of a job", group=ENGINE)] = 4
    slurm_option: Annotated[
        Names | None,
        Flag("further ones of sbatch, such as account=lab qos=low", "NAME=VALUE", group=ENGINE),
    ] = None
    video: Annotated[bool, Flag("write an mp4 per episode", group=RECORDS)] = False
    trace: Annotated[bool, Flag("write a parquet per episode", group=RECORDS)] = True
    show: Annotated[bool, Flag("open a window while driving", group=RECORDS)] = False
    report: Annotated[
        bool | None,
        Flag("write a report when all is driven (default: with a suite)", group=RECORDS),
    ] = None
    open: Annotated[
        bool,
        Flag("show it in the browser, from a terminal on a machine with a screen", group=RECORDS),
    ] = True
    criteria: Annotated[
        Names | None,
        Flag("criteria of your own, counted beside ours", "module:Class", group=RECORDS),
    ] = None
    out: Annotated[UserPath | None, Flag("default: runs/<name>", "DIR", group=RECORDS)] = None
    log_level: Annotated[LogLevel, Flag("of messages", group=RECORDS)] = "warning"
    timeouts: Timeouts = Timeouts()

    @property
    def seed_list(self) -> tuple[int, ...]:
        """Consecutive seeds from the first one."""
        return tuple(range(self.seed, self.seed + self.seeds))

    @property
    def width(self) -> int:
        """How many episodes are driven side by side."""
        return self.workers if self.hosts is None else len(self.hosts)

    def address(self, number: int) -> tuple[str, int | None]:
        """Host and port of one of the run's servers; port None: a free or the usual one.

        Args:
            number: of the server, from 0 below `width`.
        """
        if self.hosts is not None:
            host, colon, port = self.hosts[number].rpartition(":")
            return (host, int(port)) if colon and port.isdigit() else (self.hosts[number], None)
        shift = 0 if self.backend == "external" else PORT_STRIDE * number
        return self.host, None if self.port is None else self.port + shift

    @property
    def directory(self) -> Path:
        """Where rows, tables, traces and videos go."""
        if self.out is not None:
            return self.out
        towns = "-".join(town.rstrip("/").rsplit("/", 1)[-1] for town in self.town)
        weathers = "-".join(weather_name(name) for name in self.weather)
        parts = [self.route_set or towns, weathers, "-".join(self.arms or self.input)]
        policy = re.sub(r"[^\w.-]+", "-", self.policy)  # a plug-in's name may hold a path
        hazards = [] if self.hazards == "none" else ["hazards"]
        name = "_".join([*parts, policy, *hazards]).replace(":", "-")  # as in random:7
        suite = "" if self.suite is None else Path(self.suite).stem
        return Path("runs") / safe_name(suite or name, MAX_NAME_BYTES)


FILES = ("maps", "route_file", "policy_weights", "detector_weights", "fuser_weights")


def anchored(config: RunConfig) -> RunConfig:
    """A configuration with absolute paths, for a process whose folder foreign code may change."""
    named = {name: getattr(config, name) for name in FILES}
    paths = {name: path.absolute() for name, path in named.items() if path is not None}
    return config.model_copy(update={**paths, "out": config.directory.absolute()})


def load_config(file: Path | None, flags: Mapping[str, Any]) -> RunConfig:
    """Merge the YAML file and the flags over the defaults; suites are for `harness.suites`.

    Args:
        file: a YAML mapping with the keys of `RunConfig`, or None.
        flags: values given on the command line; they win over the file.

    Raises:
        ConfigError: a key is unknown, or a value cannot be; names the full path.
    """
    return validated(config_values(file, flags), file)


def config_values(file: Path | None, flags: Mapping[str, Any]) -> dict[str, Any]:
    """What a user has given, as it was written.

    Raises:
        ConfigError: the file is missing or no YAML mapping.
    """
    return {**({} if file is None else read_yaml(file)), **flags}


def validated(values: Mapping[str, Any], file: Path | None, source: str = "") -> RunConfig:
    """The configuration of these values.

    Args:
        values: by the keys of `RunConfig`.
        file: where some of them stood; for the message.
        source: another place where some stood; for the message.

    Raises:
        ConfigError: a key is unknown, or a value cannot be; names the full path.
    """
    values = dict(values)
    _expand_route_set(values)
    try:
        return RunConfig.model_validate(values)
    except ValidationError as err:
        raise ConfigError(_message(err, source or ("" if file is None else str(file)))) from err


def _expand_route_set(values: dict[str, Any]) -> None:
    """Put the towns of a set of routes, and how many of each town's, into `values`."""
    from scenarios.suite import route_set

    if not isinstance(values.get("route_set"), str):
        return
    name = values["route_set"]
    chosen = route_set(name)
    for key in ("town", "route_file", "route"):
        if key in values:
            raise ConfigError(f"route set '{name}' says which towns and routes; leave {key} out")
    values["town"] = chosen.towns
    values.setdefault("routes", chosen.routes)


def _message(err: ValidationError, place: str) -> str:
    """The first problem in one line, with its path and what would be accepted."""
    problem = err.errors()[0]
    path = ".".join(str(part) for part in problem["loc"])
    source = f" (in {place})" if place else ""
    if problem["type"] == "extra_forbidden":
        model: type[BaseModel] = RunConfig if len(problem["loc"]) == 1 else Timeouts
        known = ", ".join(sorted(model.model_fields))
        return f"unknown config key '{path}'{source}; known: {known}"
    found = repr(problem["input"])
    return f"config key '{path}'{source}: {problem['msg']}; found {found[:80]}"
