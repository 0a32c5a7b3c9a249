"""CILRS: an image, a speed and a command to steer, throttle and brake; runs without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fusiondrive.types import Command, Control, Observation, WorldState
from policies.base import Policy
from policies.framing import Framing

SHIPPED_WEIGHTS = Path(__file__).parent / "weights" / "cilrs_v8.onnx"
FAMILY = "fusiondrive-cilrs"
BRANCHES: dict[Command, int] = {
    # coiltraine's codes 2 follow, 3 left, 4 right, 5 straight, minus 2
    Command.FOLLOW: 0,
    Command.LEFT: 1,
    Command.RIGHT: 2,
    Command.STRAIGHT: 3,
}
CRAWL_MPS = 3.0
RESUME_THROTTLE = 0.3
MIN_BRAKE = 0.05  # coiltraine: a weaker brake is none


class Prediction(NamedTuple):
    """What a network says of one frame."""

    actions: NDArray[np.float32]  # (branches, 3) of steer, throttle, brake
    seen_speed: float | None = None  # read from the image alone, scaled as the input is


class Network(Protocol):
    """Maps inputs to what every branch would do."""

    def __call__(self, image: NDArray[np.float32], speed: NDArray[np.float32]) -> Prediction:
        """Predict from (1, 3, H, W) and (1, 1)."""


@dataclass(frozen=True)
class LoadedNetwork:
    """A network with what has to be known to drive it."""

    network: Network
    framing: Framing
    branches: Mapping[Command, int]
    weights_hash: str
    resumes: bool = False  # whether `resume` helps the car out of needless stops
    looks: tuple[int, ...] = ()  # versions of the pictures it was trained on; () is unknown


class CilrsPolicy(Policy):
    """Drives by the branch of the current command."""

    def __init__(self, loaded: LoadedNetwork) -> None:
        self._loaded = loaded
        self.camera = loaded.framing.camera
        self.looks = loaded.looks
        self._seen_mps: float | None = None

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """One forward pass."""
        prepare = self._loaded.framing.preprocessing
        image = prepare.to_input(prepare.crop_resize(observation.image))
        speed = observation.forward_speed_mps
        predicted = self._loaded.network(image, prepare.speed_input(speed))
        control = to_control(predicted.actions[self._loaded.branches[observation.command]])
        seen = predicted.seen_speed
        self._seen_mps = None if seen is None else seen * prepare.speed_scale_mps
        if self._loaded.resumes and self._seen_mps is not None:
            return resume(control, speed, self._seen_mps)
        return control

    def perceived_mps(self) -> float | None:
        """What the speed head read from the image; None of networks that have none."""
        return self._seen_mps

    def weights_hash(self) -> str:
        """SHA-256 of the file, first 12 hex digits."""
        return self._loaded.weights_hash


def to_control(action: NDArray[np.float32]) -> Control:
    """Coiltraine's post-processing of (steer, throttle, brake)."""
    steer, throttle, brake = (float(value) for value in action)
    if brake < MIN_BRAKE or throttle > brake:
        brake = 0.0
    return Control(
        throttle=float(np.clip(throttle, 0.0, 1.0)),
        steer=float(np.clip(steer, -1.0, 1.0)),
        brake=float(np.clip(brake, 0.0, 1.0)),
    )


def resume(control: Control, speed_mps: float, seen_mps: float) -> Control:
    """Go on where the car crawls although the image looks like driving.

    A clone of an expert that never stands has not seen what to do when it does; the speed read
    from the image tells. The remedy of the CIL agent (carla-simulator/imitation-learning,
    `avoid_stopping`), with a threshold that fits 10 Hz.
    """
    if speed_mps >= CRAWL_MPS or seen_mps <= CRAWL_MPS:
        return control
    throttle = max(control.throttle, RESUME_THROTTLE)
    return Control(throttle=throttle, steer=control.steer, brake=0.0)
