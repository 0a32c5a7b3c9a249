"""How an actor follows its parent: rigidly, or at the end of a spring arm."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from simulator.types import F64, Pose

FreeLength = Callable[[F64, F64, float], float]  # pivot, unit direction, length: how much is free

# CARLA's UActorAttacher and Unreal's USpringArmComponent
_LAG_SPEED = 8.0  # 1/s
_LAG_STEP_S = 1.0 / 60.0
_LIFT_M = 0.3  # of the pivot of arms that must not touch the ground
PROBE_M = 0.12  # radius of the ball that finds what stands in the way


class AttachmentType(IntEnum):
    """CARLA's `rpc::AttachmentType`."""

    RIGID = 0
    SPRING_ARM = 1
    SPRING_ARM_GHOST = 2


@dataclass
class SpringArm:
    """An arm that looks from the child to the parent and follows the parent's yaw with a lag.

    The child sits at its end, turned by its own rotation. Pitch and roll of the parent do not
    move it.
    """

    length_m: float
    pitch_deg: float
    yaw_deg: float  # relative to the parent
    child: Pose  # rotation only
    yields: bool  # whether walls push the child towards its parent
    world_yaw_deg: float | None = None  # None until it has a parent

    @classmethod
    def of(cls, relative: Pose, *, yields: bool) -> SpringArm:
        """The arm for a child that is spawned at a pose relative to its parent."""
        x, y, z = (-v for v in relative[:3])
        return cls(
            length_m=math.hypot(x, y, z),
            pitch_deg=math.degrees(math.atan2(z, math.hypot(x, y))),
            yaw_deg=math.degrees(math.atan2(y, x)),
            child=relative._replace(x=0.0, y=0.0, z=0.0),
            yields=yields,
        )

    def advance(self, parent: Pose, delta_s: float, free_length: FreeLength) -> Pose:
        """The child's pose after a step that has brought the parent to `base`."""
        self._turn(parent.yaw + self.yaw_deg, delta_s)
        assert self.world_yaw_deg is not None, "turned just now"
        socket = Pose(pitch=self.pitch_deg, yaw=self.world_yaw_deg)
        back = -socket.rotation_matrix()[:, 0]
        lift = _LIFT_M if self.yields else 0.0
        pivot = np.array([parent.x, parent.y, parent.z + lift])
        length = self.length_m
        if self.yields and length > 0.0:
            length = free_length(pivot, back, length)
        x, y, z = (float(v) for v in pivot + back * length)
        return socket._replace(x=x, y=y, z=z).compose(self.child)

    def _turn(self, target_deg: float, delta_s: float) -> None:
        """Follow a yaw, in short steps towards a target that moves evenly."""
        if self.world_yaw_deg is None:
            self.world_yaw_deg = target_deg
            return
        yaw = aim = self.world_yaw_deg
        rate = _wrapped(target_deg - yaw) / max(delta_s, 1e-9)
        left = delta_s
        while left > 1e-9:
            step = min(left, _LAG_STEP_S)
            left -= step
            aim += rate * step
            yaw += _wrapped(aim - yaw) * min(step * _LAG_SPEED, 1.0)
        self.world_yaw_deg = _wrapped(yaw)


def _wrapped(degrees: float) -> float:
    return (degrees + 180.0) % 360.0 - 180.0
