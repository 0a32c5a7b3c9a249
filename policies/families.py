"""How the published CILRS families see and act: camera, preprocessing, state, post-processing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage

from fusiondrive.errors import ConfigError
from fusiondrive.types import (
    CameraSpec,
    Command,
    Control,
    EpisodeContext,
    Image,
    Observation,
    WorldState,
)
from policies.base import Policy
from policies.cilrs import BRANCHES, Network, to_control
from policies.plan import PlanTarget
from policies.preprocess import IMAGENET_MEAN, IMAGENET_STD
from policies.published import RoachSettings

F32 = NDArray[np.float32]

COIL_ROWS = (90, 485)  # of 600
SPEED_SCALE_MPS = 12.0  # coiltraine and carla-roach
CROP = 256  # transfuser

# CARLA's RoadOption (left 1, right 2, straight 3, follow 4) minus one; five and six are changes
# of lane, which our routes do not command.
ROAD_OPTION_BRANCHES: Mapping[Command, int] = {command: int(command) - 1 for command in Command}


@dataclass(frozen=True)
class Published:
    """What has to be known of a family, beside its network, to drive with it."""

    name: str
    camera: CameraSpec
    prepare: Callable[[Image], F32]  # (H, W, 3) uint8 to (1, 3, h, w)
    speed_scale_mps: float
    branches: Mapping[Command, int]
    to_control: Callable[[F32], Control]
    states: tuple[str, ...] = ("speed",)
    bgr: bool = False


class PublishedPolicy(Policy):
    """Drives a published network by its family's rules."""

    def __init__(self, family: Published, network: Network, weights_hash: str) -> None:
        self.family = family
        self.camera = family.camera
        # The vector to the plan's next point needs a position. Theirs comes from GNSS and
        # compass; ours is exact.
        self.is_privileged = "vec" in family.states
        self._network = network
        self._hash = weights_hash
        self._target: PlanTarget | None = None

    def reset(self, context: EpisodeContext) -> None:
        """Take over the plan, where the network asks for it."""
        self._target = PlanTarget(context.route) if self.is_privileged else None

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """One forward pass."""
        family, image = self.family, observation.image
        wanted = (self.camera.height, self.camera.width)
        if image.shape[:2] != wanted:
            found = f"{image.shape[1]}x{image.shape[0]}"
            raise ConfigError(
                f"a {family.name} policy looks through a camera of {wanted[1]}x{wanted[0]} pixels, "
                f"found {found}; give the environment policies.base.camera_of(policy)"
            )
        seen = family.prepare(image[:, :, ::-1] if family.bgr else image)
        predicted = self._network(seen, self._state(observation, state))
        last = len(predicted.actions) - 1  # a network with one branch takes all commands
        branch = min(family.branches[observation.command], last)
        return family.to_control(predicted.actions[branch])

    def weights_hash(self) -> str:
        """SHA-256 of the file, first 12 hex digits."""
        return self._hash

    def _state(self, observation: Observation, state: WorldState | None) -> F32:
        """(1, n) in carla-roach's order: speed, vector to the target, command one-hot."""
        values: list[float] = []
        if "speed" in self.family.states:
            values.append(observation.forward_speed_mps / self.family.speed_scale_mps)
        if "vec" in self.family.states:
            if self._target is None or state is None:
                raise TypeError("this policy needs a reset and the world state")
            values.extend(self._target.advance(state.ego.pose))
        if "cmd" in self.family.states:
            values.extend(float(i == int(observation.command) - 1) for i in range(6))
        return np.array([values], dtype=np.float32)


def coiltraine_input(image: Image) -> F32:
    """Cut rows 90 to 485 of 600, shrink to 200x88 as PIL does, divide by 255; nothing else."""
    rows = image.shape[0]
    top, bottom = (round(row * rows / 600) for row in COIL_ROWS)
    cut = PilImage.fromarray(np.ascontiguousarray(image[top:bottom]))
    small = cut.resize((200, 88), PilImage.Resampling.BILINEAR)
    return _planes(np.asarray(small, dtype=np.float32) / np.float32(255.0))


def roach_input(image: Image) -> F32:
    """Divide by 255 and normalise; the whole image."""
    return _planes(_normalised(image.astype(np.float32) / np.float32(255.0)))


def transfuser_input(image: Image) -> F32:
    """Cut 256x256 from the middle and normalise.

    Theirs subtracts ImageNet's mean from values in 0..255: `cilrs/model.py` does not divide first,
    and neither does its training. So the weights expect it.
    """
    top, left = image.shape[0] // 2 - CROP // 2, image.shape[1] // 2 - CROP // 2
    return _planes(_normalised(image[top : top + CROP, left : left + CROP].astype(np.float32)))


def roach_control(action: F32) -> Control:
    """Acceleration (negative: brake) and steer, or throttle, steer and brake."""
    if len(action) == 2:
        acceleration, steer = (float(value) for value in action)
        throttle, brake = max(acceleration, 0.0), max(-acceleration, 0.0)
    else:
        throttle, steer, brake = (float(value) for value in action)
    return Control(
        throttle=float(np.clip(throttle, 0.0, 1.0)),
        steer=float(np.clip(steer, -1.0, 1.0)),
        brake=float(np.clip(brake, 0.0, 1.0)),
    )


def roach(settings: RoachSettings) -> Published:
    """The family's rules for one file; its image shape tells which of their cameras it is.

    Raises:
        ValueError: no camera of theirs has this shape.
    """
    size = settings.im_shape[2:]
    if size not in ROACH_CAMERAS:
        known = ", ".join(f"{w}x{h}" for h, w in ROACH_CAMERAS)
        raise ValueError(
            f"im_shape {settings.im_shape}: no camera of carla-roach gives {size[1]}x{size[0]} "
            f"pixels; known: {known} (three views side by side are not supported)"
        )
    return Published(
        name="carla-roach",
        camera=ROACH_CAMERAS[size],
        prepare=roach_input,
        speed_scale_mps=SPEED_SCALE_MPS,
        branches=ROAD_OPTION_BRANCHES,
        to_control=roach_control,
        states=settings.input_states,
    )


def _normalised(values: F32) -> F32:
    mean, std = np.array((IMAGENET_MEAN, IMAGENET_STD), dtype=np.float32)
    return np.asarray((values - mean) / std, dtype=np.float32)


def _planes(values: F32) -> F32:
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


# Height and width, as `im_shape` ends, to config/agent/cilrs/obs_configs of carla-roach.
ROACH_CAMERAS: Mapping[tuple[int, ...], CameraSpec] = {
    (256, 900): CameraSpec(900, 256, fov_deg=100.0, x=-1.5, y=0.0, z=2.0, pitch_deg=0.0),
    (360, 640): CameraSpec(640, 360, fov_deg=90.0, x=1.0, y=0.0, z=1.5, pitch_deg=0.0),
}
COILTRAINE = Published(
    name="coiltraine",
    camera=CameraSpec(800, 600, fov_deg=100.0, x=2.0, y=0.0, z=1.4, pitch_deg=-15.0),
    prepare=coiltraine_input,
    speed_scale_mps=SPEED_SCALE_MPS,
    branches=BRANCHES,
    to_control=to_control,
)
TRANSFUSER = Published(
    name="transfuser",
    camera=CameraSpec(400, 300, fov_deg=100.0, x=1.3, y=0.0, z=2.3, pitch_deg=0.0),
    prepare=transfuser_input,
    speed_scale_mps=1.0,
    branches=ROAD_OPTION_BRANCHES,
    to_control=to_control,
)
