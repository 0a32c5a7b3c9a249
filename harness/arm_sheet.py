"""One hazard or several in some weathers, as each arm sees them, on one picture.

    python -m harness.arm_sheet docs/pictures/arms_weathers.jpg

A line is one moment: the expert drives to the hazard in a weather, and what its cameras see as the
bumper is 14 m from it becomes the picture of each arm. Thermal images are computed from class ids
and depth (privileged).
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np

from fusiondrive.arms import CLEAR, SWAPPED, Arm
from fusiondrive.cli import Flag, exit_code, parse
from fusiondrive.errors import ConfigError, unknown_name
from fusiondrive.files import check_file
from fusiondrive.types import Image
from harness.checks import check_weathers
from harness.env_config import EnvConfig
from harness.hazard_moment import views_at_hazard
from harness.recorder import FONT
from harness.simulation import Simulation
from scenarios.hazards.kinds import HAZARDS
from scenarios.weather import FOG_LEVELS_M, WEATHERS, weather_name
from sensors.arms import Maker, arm_named, image_of, make_image_maker

TILE = (180, 135)  # width, height
BAR = 18
INK = (235, 235, 235)
QUALITY = 70
SUFFIXES = (".jpg", ".jpeg", ".png")
LEVELS = (
    *(name for name in WEATHERS if name not in ("fog", "night")),
    *(f"fog:{range_m}" for range_m in FOG_LEVELS_M),
    *("night", "night:headlights", "night:glare", "night+fog:60"),
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command."""

    output: Annotated[Path, Flag("a .jpg or .png file", "FILE", names=("output",))]
    weather: Annotated[tuple[str, ...], Flag("one or more")] = LEVELS
    hazards: Annotated[tuple[str, ...], Flag("one or more")] = ("DynamicObjectCrossing",)
    arms: Annotated[tuple[str, ...], Flag("one or more", "ARM")] = (
        *("rgb", "dehaze", "clahe", "thermal", "distilled", "oracle", "oracle:blanked"),
    )
    town: Annotated[str, Flag("in which to drive")] = "Town02"
    route: Annotated[str, Flag("that is driven")] = "08"

    def __post_init__(self) -> None:
        """Check the options."""
        check_weathers(self.weather)
        for hazard in self.hazards:
            if hazard not in HAZARDS:
                raise unknown_name("hazard", hazard, HAZARDS)
        for name in self.arms:
            if arm_named(name).weather == CLEAR or name.endswith(SWAPPED):
                raise ConfigError(
                    f"arm '{name}': expected one that makes its picture of this place and weather; "
                    "leave it out"
                )
        if self.output.suffix.lower() not in SUFFIXES:
            raise ConfigError(f"expected a {', '.join(SUFFIXES)}, found {self.output}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the sheet; returns the exit code."""
    return exit_code(lambda: draw(parse(Options, arguments, "harness.arm_sheet", __doc__)))


def draw(options: Options) -> int:
    """Drive to each hazard in each weather, and write what each arm makes of it.

    Raises:
        ConfigError: an arm's weights are missing, or the route has no room for a hazard.
    """
    check_file(options.output)
    arms = [arm_named(name) for name in options.arms]
    makers = {arm: make_image_maker(arm) for arm in arms}
    with Simulation(EnvConfig(town=options.town)) as simulation:
        lines = [
            _line(simulation, options, makers, hazard, weather)
            for hazard, weather in itertools.product(options.hazards, options.weather)
        ]
    header = np.hstack([_bar(arm.name) for arm in arms])
    sheet = cv2.cvtColor(np.vstack([header, *lines]), cv2.COLOR_RGB2BGR)
    if not cv2.imwrite(str(options.output), sheet, [cv2.IMWRITE_JPEG_QUALITY, QUALITY]):
        raise ConfigError(f"cannot write {options.output}")
    print(f"wrote {options.output}: {options.output.stat().st_size / 1e3:.0f} KB")
    return 0


def _line(
    simulation: Simulation, options: Options, makers: dict[Arm, Maker], hazard: str, weather: str
) -> Image:
    """What every arm sees of one moment, (H, W, 3), under a bar that says which it is."""
    views = views_at_hazard(simulation, options.town, options.route, weather, hazard)
    assert views.thermal is not None  # the moment is seen by both cameras
    pictures = [image_of(arm, maker, views.rgb, views.thermal) for arm, maker in makers.items()]
    title = _title(options, hazard, weather)
    small = [cv2.resize(picture, TILE, interpolation=cv2.INTER_AREA) for picture in pictures]
    return np.vstack([_bar(title, len(small) * TILE[0]), np.hstack(small)])


def _title(options: Options, hazard: str, weather: str) -> str:
    """What differs between the lines: the weather, the hazard, or both."""
    if len(options.hazards) == 1:
        return weather_name(weather)
    said = HAZARDS[hazard]
    return said if len(options.weather) == 1 else f"{weather_name(weather)}: {said}"


def _bar(text: str, width: int = TILE[0]) -> Image:
    bar = np.full((BAR, width, 3), 24, np.uint8)
    cv2.putText(bar, text, (5, BAR - 5), FONT, 0.4, INK, 1, cv2.LINE_AA)
    return bar


if __name__ == "__main__":
    sys.exit(main())
