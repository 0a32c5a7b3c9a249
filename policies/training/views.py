"""What a recorded drive keeps of each step: the driving camera's view, and those to the sides.

A camera that is turned to a side sees what the driving camera would see after the car had turned by
as much. It comes with the steering that the expert would choose then, so that a clone learns to
come back (Bojarski et al. 2016; Codevilla et al. 2018, three cameras at -30, 0 and 30 degrees).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusiondrive.types import CameraSpec, Control, Observation, Pose, SensorSpec, WorldState
from policies.expert import ExpertPolicy
from policies.preprocess import Preprocessing
from policies.training.dataset import CAMERA_YAW, LOOK, PATH
from scenarios.spec import EpisodeSpec

SIDE_YAWS_DEG = {"side_left": -30.0, "side_right": 30.0}
STANDING_KEPT = 5  # after 2 s of standing, every fifth frame is kept
CRASH_CUT = 20  # frames before a collision are not an example to follow


def side_cameras(camera: CameraSpec) -> tuple[SensorSpec, ...]:
    """The driving camera again, turned to each side."""
    lens = (
        ("image_size_x", str(camera.width)),
        ("image_size_y", str(camera.height)),
        ("fov", str(camera.fov_deg)),
    )
    return tuple(
        SensorSpec(
            name,
            "sensor.camera.rgb",
            Pose(camera.x, camera.y, camera.z, camera.pitch_deg, camera.yaw_deg + yaw_deg),
            lens,
        )
        for name, yaw_deg in SIDE_YAWS_DEG.items()
    )


class _View(NamedTuple):
    image: NDArray[np.uint8]  # as the policy is fed
    row: dict[str, object]


class EpisodeRecorder:
    """Images and measurements of one episode, in memory until it is saved."""

    def __init__(self, expert: ExpertPolicy, preprocessing: Preprocessing) -> None:
        self._expert = expert
        self._preprocessing = preprocessing
        self._steps: list[list[_View]] = []
        self._standing = 0

    def add(
        self,
        observation: Observation,
        state: WorldState,
        action: Control,
        noise_steer: float,
        sides: Mapping[str, NDArray[np.uint8]],
    ) -> None:
        """Keep a step, unless the car has been standing and its turn has not come.

        Args:
            observation: what the driving camera saw.
            state: the world of the same frame.
            action: the expert's.
            noise_steer: what was steered, less the expert's steering.
            sides: RGB images (H, W, 3) of `side_cameras` by name, or none.
        """
        self._standing = self._standing + 1 if observation.speed_mps < 0.1 else 0
        if self._standing > 20 and self._standing % STANDING_KEPT:
            return
        row = self._row(observation, state, action, noise_steer)
        shrink = self._preprocessing.crop_resize
        views = [_View(shrink(observation.image), row)]
        for name, yaw_deg in SIDE_YAWS_DEG.items():
            if name in sides:
                steer = self._expert.steer_turned(state.ego, yaw_deg)
                turned = {"steer": np.float32(steer), CAMERA_YAW: np.float32(yaw_deg)}
                turned |= self._path(state, yaw_deg)
                views.append(_View(shrink(sides[name]), {**row, **turned}))
        self._steps.append(views)

    def _row(
        self, observation: Observation, state: WorldState, action: Control, noise_steer: float
    ) -> dict[str, object]:
        hazard = self._expert.hazard
        return {
            "frame": state.frame,
            "speed_mps": np.float32(observation.speed_mps),
            "command": np.int8(observation.command),
            "steer": np.float32(action.steer),
            "throttle": np.float32(action.throttle),
            "brake": np.float32(action.brake),
            "wanted_mps": np.float32(self._expert.wanted_mps),
            "free_mps": np.float32(self._expert.free_mps),
            "noise_steer": np.float32(noise_steer),
            "hazard": "" if hazard is None else hazard.kind.value,
            CAMERA_YAW: np.float32(0.0),
            **self._path(state, 0.0),
        }

    def _path(self, state: WorldState, yaw_deg: float) -> dict[str, np.float32]:
        path_m = self._expert.path_ahead(state.ego, yaw_deg).ravel()
        return {name: np.float32(value) for name, value in zip(PATH, path_m, strict=True)}

    def finish(
        self, spec: EpisodeSpec, *, look: int | None, crashed: bool
    ) -> tuple[list[NDArray[np.uint8]], pd.DataFrame]:
        """Images and table of the episode; what led to a crash is left out."""
        count = max(0, len(self._steps) - (CRASH_CUT if crashed else 0))
        views = [view for step in self._steps[:count] for view in step]
        table = pd.DataFrame([view.row for view in views])
        if views:
            table["frame"] -= table["frame"].iloc[0]  # absolute frame numbers mean nothing later
        for name in ("town", "route_id", "weather", "traffic"):
            table[name.removesuffix("_id")] = getattr(spec, name)
        if look is not None:
            table[LOOK] = look
        return [view.image for view in views], table
