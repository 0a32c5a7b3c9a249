"""Optical flow: how far every pixel has moved since the camera's previous image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numba
import numpy as np
from numpy.typing import NDArray

from simulator.types import F32, F64, Camera, Drawable, Frame, Pose, Tag

_SKY = int(Tag.SKY)
_LARGEST = 2.0  # Unreal's velocity buffer holds no more
_INSTANCES = 1 << 16


@dataclass
class FlowMemory:
    """The previous image: where the camera and the bodies were."""

    camera: Camera | None = None
    poses: dict[int, Pose] = field(default_factory=dict)  # by instance

    def measure(self, camera: Camera, frame: Frame, bodies: Sequence[Drawable]) -> F32:
        """Motion in normalised device coordinates, x to the right and y up, (H, W, 2).

        One unit is half the image: `(0.5 * width * x, -0.5 * height * y)` are pixels. As the
        velocity buffer of Unreal it is the present place minus the previous one, from -2 to 2.
        """
        before = camera if self.camera is None else self.camera
        which, moves = _own_motion(self.poses, bodies)
        flow = _flow(
            frame.depth_m, frame.tags, frame.instances, _basis(camera), _basis(before), which, moves
        )
        self.camera = camera
        self.poses = {body.instance & 0xFFFF: body.pose for body in bodies}
        return cast(F32, flow)


def _basis(camera: Camera) -> F64:
    """Eye, and steps of the ray to the right border, the upper border and forward, (4, 3)."""
    tan_x = np.tan(np.radians(camera.fov_deg) / 2.0)
    forward, right, up = camera.pose.rotation_matrix().T
    tall = tan_x * camera.height / camera.width
    return np.array([camera.pose[:3], right * tan_x, up * tall, forward])


def _own_motion(
    before: dict[int, Pose], bodies: Sequence[Drawable]
) -> tuple[NDArray[np.int32], F64]:
    """The row of `moves` (R, 3, 4) that takes each instance's points back; row 0 rests."""
    which = np.zeros(_INSTANCES, np.int32)
    moves = [np.eye(3, 4)]
    for body in bodies:
        number = body.instance & 0xFFFF
        old = before.get(number)
        if old is None or old == body.pose:
            continue
        turn = old.rotation_matrix() @ body.pose.rotation_matrix().T
        shift = np.array(old[:3]) - turn @ np.array(body.pose[:3])
        which[number] = len(moves)
        moves.append(np.concatenate([turn, shift[:, None]], 1))
    return which, np.array(moves)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _flow(
    depth_m: F32, tags: Any, instances: Any, now: F64, before: F64, which: Any, moves: F64
) -> F32:
    rows, columns = depth_m.shape
    flow = np.empty((rows, columns, 2), np.float32)
    wide = (before[1] ** 2).sum()
    tall = (before[2] ** 2).sum()
    for i in range(rows):
        v = 1.0 - (i + 0.5) * 2.0 / rows
        for j in range(columns):
            u = (j + 0.5) * 2.0 / columns - 1.0
            to_x = now[3, 0] + u * now[1, 0] + v * now[2, 0]
            to_y = now[3, 1] + u * now[1, 1] + v * now[2, 1]
            to_z = now[3, 2] + u * now[1, 2] + v * now[2, 2]
            if tags[i, j] != _SKY:
                x = now[0, 0] + to_x * depth_m[i, j]
                y = now[0, 1] + to_y * depth_m[i, j]
                z = now[0, 2] + to_z * depth_m[i, j]
                m = which[instances[i, j]]
                if m > 0:
                    a, b, c = x, y, z
                    x = moves[m, 0, 0] * a + moves[m, 0, 1] * b + moves[m, 0, 2] * c
                    y = moves[m, 1, 0] * a + moves[m, 1, 1] * b + moves[m, 1, 2] * c
                    z = moves[m, 2, 0] * a + moves[m, 2, 1] * b + moves[m, 2, 2] * c
                    x += moves[m, 0, 3]
                    y += moves[m, 1, 3]
                    z += moves[m, 2, 3]
                to_x, to_y, to_z = x - before[0, 0], y - before[0, 1], z - before[0, 2]
            ahead = to_x * before[3, 0] + to_y * before[3, 1] + to_z * before[3, 2]
            ahead = max(ahead, 1e-3)
            old_u = to_x * before[1, 0] + to_y * before[1, 1] + to_z * before[1, 2]
            old_v = to_x * before[2, 0] + to_y * before[2, 1] + to_z * before[2, 2]
            flow[i, j, 0] = min(max(u - old_u / (wide * ahead), -_LARGEST), _LARGEST)
            flow[i, j, 1] = min(max(v - old_v / (tall * ahead), -_LARGEST), _LARGEST)
    return flow
