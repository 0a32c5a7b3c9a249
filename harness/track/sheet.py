"""Draw every track test in several weathers on one picture, visible beside infrared.

python -m harness.track.sheet --out sheet.jpg
python -m harness.track.sheet --weather night:glare --speed 60 --before 1.5 --out glare.jpg
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np

from fusiondrive.cli import Flag, check_values, exit_code, parse
from fusiondrive.errors import ConfigError
from fusiondrive.files import check_file, whole_file
from fusiondrive.types import Image
from harness.checks import check_weathers
from harness.recorder import FONT, INK
from harness.server import RunningServer, ServerSpec
from harness.session import Address, Session
from harness.track.protocol import LEAD_S, STEP_S, TESTS, track_test
from harness.track.road import longest_straight
from harness.track.runner import SETTLE_TICKS, TRACK_TOWN
from harness.track.scene import Scene
from harness.track.trial import Track
from scenarios.route_weather import ROUTE_WEATHER
from scenarios.street_lamps import DarkStreets
from scenarios.weather import preset, weather_name

TILE = (208, 156)  # width, height
MARGIN, BAR = 130, 26
QUALITY = 80
LEVELS = ("clear", "fog:60", "fog:40", "fog:25", "night:lamps", "night:headlights", "night:glare")


@dataclass(frozen=True, kw_only=True)
class SheetOptions:
    """Options of this command."""

    out: Annotated[Path, Flag("a picture, such as sheet.jpg", "FILE")]
    test: Annotated[tuple[str, ...], Flag("default: all in which somebody is in the way")] = ()
    weather: Annotated[tuple[str, ...], Flag("one column each")] = LEVELS
    speed: Annotated[int, Flag("test speed, km/h", at_least=10, at_most=130)] = 50
    before: Annotated[
        float, Flag("seconds before the contact without braking", at_least=0.1, at_most=LEAD_S)
    ] = 1.5

    def __post_init__(self) -> None:
        """Check the options."""
        check_values(self)
        check_weathers(self.weather)
        if ROUTE_WEATHER in self.weather:
            raise ConfigError(f"weather '{ROUTE_WEATHER}' is a route file's; leave it out")

    @property
    def scenes(self) -> list[str]:
        """Names of the tests."""
        names = self.test or tuple(name for name, test in TESTS.items() if not test.is_clear)
        return [track_test(name).name for name in names]


def run(options: SheetOptions) -> str:
    """Draw the picture.

    Raises:
        ConfigError: a name is unknown.
        SimulatorError: the simulator failed.
    """
    check_file(options.out, "--out")
    names = options.scenes
    with ExitStack() as owned:
        server = owned.enter_context(RunningServer(ServerSpec(town=TRACK_TOWN)))
        session = Session(Address(server.host, server.port), delta_s=STEP_S)
        owned.enter_context(session)
        session.load(TRACK_TOWN)
        columns = [_column(session, weather, names, options) for weather in options.weather]
    sheet = np.concatenate([_labels(names), *columns], axis=1)
    suffix = options.out.suffix or ".jpg"
    data = cv2.imencode(
        suffix, cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )[1]
    with whole_file(options.out) as draft:
        draft.write_bytes(data.tobytes())
    return f"{options.out}: {len(names)} tests in {len(options.weather)} weathers"


def _column(session: Session, weather: str, names: Sequence[str], options: SheetOptions) -> Image:
    chosen = preset(weather)
    tiles = [_bar(weather_name(weather), 2 * TILE[0])]
    with ExitStack() as owned:
        scenes = [Scene(TESTS[name], options.speed, chosen.has_oncoming_car) for name in names]
        road = longest_straight(session.map, max(scene.length_m for scene in scenes))
        track = Track(session, road, chosen, 0)
        if chosen.is_night and not chosen.has_street_lamps:
            owned.enter_context(DarkStreets(session.world))
        for _ in range(SETTLE_TICKS):
            session.tick()
        for scene in scenes:
            moment = track.picture(scene, LEAD_S - options.before)
            grey = np.repeat(moment.thermal[:, :, None], 3, axis=2)  # (H, W, 3)
            tiles.append(np.concatenate([_small(moment.rgb), _small(grey)], axis=1))
    return np.concatenate(tiles, axis=0)


def _labels(names: Sequence[str]) -> Image:
    rows = [_bar("", MARGIN)]
    for name in names:
        tile = np.full((TILE[1], MARGIN, 3), 24, np.uint8)
        cv2.putText(tile, name, (8, TILE[1] // 2), FONT, 0.6, INK, 1, cv2.LINE_AA)
        rows.append(tile)
    return np.concatenate(rows, axis=0)


def _bar(text: str, width: int) -> Image:
    bar = np.full((BAR, width, 3), 24, np.uint8)
    cv2.putText(bar, text, (8, 19), FONT, 0.6, INK, 1, cv2.LINE_AA)
    return bar


def _small(picture: Image) -> Image:
    return np.asarray(cv2.resize(picture, TILE, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return exit_code(lambda: run(parse(SheetOptions, arguments, "harness.track.sheet", __doc__)))


if __name__ == "__main__":
    sys.exit(main())
