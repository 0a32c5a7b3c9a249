"""What a user can choose wherever poses are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fusiondrive.cli import Flag, check_values
from fusiondrive.errors import ConfigError
from harness.checks import check_weathers
from harness.perception.drawing import still_settings
from scenarios.route_weather import ROUTE_WEATHER
from sensors.thermal_settings import thermal_text


@dataclass(frozen=True, kw_only=True)
class PoseOptions:
    """Options that all steps which draw poses have in common."""

    level: Annotated[tuple[str, ...], Flag("weathers, such as fog:40 night:glare", "NAME")]
    thermal: Annotated[str, Flag("of the thermal camera, as in harness.run", read=thermal_text)] = (
        "fog_ratio=0.5"
    )
    count: Annotated[
        int | None, Flag("poses to take of the set, evenly over it; default: all", at_least=1)
    ] = None
    workers: Annotated[int, Flag("server and client pairs", at_least=1)] = 1
    poses: Annotated[Path | None, Flag("a pose set; default: the shipped one", "FILE")] = None

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            ConfigError: a name or value is unknown.
        """
        check_values(self)
        check_levels(self.level)
        still_settings(self.thermal)


def check_levels(names: Sequence[str]) -> None:
    """Refuse weathers in which no pose can be drawn.

    Raises:
        ConfigError: a name is unknown, or stands for the weather of a route file.
    """
    check_weathers(names)
    if ROUTE_WEATHER in names:
        raise ConfigError(f"level '{ROUTE_WEATHER}' is a route file's weather; leave it out")
