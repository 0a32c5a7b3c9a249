"""The interface of everything that drives."""

from __future__ import annotations

import inspect
import logging
from pathlib import Path
from typing import Protocol

from fusiondrive.provenance import file_hash
from fusiondrive.types import (
    CameraSpec,
    Control,
    EpisodeContext,
    Observation,
    SensorSpec,
    WorldState,
)

logger = logging.getLogger(__name__)


class Policy(Protocol):
    """Maps one observation to one control, ten times per simulated second.

    Deriving from it gives everything but `act`. Optional attributes, read where they exist:
    `camera` (a `CameraSpec`: the camera that the policy was trained with), `sensors` (a tuple of
    `SensorSpec`: what else is to be mounted; see `Observation.readings`), `uses_image` (False
    where the camera's image is not looked at), `uses_traffic_manager` (the Traffic Manager drives),
    `finish()`, called when an episode has ended, and `close()`, called when the run ends.

    What `reset`, `act` or `finish` raises, and a control that is no finite `Control`, makes the
    episode an `agent_error`: a failed drive. The next one is driven by a policy that is built anew.
    """

    is_privileged: bool = False
    """Whether `act` needs the world state; a non-privileged policy is handed None."""

    def reset(self, context: EpisodeContext) -> None:
        """Forget the last episode."""
        return

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """Choose the control for the next 0.1 s."""

    def weights_hash(self) -> str:
        """SHA-256 (first 12 hex digits) of the weights, or `none` where there are none.

        By default that of the file which defines the class. It is part of an episode's identity:
        another hash is another policy, and its episodes are driven anew.
        """
        return source_hash(type(self))


def camera_of(policy: Policy) -> CameraSpec:
    """The camera that a policy drives by; the common one where it has no wish."""
    camera = getattr(policy, "camera", None)
    return camera if isinstance(camera, CameraSpec) else CameraSpec()


def sensors_of(policy: Policy) -> tuple[SensorSpec, ...]:
    """What else a policy wants mounted."""
    return tuple(getattr(policy, "sensors", ()))


def finish_policy(policy: Policy) -> None:
    """Tell a policy that its episode has ended, where it wants to know."""
    finish = getattr(policy, "finish", None)
    if callable(finish):
        finish()


def close_policy(policy: Policy | None) -> None:
    """Let go of what a policy holds, where it holds anything; no episode hangs on it any more."""
    close = getattr(policy, "close", None)
    if not callable(close):
        return
    try:
        close()
    except Exception as err:  # foreign code may fail in any way
        logger.warning("the policy's close() failed: %s: %s", type(err).__name__, err)


def source_hash(kind: type) -> str:
    """SHA-256 (first 12 hex digits) of the file that defines a class; `none` without a file."""
    try:
        return file_hash(Path(inspect.getfile(kind)))
    except (TypeError, OSError):
        return "none"
