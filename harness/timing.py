"""Where the wall-clock time of a step goes, on the client's side; changes no result."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from fusiondrive.types import ActorState
from sensors.frame import RigFrame
from sensors.fusion import Fuser
from sensors.thermal import ThermalCamera

U8 = NDArray[np.uint8]


class StageClock:
    """Seconds per stage, added up."""

    def __init__(self) -> None:
        self.totals_s: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of a block for a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            spent_s = time.perf_counter() - began
            self.totals_s[name] = self.totals_s.get(name, 0.0) + spent_s

    def reset(self) -> None:
        """Begin anew."""
        self.totals_s.clear()


class TimedFuser:
    """A fuser whose time is counted as `fusion`."""

    def __init__(self, fuser: Fuser, clock: StageClock) -> None:
        self._fuser = fuser
        self._clock = clock

    @property
    def label(self) -> str:
        """That of the fuser."""
        return self._fuser.label

    def fuse(self, rgb: U8, thermal: U8) -> U8:
        """That of the fuser, timed."""
        with self._clock.stage("fusion"):
            return self._fuser.fuse(rgb, thermal)

    def weights_hash(self) -> str:
        """That of the fuser."""
        return self._fuser.weights_hash()


class TimedThermalCamera(ThermalCamera):
    """A thermal camera whose time is counted as `thermal`."""

    def __init__(self, clock: StageClock) -> None:
        super().__init__()
        self._clock = clock

    def render(
        self,
        rig_frame: RigFrame,
        actors: Sequence[ActorState],
        *,
        is_night: bool,
        fog_density: float,
    ) -> U8:
        """As the base class, timed."""
        with self._clock.stage("thermal"):
            return super().render(rig_frame, actors, is_night=is_night, fog_density=fog_density)
