"""Every hazard in some weathers, as the driving camera and the thermal camera see it.

    python -m harness.hazard_sheet docs/pictures/hazards.jpg

The expert drives a route for each picture, which shows the moment at which the hazard acts and the
bumper is 14 m from it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray

from fusiondrive.cli import Flag, exit_code, parse
from fusiondrive.errors import ConfigError
from fusiondrive.files import check_file
from harness.checks import check_weathers
from harness.env_config import EnvConfig
from harness.hazard_moment import views_at_hazard
from harness.simulation import Simulation
from scenarios.hazards.kinds import HAZARDS

WIDTH, HEIGHT = 240, 180
TITLE_PX = 18
QUALITY = 85
SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command."""

    output: Annotated[Path, Flag("a .jpg or .png file", "FILE", names=("output",))]
    weather: Annotated[tuple[str, ...], Flag("one or more")] = (
        *("clear", "fog:40", "night:headlights"),
    )
    town: Annotated[str, Flag("in which to drive")] = "Town02"
    route: Annotated[str, Flag("that is driven")] = "08"

    def __post_init__(self) -> None:
        """Check the options."""
        check_weathers(self.weather)
        if self.output.suffix.lower() not in SUFFIXES:
            raise ConfigError(f"expected a {', '.join(SUFFIXES)}, found {self.output}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the sheet; returns the exit code."""
    return exit_code(lambda: draw(parse(Options, arguments, "harness.hazard_sheet", __doc__)))


def draw(options: Options) -> int:
    """Drive to each hazard in each weather and write the sheet.

    Raises:
        ConfigError: the route has no room for one of them.
    """
    check_file(options.output)
    with Simulation(EnvConfig(town=options.town)) as simulation:
        rows = [
            np.hstack([_pictures(simulation, options, kind, name) for name in options.weather])
            for kind in HAZARDS
        ]
    cv2.imwrite(str(options.output), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    print(f"wrote {options.output}: {options.output.stat().st_size / 1e3:.0f} KB")
    return 0


def _pictures(
    simulation: Simulation, options: Options, kind: str, weather: str
) -> NDArray[np.uint8]:
    """The visible and the thermal image of one moment side by side; BGR."""
    views = views_at_hazard(simulation, options.town, options.route, weather, kind)
    assert views.thermal is not None  # the moment is seen by both cameras
    return np.hstack(
        [
            _titled(cv2.cvtColor(views.rgb, cv2.COLOR_RGB2BGR), f"{kind}, {weather}"),
            _titled(cv2.cvtColor(views.thermal, cv2.COLOR_GRAY2BGR), "thermal"),
        ]
    )


def _titled(picture: NDArray[np.uint8], title: str) -> NDArray[np.uint8]:
    small = cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    small[-TITLE_PX:] //= 3
    place, font, white = (5, HEIGHT - 5), cv2.FONT_HERSHEY_SIMPLEX, (255, 255, 255)
    return np.asarray(cv2.putText(small, title, place, font, 0.36, white, 1, cv2.LINE_AA), np.uint8)


if __name__ == "__main__":
    sys.exit(main())
