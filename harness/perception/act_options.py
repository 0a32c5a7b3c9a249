"""What a user can choose of `harness.perception act`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fusiondrive.cli import Flag, check_values
from fusiondrive.errors import ConfigError
from harness.checks import check_weathers
from harness.perception.acting import ready_arms, ready_policies
from harness.perception.drawing import still_settings
from harness.perception.unit import Asked
from results.counterfactuals import CLUSTERS
from scenarios.route_weather import ROUTE_WEATHER
from sensors.thermal_settings import thermal_text


@dataclass(frozen=True, kw_only=True)
class ActOptions:
    """Options of `act`."""

    out: Annotated[Path, Flag("folder of rows, tables and plot", "DIR")]
    level: Annotated[tuple[str, ...], Flag("weathers, such as fog:40 night:glare", "NAME")] = (
        *("fog", "night:glare"),
    )
    arms: Annotated[tuple[str, ...], Flag("as in harness.run; rgb must be among them", "ARM")] = (
        *("rgb", "dehaze", "thermal", "distilled", "oracle", "oracle:blanked"),
    )
    policy: Annotated[tuple[str, ...], Flag("frozen ones, by name or NAME=WEIGHTS", "POLICY")] = (
        "cilrs",
    )
    fuser_weights: Annotated[
        Path | None, Flag("of the arm `student` or a plug-in fuser", "FILE")
    ] = None
    thermal: Annotated[str, Flag("of the thermal camera, as in harness.run", read=thermal_text)] = (
        "fog_ratio=0.5"
    )
    count: Annotated[
        int | None, Flag("poses to take of the set, evenly over it; default: all", at_least=1)
    ] = None
    cluster: Annotated[str, Flag("what intervals resample", choices=CLUSTERS)] = "drive"
    workers: Annotated[int, Flag("server and client pairs", at_least=1)] = 1

    poses: Annotated[Path | None, Flag("a pose set; default: the shipped one", "FILE")] = None

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            ConfigError: a name or value is unknown.
        """
        check_values(self)
        check_weathers(self.level)
        if ROUTE_WEATHER in self.level:
            raise ConfigError(f"level '{ROUTE_WEATHER}' is a route file's weather; leave it out")
        still_settings(self.thermal)

    def asked(self) -> Asked:
        """Arms and policies, built.

        Raises:
            ConfigError: one of them cannot be asked.
        """
        arms = ready_arms(self.arms, self.fuser_weights)
        return Asked(arms, ready_policies(self.policy), still_settings(self.thermal))
