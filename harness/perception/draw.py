"""Draw poses in any weather and write them as labelled frames, see `perceivers.frames`."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray

from fusiondrive.cli import Flag, check_values
from fusiondrive.errors import ConfigError
from fusiondrive.files import check_folder
from fusiondrive.provenance import source_commit
from fusiondrive.types import CameraSpec
from harness.checks import check_weathers
from harness.perception.drawing import Artist, Picture, still_settings, town_session
from harness.perception.labels import label
from harness.perception.poses import FrozenPose, PoseSet, read_poses
from perceivers.detection import CAMERA
from perceivers.frames import CARD, FramesCard, FrameWriter
from perceivers.labelled_frame import JPEG_QUALITY, LabelledFrame
from scenarios.route_weather import ROUTE_WEATHER
from scenarios.weather import weather_name
from sensors.thermal_settings import THERMAL_LOOK, thermal_text

CAMERAS = {"driving": CameraSpec(), "braking": CAMERA}


@dataclass(frozen=True, kw_only=True)
class DrawOptions:
    """Options of `draw`."""

    poses: Annotated[Path, Flag("a pose set of harness.perception record", "FILE")]
    out: Annotated[Path, Flag("folder of labelled frames; it must not hold any", "DIR")]
    level: Annotated[tuple[str, ...], Flag("weathers of the pictures", "NAME")] = ("clear",)
    camera: Annotated[
        str, Flag("driving: 400x300, 100 degrees; braking: 640x480, 50", choices=tuple(CAMERAS))
    ] = "driving"
    thermal: Annotated[str, Flag("of the thermal camera, as in harness.run", read=thermal_text)] = (
        "fog_ratio=0.5"
    )
    count: Annotated[
        int | None, Flag("poses to take of the set, evenly over it; default: all", at_least=1)
    ] = None

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


def run(options: DrawOptions, words: list[str]) -> str:
    """Draw the poses of a set in some weathers, with labels.

    Args:
        options: of the command.
        words: the command line behind `draw`, for the card.
    """
    check_folder(options.out, flag="--out")
    if (options.out / CARD).exists():
        raise ConfigError(f"--out: {options.out} holds labelled frames already; give another")
    found = read_poses(options.poses)
    towns = found.by_town(options.count)
    card = FramesCard(
        made_by=shlex.join(["python", "-m", "harness.perception", "draw", *words]),
        commit=source_commit(),
        look=found.facts.look,
        seed=0,
        thermal_look=THERMAL_LOOK,
        about={"pose_set": found.digest, "levels": list(options.level)},
    )
    began_s, total = time.monotonic(), len(options.level) * sum(map(len, towns.values()))
    with FrameWriter(options.out, card) as writer:
        for count, frame in enumerate(_frames(options, found, towns), start=1):
            writer.add(frame)
            rate = count / (time.monotonic() - began_s)
            print(f"\r{count} of {total} frames, {rate:.1f}/s ", end="", file=sys.stderr)
    print(file=sys.stderr)
    return f"{options.out}: {total} labelled frames of {len(towns)} towns"


def _frames(
    options: DrawOptions, found: PoseSet, towns: dict[str, list[FrozenPose]]
) -> Iterator[LabelledFrame]:
    camera, settings = CAMERAS[options.camera], still_settings(options.thermal)
    for town, poses in towns.items():
        with town_session(town, found.facts) as session:
            for level in options.level:
                with Artist(session, level, camera, settings) as artist:
                    for pose in poses:
                        yield labelled(artist.draw(pose), level, camera, options.thermal)


def labelled(picture: Picture, level: str, camera: CameraSpec, thermal: str) -> LabelledFrame:
    """A picture as a labelled frame: RGB as JPEG, class ids and thermal picture as PNG."""
    assert picture.frame.tags is not None  # it was drawn with class ids
    bgr = cv2.cvtColor(picture.frame.rgb, cv2.COLOR_RGB2BGR)
    return LabelledFrame(
        town=picture.pose.town,
        pose=picture.pose.key,
        weather=weather_name(level),
        camera=camera,
        rgb=_encoded(".jpg", np.asarray(bgr, np.uint8), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]),
        tags=_encoded(".png", picture.frame.tags),
        objects=label(picture),
        thermal_settings=thermal,
        thermal=_encoded(".png", picture.thermal),
    )


def _encoded(suffix: str, picture: NDArray[np.uint8], settings: list[int] | None = None) -> bytes:
    return bytes(cv2.imencode(suffix, picture, settings or [])[1].tobytes())
