"""What the cameras saw in one frame, and how their pixels lie in the world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiondrive.types import Pose


@dataclass(frozen=True)
class RigFrame:
    """Images of one simulator frame, all from the same pose."""

    frame: int
    time_s: float  # simulated
    rgb: NDArray[np.uint8]  # (H, W, 3)
    tags: NDArray[np.uint8] | None  # (H, W), CARLA 0.9.16 semantic tags
    depth_m: NDArray[np.float32] | None  # (H, W), along the optical axis
    camera_pose: Pose  # world
    fov_deg: float = 100.0  # horizontal


def rotation_matrix(pose: Pose) -> NDArray[np.float64]:
    """Rotation from local to world, (3, 3): columns are forward, right and up.

    As carla::geom::Transform::GetMatrix of LibCarla 0.9.16.
    """
    p, y, r = np.radians([pose.pitch, pose.yaw, pose.roll])
    cp, sp, cy, sy, cr, sr = np.cos(p), np.sin(p), np.cos(y), np.sin(y), np.cos(r), np.sin(r)
    return np.array(
        [
            [cp * cy, cy * sp * sr - sy * cr, -cy * sp * cr - sy * sr],
            [cp * sy, sy * sp * sr + cy * cr, -sy * sp * cr + cy * sr],
            [sp, -cp * sr, cp * cr],
        ]
    )


def focal_px(width: int, fov_deg: float) -> float:
    """Focal length of a pinhole camera in pixels."""
    return float(0.5 * width / np.tan(np.radians(fov_deg) / 2.0))
