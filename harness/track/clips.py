"""A run as a video and as a strip of pictures: visible, infrared, and how it goes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fusiondrive.files import whole_file
from fusiondrive.types import Closing, Image
from harness.file_names import safe_name
from harness.mp4 import Mp4
from harness.recorder import FONT, INK
from harness.track.protocol import LEAD_S, STEP_S
from harness.track.trial import Moment, Result

BAR = 56
STRIP_AT_S = (1.0, 2.0, 3.0)  # before the contact without braking: 3 s, 2 s, 1 s
STRIP_SCALE = 0.5
HOLD_FRAMES = 30
GOOD, BAD, WARN = (90, 220, 120), (250, 90, 70), (250, 200, 80)


class Clip(Closing):
    """Draws a run; the files appear at its end."""

    def __init__(self, folder: Path, values: Mapping[str, Any]) -> None:
        """Begin.

        Args:
            folder: where the files go.
            values: of the run's row, which give the names.
        """
        parts = [str(values[name]) for name in ("weather", "test", "speed_kmh", "arm")]
        self._title = f"{parts[1]}  {parts[2]} km/h  {parts[0]}"
        self._path = folder / f"{safe_name('_'.join(parts).replace(':', '-'))}.mp4"
        self._video = Mp4(self._path, round(1.0 / STEP_S))
        self._last: Image | None = None
        self._strip: list[Image] = []

    def on_step(self, moment: Moment) -> None:
        """Add a step."""
        self._last = self._draw(moment)
        before = LEAD_S - moment.time_s
        if any(abs(before - at) < 0.5 * STEP_S for at in STRIP_AT_S):
            self._strip.append(self._last)
        self._video.send(self._last)

    def finish(self, result: Result) -> None:
        """Say how it ended, and keep the files.

        Raises:
            OutputError: one cannot be written.
        """
        if self._last is None:
            return
        contact = result.contact
        text, colour = "NO CONTACT", GOOD
        if contact is not None:
            text, colour = f"IMPACT {3.6 * contact.speed_mps:.0f} km/h", BAD
        end = self._last.copy()
        for ink, width in (((0, 0, 0), 8), (colour, 2)):
            cv2.putText(end, text, (20, 60), FONT, 1.5, ink, width, cv2.LINE_AA)
        for _ in range(HOLD_FRAMES):
            self._video.send(end)
        self._video.finish()
        rows = [_small(picture) for picture in (*self._strip, end)]
        strip = cv2.cvtColor(np.concatenate(rows, axis=0), cv2.COLOR_RGB2BGR)
        with whole_file(self._path.with_suffix(".png")) as draft:
            draft.write_bytes(cv2.imencode(".png", strip)[1].tobytes())

    def close(self) -> None:
        """End the encoder; a file that was not finished is removed."""
        self._video.close()

    def _draw(self, moment: Moment) -> Image:
        if not moment.rgb.size:
            raise ValueError("a clip needs pictures")
        grey = np.repeat(moment.thermal[:, :, None], 3, axis=2)  # (H, W, 3)
        row = np.concatenate([moment.rgb, grey], axis=1)
        bar = np.full((BAR, row.shape[1], 3), 24, np.uint8)
        gap = "" if moment.gap_m is None else f"   gap {moment.gap_m:5.1f} m"
        speed = 3.6 * moment.state.ego.forward_speed_mps
        text = f"{self._title}   {moment.time_s:4.2f} s   {speed:4.1f} km/h{gap}"
        cv2.putText(bar, text, (12, 36), FONT, 0.8, INK, 1, cv2.LINE_AA)
        if moment.is_braking:
            place = (row.shape[1] - 130, 36)
            cv2.putText(bar, "BRAKE", place, FONT, 1.0, WARN, 2, cv2.LINE_AA)
        return np.concatenate([row, bar], axis=0)


def _small(picture: Image) -> Image:
    size = (round(STRIP_SCALE * picture.shape[1]), round(STRIP_SCALE * picture.shape[0]))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
