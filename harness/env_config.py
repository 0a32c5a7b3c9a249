"""What an environment is made of, and what a reset may choose anew; all of it checked at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from fusiondrive.arms import FUSED, Arm
from fusiondrive.errors import ConfigError, unknown_name
from fusiondrive.types import CameraSpec, SensorSpec
from harness.checks import check_names, check_weathers, ready_made_towns
from harness.config import RunConfig, Timeouts
from harness.criteria.own import check_criteria
from harness.reward import RewardConfig
from harness.server import ServerSpec
from harness.settings import checked
from policies.base import Policy
from scenarios.hazards.kinds import check_speed, read_hazards
from scenarios.route_files import is_random_town, read_route_xml
from scenarios.route_xml import town_name
from scenarios.spec import COLLISION_MODES, EpisodeSpec, check_traffic
from sensors.arms import arm_named, arm_of, takes_weights
from sensors.thermal_settings import read_thermal

WHAT = "environment"  # as errors call these settings
SEEDS = 2**31  # an episode's seed is below it


@dataclass(frozen=True)
class EnvConfig:
    """What stays the same over the episodes of one environment.

    Paths may be texts, and the nested settings dicts of their fields: `camera={"width": 200}`.
    With `camera=None` there is no image, and a step takes what physics and protocol take.

    Raises:
        ConfigError: a key, name or value is unknown.
    """

    server: ServerSpec = field(default_factory=ServerSpec)
    town: str = "Town02"
    weather: str = "clear"
    input: str = "rgb"
    fuser: str = "student"
    fuser_weights: Path | None = None
    thermal: str = "fog_ratio=0.5"  # see `sensors.thermal_settings`
    traffic: str = "empty"
    collision_mode: str = "stop"
    hazards: str = "none"
    speed_kmh: int | None = None
    route_file: Path | None = None
    camera: CameraSpec | None = field(default_factory=CameraSpec)
    sensors: tuple[SensorSpec, ...] = ()  # further ones, for `Observation.readings`
    reward: RewardConfig = field(default_factory=RewardConfig)
    timeouts: Timeouts = field(default_factory=Timeouts)
    arm: str | None = None  # in place of input and fuser
    criteria: tuple[str, ...] = ()  # of the user's own, counted in the score

    def __post_init__(self) -> None:
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        for name, value in checked(EnvConfig, values, WHAT).items():
            object.__setattr__(self, name, value)
        check_weathers([self.weather])
        read_thermal(self.thermal)
        self.drives()
        if self.camera is None:
            self._check_blind()
        check_names("collision mode", [self.collision_mode], COLLISION_MODES)
        check_traffic(self.traffic)
        read_hazards(self.hazards)
        check_speed(self.speed_kmh)
        check_criteria(self.criteria)

    def drives(self) -> Arm:
        """The arm that makes the policy's image.

        Raises:
            ConfigError: it is unknown, or named in both ways.
        """
        if self.arm is None:
            return arm_of(self.input, self.fuser)
        if (self.input, self.fuser) != (EnvConfig.input, EnvConfig.fuser):
            raise ConfigError(f"arm '{self.arm}' names input and fuser itself; leave them out")
        return arm_named(self.arm)

    def _check_blind(self) -> None:
        """Refuse what would make an image where no camera gives one.

        Raises:
            ConfigError: names the setting.
        """
        for name in ("arm", "input", "fuser", "fuser_weights"):
            value = getattr(self, name)
            if value != getattr(EnvConfig, name):
                raise ConfigError(f"{name} '{value}' needs a camera: leave it or camera=None out")


def env_of_run(config: RunConfig, policy: Policy, server: ServerSpec) -> EnvConfig:
    """Where a run's episodes take place, with the cameras and sensors of its policy."""
    return EnvConfig(
        server=server,
        camera=policy.camera,
        sensors=policy.sensors,
        fuser_weights=config.fuser_weights,
        thermal=config.thermal,
        route_file=config.route_file,
        timeouts=config.timeouts,
        criteria=config.criteria or (),
    )


