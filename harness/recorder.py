"""Pictures of a drive: the composed frame with captions, as video and as window."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fusiondrive.arms import SWAPPED
from fusiondrive.types import Closing, Command, Control
from harness.drive import Drive
from harness.mp4 import Mp4
from harness.topdown import TopDown
from harness.window import PictureWindow
from scenarios.weather import weather_name
from sensors.inputs import Views

U8 = NDArray[np.uint8]

TILE = (300, 400)  # height, width
BAR = 52  # caption, below
LABEL_HEIGHT = 20
FPS = 10
END_FRAMES = 20
FONT = cv2.FONT_HERSHEY_SIMPLEX
INK = (235, 235, 235)
OUTCOME_COLORS = {"success": (80, 220, 110)}
FAILURE_COLOR = (250, 90, 70)


class Composer:
    """Puts the views of a step side by side, with the map at the right and captions below."""

    def __init__(self, drive: Drive) -> None:
        self._topdown = TopDown(drive.setup.session.map, TILE)

    def compose(self, drive: Drive, control: Control) -> U8:
        """The picture of the drive's last step, (H, W, 3) RGB; H and W are even."""
        is_swapped = drive.spec.fuser.endswith(SWAPPED)
        views = named_views(drive.views, is_swapped=is_swapped)
        tiles = [_tile(name, image) for name, image in views]
        tiles.append(_tile("map", self._topdown.draw(drive.state, drive.route)))
        row = np.concatenate(tiles, axis=1)
        bar = np.full((BAR, row.shape[1], 3), 24, np.uint8)
        first, second = captions(drive, control)
        cv2.putText(bar, first, (10, 21), FONT, 0.52, INK, 1, cv2.LINE_AA)
        cv2.putText(bar, second, (10, 43), FONT, 0.52, INK, 1, cv2.LINE_AA)
        return np.concatenate([row, bar], axis=0)


def named_views(views: Views, *, is_swapped: bool = False) -> list[tuple[str, U8]]:
    """The images that were made, as RGB."""
    found: list[tuple[str, U8]] = [("rgb", views.rgb)]
    if views.thermal is not None:
        grey = np.repeat(views.thermal[:, :, None], 3, axis=2)  # (H, W, 3)
        name = "thermal of another route" if is_swapped else "thermal (from class ids)"
        found.append((name, grey))
    if views.enhanced is not None:
        found.append(("enhanced", views.enhanced))
    if views.fused is not None:
        found.append(("fused", views.fused))
    return found


def captions(drive: Drive, control: Control) -> tuple[str, str]:
    """Two lines of text: what is driven, and how it goes."""
    spec, progress = drive.spec, drive.progress
    weather = weather_name(spec.weather)
    first = (
        f"{spec.town}  route {spec.route_id}  {weather}  {spec.arm}  "
        f"policy {spec.policy}  seed {spec.seed}"
    )
    second = (
        f"{drive.elapsed_s:5.1f} s  {3.6 * drive.state.ego.speed_mps:4.0f} km/h  "
        f"{Command(progress.command).name.lower():8s} {100.0 * progress.completion:3.0f} %  "
        f"throttle {control.throttle:.2f}  steer {control.steer:+.2f}  brake {control.brake:.2f}"
    )
    return first, second


def stamp_outcome(picture: U8, outcome: str) -> U8:
    """Write the outcome in large letters over a picture."""
    stamped = picture.copy()
    color = OUTCOME_COLORS.get(outcome, FAILURE_COLOR)
    place = (12, TILE[0] - 16)
    cv2.putText(stamped, outcome.upper(), place, FONT, 1.3, (0, 0, 0), 7, cv2.LINE_AA)
    cv2.putText(stamped, outcome.upper(), place, FONT, 1.3, color, 2, cv2.LINE_AA)
    return stamped


class VideoRecorder(Closing):
    """Writes an mp4 while the episode runs; the file appears at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._video = Mp4(path, FPS)
        self._composer: Composer | None = None
        self._last: U8 | None = None

    def on_step(self, drive: Drive, control: Control) -> None:
        """Add the step's picture."""
        if self._composer is None:
            self._composer = Composer(drive)
        self._last = self._composer.compose(drive, control)
        self._video.send(self._last)

    def finish(self, outcome: str) -> None:
        """Hold the last picture with the outcome for two seconds and keep the file.

        Raises:
            OutputError: it cannot be written.
        """
        if self._last is None:
            return
        for _ in range(END_FRAMES):
            self._video.send(stamp_outcome(self._last, outcome))
        self._video.finish()

    def close(self) -> None:
        """End the encoder; a file that was not finished is removed."""
        self._video.close()


class Window(Closing):
    """Shows the composed picture while driving."""

    def __init__(self, fps: float | None = None) -> None:
        """Nothing is opened before the first step.

        Args:
            fps: pictures a second at most.
        """
        self._window = PictureWindow(fps)
        self._drive: Drive | None = None  # the composer's
        self._composer: Composer | None = None

    def on_step(self, drive: Drive, control: Control) -> None:
        """Show the step."""
        if self._composer is None or drive is not self._drive:
            self._drive, self._composer = drive, Composer(drive)
        self._window.show(self._composer.compose(drive, control))

    def close(self) -> None:
        """Close the window, which the next step opens again; may be called twice."""
        self._window.close()
        self._drive = self._composer = None

    def __reduce__(self) -> tuple[type[Window], tuple[float | None]]:
        """A copy or pickle is a window that is not open."""
        return Window, (self._window.fps,)


def _tile(name: str, image: U8) -> U8:
    height, width = TILE
    scaled = image
    if image.shape[:2] != TILE:
        scaled = np.asarray(cv2.resize(image, (width, height)), dtype=np.uint8)
    tile = scaled.copy()
    tile[:LABEL_HEIGHT] = tile[:LABEL_HEIGHT] // 3
    cv2.putText(tile, name, (6, 14), FONT, 0.45, INK, 1, cv2.LINE_AA)
    return tile
