"""The recording that is being made and the one that is played, if any."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simulator.physics import Contact
from simulator.recorder.recording import Recorder
from simulator.recorder.replayer import Replayer

logger = logging.getLogger(__name__)


@dataclass
class RecorderState:
    """What a server does with recordings; the switches hold for all replays to come."""

    folder: Path  # where recordings without an absolute path are
    takes_any_path: bool  # whether clients may name files outside of the folder
    recorder: Recorder | None = None
    replayer: Replayer | None = None
    time_factor: float = 1.0
    ignores_hero: bool = False
    ignores_spectator: bool = False

    def note(self, delta_s: float, contacts: Sequence[Contact]) -> None:
        """After a step: move what is replayed, then write down what there is."""
        if self.replayer is not None:
            self.replayer.advance(delta_s)
            if self.replayer.is_over:
                self.replayer = None
        if self.recorder is not None:
            self._write(self.recorder, delta_s, contacts)

    def _write(self, recorder: Recorder, delta_s: float, contacts: Sequence[Contact]) -> None:
        """Write a step; a full disk ends the recording, not the world."""
        try:
            recorder.note(delta_s, contacts)
        except OSError as err:
            logger.warning("recording %r ends: %s", str(recorder.path), err)
            recorder.close()
            self.recorder = None

    def end(self) -> None:
        """End the recording and the replay, because the episode ends."""
        if self.recorder is not None:
            self.recorder.close()
        self.recorder = self.replayer = None
