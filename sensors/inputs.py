"""Which image the policy sees: visible, visible and enhanced, thermal, or both fused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusiondrive.errors import ConfigError, unknown_name
from fusiondrive.timing import StageClock
from fusiondrive.types import Atmosphere, WorldState
from sensors.enhance.base import Enhancer
from sensors.frame import RigFrame
from sensors.fusion import Fuser
from sensors.stress import Stress
from sensors.thermal import ThermalCamera

U8 = NDArray[np.uint8]


class InputKind(NamedTuple):
    """What an input has to be made of."""

    needs_thermal: bool
    needs_fuser: bool
    needs_enhancer: bool = False


INPUTS: Mapping[str, InputKind] = {
    "rgb": InputKind(needs_thermal=False, needs_fuser=False),
    "enhanced": InputKind(needs_thermal=False, needs_fuser=False, needs_enhancer=True),
    "thermal": InputKind(needs_thermal=True, needs_fuser=False),
    "fused": InputKind(needs_thermal=True, needs_fuser=True),
}


def input_kind(name: str) -> InputKind:
    """Look an input up by name."""
    if name not in INPUTS:
        raise unknown_name("input", name, INPUTS)
    return INPUTS[name]


@dataclass(frozen=True)
class Views:
    """All images of a frame that were made; `image` is the policy's."""

    image: U8  # (H, W, 3)
    rgb: U8  # (H, W, 3)
    thermal: U8 | None = None  # (H, W)
    fused: U8 | None = None  # (H, W, 3)
    enhanced: U8 | None = None  # (H, W, 3), of the visible image alone


_NOTHING = np.zeros((0, 0, 3), np.uint8)
NO_VIEWS = Views(image=_NOTHING, rgb=_NOTHING)  # where there is no camera


class InputPipeline:
    """From camera frames to the policy's image."""

    def __init__(
        self,
        name: str,
        fuser: Fuser | None = None,
        thermal: ThermalCamera | None = None,
        clock: StageClock | None = None,
        enhancer: Enhancer | None = None,
        stress: Stress | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            name: of the input, one of `INPUTS`.
            fuser: needed for `fused`.
            thermal: needed for `thermal` and `fused`.
            clock: counts the time of its stages `thermal`, `fusion` and `enhance`.
            enhancer: needed for `enhanced`.
            stress: faults of the thermal camera.

        Raises:
            ConfigError: the name is unknown, or a part that it needs is missing.
        """
        self.kind = input_kind(name)
        self.name = name
        if self.kind.needs_thermal and thermal is None:
            raise ConfigError(f"input '{name}' needs a thermal camera")
        if self.kind.needs_fuser and fuser is None:
            raise ConfigError(f"input '{name}' needs a fuser")
        if self.kind.needs_enhancer and enhancer is None:
            raise ConfigError(f"input '{name}' needs an enhancer")
        self._fuser = fuser
        self._enhancer = enhancer if self.kind.needs_enhancer else None
        # An RGB run may have a thermal camera for its video; a rig without class ids has none.
        self._thermal = thermal
        self._clock = clock or StageClock()
        self._stress = stress

    def reset(self, seed: int) -> None:
        """Start an episode."""
        if self._thermal is not None:
            self._thermal.reset(seed)
        if self._stress is not None:
            self._stress.reset(seed)

    def make(self, rig_frame: RigFrame, state: WorldState, atmosphere: Atmosphere) -> Views:
        """Make the images of one frame; the atmosphere is the thermal camera's.

        Raises:
            ConfigError: the input needs class ids, and the frame has none.
        """
        rgb = rig_frame.rgb
        if self._thermal is None or rig_frame.tags is None:
            if self.kind.needs_thermal:
                raise ConfigError(f"input '{self.name}' needs class ids: with_thermal=True")
            return self._visible(rgb)
        actors = {a.actor_id: a for a in (state.ego, *state.vehicles, *state.walkers)}
        with self._clock.stage("thermal"):
            thermal = self._thermal.render(rig_frame, list(actors.values()), atmosphere)
            if self._stress is not None:
                thermal = self._stress.apply(thermal, rig_frame.time_s)
        fused = None
        if self._fuser is not None:
            with self._clock.stage("fusion"):
                fused = self._fuser.fuse(rgb, thermal)
        image = rgb
        if self.name == "thermal":
            image = np.repeat(thermal[:, :, None], 3, axis=2)  # (H, W, 3)
        elif fused is not None and self.kind.needs_fuser:
            image = fused
        if self._enhancer is not None:
            return replace(self._visible(rgb), thermal=thermal)
        return Views(image=image, rgb=rgb, thermal=thermal, fused=fused)

    def _visible(self, rgb: U8) -> Views:
        """What is made without a thermal image."""
        if self._enhancer is None:
            return Views(image=rgb, rgb=rgb)
        with self._clock.stage("enhance"):
            enhanced = self._enhancer.enhance(rgb)
        return Views(image=enhanced, rgb=rgb, enhanced=enhanced)
