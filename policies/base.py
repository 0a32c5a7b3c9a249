"""The interface of everything that drives."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod

from fusiondrive.provenance import source_hash
from fusiondrive.types import (
    CameraSpec,
    Control,
    EpisodeContext,
    Observation,
    SensorSpec,
    WorldState,
)

logger = logging.getLogger(__name__)


class Policy(ABC):
    """Maps one observation to one control, ten times per simulated second.

    Only `act` has to be written. A class of another package need not even derive from this one:
    what it lacks is taken from here when it is loaded (`policies.plugins.as_policy`).

    The attributes are read once, when the policy has been built; set them on the class or in
    `__init__`.

    What `reset`, `act` or `finish` raises, and a control that is no finite `Control`, makes the
    episode an `agent_error`: a failed drive. The next one is driven by a policy that is built anew.
    """

    is_privileged: bool = False
    """Whether `act` is handed the world state; the others are handed None."""

    uses_image: bool = True
    """Whether `act` looks at the camera's image, so that comparing inputs makes sense."""

    uses_traffic_manager: bool = False
    """Whether CARLA's Traffic Manager drives in its place; `act` is then asked, and ignored."""

    camera: CameraSpec = CameraSpec()
    """The camera that it was trained with: the harness mounts it so, and sizes the image."""

    sensors: tuple[SensorSpec, ...] = ()
    """What else is to be mounted; each frame's measurements are in `Observation.readings`."""

    looks: tuple[int, ...] = ()
    """Versions of the embedded renderer's pictures it was trained on; empty where unknown."""

    def reset(self, context: EpisodeContext) -> None:
        """Forget the last episode; called before the first `act` of each."""
        return

    @abstractmethod
    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """Choose the control for the next 0.1 s.

        Args:
            observation: image (H, W, 3) uint8 RGB of the size of `camera`, speed in m/s, command
                and the point 10 m ahead on the route in metres.
            state: the whole world of the same frame where `is_privileged`, else None.

        Returns:
            Throttle and brake in [0, 1] and steer in [-1, 1]; values beyond are clipped.
        """

    def perceived_mps(self) -> float | None:
        """The speed that the last `act` read from its image, m/s; for records alone.

        None where the policy reads none, as by default.
        """
        return None

    def finish(self) -> None:
        """The episode has ended, however it did."""
        return

    def close(self) -> None:
        """The run has ended: give back what is held; may be called twice."""
        return

    def weights_hash(self) -> str:
        """SHA-256 (first 12 hex digits) of the weights, or `none` where there are none.

        By default that of the file which defines the class. It is part of an episode's identity:
        another hash is another policy, and its episodes are driven anew.
        """
        return source_hash(type(self))


def camera_of(policy: Policy) -> CameraSpec:
    """The camera that an environment needs for a policy."""
    return policy.camera


def close_policy(policy: Policy | None) -> None:
    """Let go of what a policy holds; no episode hangs on it any more, so its failure is a word."""
    if policy is None:
        return
    try:
        policy.close()
    except Exception as err:  # foreign code may fail in any way
        logger.warning("the policy's close() failed: %s: %s", type(err).__name__, err)
