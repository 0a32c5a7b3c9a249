"""Draw poses in any weather and write them as labelled frames, see `perceivers.frames`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fusiondrive.cli import Flag
from fusiondrive.errors import ConfigError
from fusiondrive.files import check_folder
from fusiondrive.provenance import source_commit
from fusiondrive.types import CameraSpec
from harness.perception.crew import Beat, guarded, work_off
from harness.perception.drawing import Artist, Picture, still_settings, town_session
from harness.perception.labels import label
from harness.perception.pose_options import PoseOptions
from harness.perception.poses import PoseSet, read_poses
from harness.supervision import Pulse
from perceivers.detection import CAMERA
from perceivers.frames import CARD, FramesCard, FrameSet, FrameWriter
from perceivers.labelled_frame import JPEG_QUALITY, LabelledFrame
from scenarios.weather import weather_name
from sensors.thermal_settings import THERMAL_LOOK

CAMERAS = {"driving": CameraSpec(), "braking": CAMERA}


@dataclass(frozen=True, kw_only=True)
class DrawOptions(PoseOptions):
    """Options of `draw`."""

    out: Annotated[Path, Flag("folder; each town gets a set of labelled frames in it", "DIR")]
    level: Annotated[tuple[str, ...], Flag("weathers of the pictures", "NAME")] = ("clear",)
    camera: Annotated[
        str, Flag("driving: 400x300, 100 degrees; braking: 640x480, 50", choices=tuple(CAMERAS))
    ] = "driving"


def run(options: DrawOptions, words: list[str]) -> str:
    """Draw the poses of a set in some weathers, with labels; towns that are there stay.

    Args:
        options: of the command.
        words: not looked at.

    Raises:
        ConfigError: the folder has frames of another pose set or of other settings.
    """
    check_folder(options.out, flag="--out")
    found = read_poses(options.poses)
    towns = found.by_town(options.count)
    missing = [town for town in towns if not _is_done(options, found, town, len(towns[town]))]
    each = len(options.level)
    total = each * sum(len(towns[town]) for town in missing)
    work_off(work, options, missing, options.workers, total)
    frames = each * sum(map(len, towns.values()))
    return f"{options.out}: {frames} labelled frames in {len(towns)} sets, one a town"


def work(options: DrawOptions, towns: Sequence[str], counter: Any, pulse: Pulse) -> int:
    """A worker: draws some towns, on a fresh server for each."""
    return guarded(lambda beat: _draw(options, towns, beat), counter, pulse)


def _draw(options: DrawOptions, towns: Sequence[str], beat: Beat) -> None:
    found = read_poses(options.poses)
    camera, settings = CAMERAS[options.camera], still_settings(options.thermal)
    for town in towns:
        poses, folder = found.by_town(options.count)[town], set_path(options.out, town)
        if _is_done(options, found, town, len(poses)):
            continue
        if folder.is_dir():
            shutil.rmtree(folder)  # a part of it, of the same settings
        with (
            FrameWriter(folder, _card(options, found)) as writer,
            town_session(town, found.facts) as session,
        ):
            for level in options.level:
                with Artist(session, level, camera, settings) as artist:
                    for pose in poses:
                        writer.add(labelled(artist.draw(pose), level, camera, options.thermal))
                        beat()


def set_path(out: Path, town: str) -> Path:
    """The folder of a town's frames."""
    return out / town.replace(":", "-")


def _card(options: DrawOptions, found: PoseSet) -> FramesCard:
    about = {
        "pose_set": found.digest,
        "levels": list(options.level),
        "camera": options.camera,
        "thermal": options.thermal,
        "count": options.count,
    }
    return FramesCard(
        made_by="python -m harness.perception draw",
        commit=source_commit(),
        look=found.facts.look,
        seed=0,
        thermal_look=THERMAL_LOOK,
        about=about,
    )


def _is_done(options: DrawOptions, found: PoseSet, town: str, poses: int) -> bool:
    """Whether a town's frames are all there.

    Raises:
        ConfigError: frames of other settings are there.
    """
    folder = set_path(options.out, town)
    if not (folder / CARD).is_file():
        return False
    there, about = FrameSet(folder), _card(options, found).about
    if there.card.about != about:
        raise ConfigError(
            f"{folder} has frames of other settings ({there.card.about}, now {about}); give "
            "another --out"
        )
    return len(there) == poses * len(options.level)


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