def server_of_run(
    config: RunConfig, town: str, *, number: int = 0, log_file: Path | None = None
) -> ServerSpec:
    """The server that a run starts or reaches.

    Args:
        config: of the run.
        town: that is loaded first.
        number: which of the servers that drive side by side, from 0.
        log_file: of what it prints.
    """
    host, port = config.address(number)
    return ServerSpec(
        backend=config.backend,
        host=host,
        port=port,
        town=town,
        maps=config.maps,
        start_timeout_s=config.timeouts.server_start_s,
        connect_timeout_s=config.timeouts.connect_s,
        log_file=log_file,
    )


def make_config(config: EnvConfig | Mapping[str, Any] | None, changes: dict[str, Any]) -> EnvConfig:
    """A configuration or its keys as a mapping, with some fields changed; its files are there.

    Raises:
        ConfigError: a key, name or value is unknown, or a file is missing or broken.
    """
    if config is not None and not isinstance(config, EnvConfig | Mapping):
        found = type(config).__name__
        raise ConfigError(f"config: expected an EnvConfig or a mapping of its keys, found {found}")
    given = {**config, **changes} if isinstance(config, Mapping) else changes
    checked(EnvConfig, given, WHAT)  # names the unknown key; Python would say less
    made = replace(config, **changes) if isinstance(config, EnvConfig) else EnvConfig(**given)
    if made.route_file is not None:
        read_route_xml(made.route_file)
    if made.fuser_weights is not None and not made.fuser_weights.is_file():
        raise ConfigError(f"fuser weights {made.fuser_weights}: no such file")
    arm = made.drives()
    if made.fuser_weights is not None and arm.input == FUSED and not takes_weights(arm):
        raise ConfigError(f"fuser '{arm.fuser}' takes no weights; fuser 'student' does")
    return made


# Settings that `reset(options=...)` may change for one episode, beside `spec` and `route`.
EPISODE_SETTINGS = (
    *("town", "weather", "input", "fuser", "arm", "traffic", "collision_mode"),
    *("hazards", "speed_kmh"),
)


class Chosen(NamedTuple):
    """What the options of a reset ask for."""

    spec: EpisodeSpec | None = None  # the whole episode
    config: EnvConfig | None = None  # of this episode alone, where there is no `spec`
    route: str | None = None  # None: drawn


def read_options(options: Mapping[str, Any] | None, config: EnvConfig) -> Chosen:
    """Read the options of a reset; an option that is None is not there.

    Raises:
        ConfigError: an option or its value is unknown, or `spec` does not stand alone.
    """
    if options is not None and not isinstance(options, Mapping):
        raise ConfigError(f"reset options: expected a mapping, found {type(options).__name__}")
    given = {key: value for key, value in (options or {}).items() if value is not None}
    known = ("spec", "route", *EPISODE_SETTINGS)
    for key in given:
        if key not in known:
            raise unknown_name("reset option", str(key), known)
    if "spec" in given:
        if len(given) > 1:
            others = ", ".join(sorted(set(given) - {"spec"}))
            raise ConfigError(f"reset option 'spec' is a whole episode; leave {others} out")
        return Chosen(spec=_read_spec(given["spec"]))
    route = given.pop("route", None)
    if isinstance(route, bool) or not isinstance(route, str | int | None):
        raise ConfigError(f"reset option 'route': expected an id such as '03', found {route!r}")
    chosen = replace(config, **given)
    _check_town(chosen)
    return Chosen(config=chosen, route=None if route is None else str(route))


def _check_town(config: EnvConfig) -> None:
    """Refuse a town without routes before a server starts for it."""
    town, known = town_name(config.town), ready_made_towns()
    if config.route_file is None and town not in known and not is_random_town(town):
        raise unknown_name("town", config.town, (*known, "random:SEED"))


def _read_spec(spec: object) -> EpisodeSpec:
    if isinstance(spec, Mapping):
        required = {item.name for item in fields(EpisodeSpec) if item.default is MISSING}
        values = checked(EpisodeSpec, spec, "reset option 'spec'")
        if missing := sorted(required - set(values)):
            raise ConfigError(f"reset option 'spec': lacks {', '.join(missing)}")
        return EpisodeSpec(**values)
    if not isinstance(spec, EpisodeSpec):
        raise ConfigError(
            f"reset option 'spec': expected an EpisodeSpec or a mapping of its fields, found "
            f"{type(spec).__name__}"
        )
    return spec
