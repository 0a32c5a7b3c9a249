"""A video file that is written while pictures come, and appears when it is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from fusiondrive.files import discard, discard_stale, draft_of, keep, output
from fusiondrive.types import Closing

ENCODER = {"crf": "23", "preset": "veryfast", "threads": "1"}


class Mp4(Closing):
    """Encodes pictures into a draft beside the file; `finish` puts it in place."""

    def __init__(self, path: Path, fps: int) -> None:
        """Nothing is written before the first picture, whose size the video takes."""
        self.path = path
        self._fps = fps
        self._draft = draft_of(path)
        self._container: Any = None
        self._stream: Any = None

    def send(self, picture: NDArray[np.uint8]) -> None:
        """Add a picture, (H, W, 3) uint8 RGB.

        Raises:
            OutputError: it cannot be written.
        """
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        with output(self.path, av.FFmpegError):
            if self._container is None:
                self._begin(picture)
            self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """End the encoder and keep the file; there has to be a picture in it.

        Raises:
            OutputError: it cannot be written.
        """
        with output(self.path, av.FFmpegError):
            self._end()
            keep(self._draft, self.path)

    def close(self) -> None:
        """End the encoder; a file that was not finished is removed."""
        try:
            with output(self.path, av.FFmpegError):
                self._end()
        finally:
            discard(self._draft)

    def _begin(self, picture: NDArray[np.uint8]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        discard_stale(self.path)
        self._container = av.open(str(self._draft), "w")
        self._stream = self._container.add_stream("libx264", rate=self._fps, options=ENCODER)
        self._stream.height, self._stream.width = picture.shape[:2]
        self._stream.pix_fmt = "yuv420p"

    def _end(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            try:
                container.mux(self._stream.encode())  # what the encoder still holds
            finally:
                container.close()
