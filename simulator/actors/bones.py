"""The skeletons that clients can ask for: CARLA's walkers, and the wheels of vehicles.

Names and hierarchy as in CARLA's documentation of walker bones; where the joints are is our own
figure, standing. Pictures do not show poses that a client sets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from simulator.types import Pose

FIGURE_M = 1.86  # height of the figure below
ROOT = "crl_root"
_FINGERS = ("Thumb", "Index", "Middle", "Ring", "Pinky")
_SIDES = (("L", -1.0), ("R", 1.0))  # y is to the right


class Joint(NamedTuple):
    """A bone by its upper end; x forward, y right, z up from between the soles, m."""

    name: str
    parent: str
    x: float
    y: float
    z: float


class Bone(NamedTuple):
    """Where a bone is: in the world, from the actor's feet, and from its parent bone."""

    name: str
    world: Pose
    component: Pose
    relative: Pose


@dataclass(slots=True)
class PoseControl:
    """What a client made of a skeleton; `blend` is 0 for the figure as it stands, 1 for this."""

    relative: dict[str, Pose] = field(default_factory=dict)
    blend: float = 0.0


@cache
def joints() -> tuple[Joint, ...]:
    """All joints, parents before children."""
    trunk = [
        Joint(ROOT, "", 0.0, 0.0, 0.0),
        Joint("crl_hips__C", ROOT, 0.0, 0.0, 0.97),
        Joint("crl_spine__C", "crl_hips__C", 0.0, 0.0, 1.08),
        Joint("crl_spine01__C", "crl_spine__C", 0.0, 0.0, 1.28),
        Joint("crl_neck__C", "crl_spine01__C", 0.01, 0.0, 1.55),
        Joint("crl_Head__C", "crl_neck__C", 0.02, 0.0, 1.65),
        Joint("crl_eye__L", "crl_Head__C", 0.11, -0.032, 1.74),
        Joint("crl_eye__R", "crl_Head__C", 0.11, 0.032, 1.74),
    ]
    return tuple(trunk + [joint for side, sign in _SIDES for joint in _limbs(side, sign)])


def _limbs(side: str, sign: float) -> list[Joint]:
    """Arm, hand and leg of one side."""
    rows = [
        ("shoulder", "crl_spine01__C", 0.0, 0.05, 1.48),
        ("arm", f"crl_shoulder__{side}", 0.0, 0.19, 1.47),
        ("foreArm", f"crl_arm__{side}", -0.01, 0.22, 1.19),
        ("hand", f"crl_foreArm__{side}", 0.02, 0.24, 0.93),
        ("thigh", "crl_hips__C", 0.0, 0.1, 0.93),
        ("leg", f"crl_thigh__{side}", 0.01, 0.1, 0.5),
        ("foot", f"crl_leg__{side}", -0.03, 0.1, 0.09),
        ("toe", f"crl_foot__{side}", 0.1, 0.1, 0.03),
        ("toeEnd", f"crl_toe__{side}", 0.17, 0.1, 0.03),
    ]
    found = [Joint(f"crl_{name}__{side}", up, x, sign * y, z) for name, up, x, y, z in rows]
    for number, finger in enumerate(_FINGERS):
        parent, ahead = f"crl_hand__{side}", 0.05 - 0.02 * number
        for step, part in enumerate(("", "01", "02", "End")):
            name = f"crl_hand{finger}{part}__{side}"
            z = 0.87 - 0.025 * step
            found.append(Joint(name, parent, ahead, sign * 0.25, z))
            parent = name
    return found


def rest() -> dict[str, Pose]:
    """Each bone relative to its parent, as the figure stands."""
    places = {joint.name: joint for joint in joints()}
    found = {}
    for joint in joints():
        up = places.get(joint.parent, Joint("", "", 0.0, 0.0, 0.0))
        found[joint.name] = Pose(joint.x - up.x, joint.y - up.y, joint.z - up.z)
    return found


def skeleton(feet: Pose, height_m: float, control: PoseControl) -> list[Bone]:
    """All bones of a walker.

    Args:
        feet: pose of the walker, with its origin between the soles.
        height_m: from sole to crown.
        control: what a client made of it.
    """
    scale = height_m / FIGURE_M
    component: dict[str, Pose] = {"": Pose()}
    found = []
    for joint, pose in zip(joints(), rest().values(), strict=True):
        x, y, z = (scale * v for v in pose[:3])
        own = pose._replace(x=x, y=y, z=z)
        wanted = control.relative.get(joint.name)
        relative = own if wanted is None else _between(own, wanted, control.blend)
        component[joint.name] = component[joint.parent].compose(relative)
        at = component[joint.name]
        found.append(Bone(joint.name, feet.compose(at), at, relative))
    return found


def _between(own: Pose, wanted: Pose, share: float) -> Pose:
    """A pose on the way from one to the other; angles take the short way."""
    places = (a + share * (b - a) for a, b in zip(own[:3], wanted[:3], strict=True))
    angles = (
        a + share * ((b - a + 180.0) % 360.0 - 180.0)
        for a, b in zip(own[3:], wanted[3:], strict=True)
    )
    return Pose(*places, *angles)
