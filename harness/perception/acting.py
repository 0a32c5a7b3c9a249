"""Arms and policies that are asked what they would do on a picture; all of it checked at once."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

from fusiondrive.arms import CLEAR, RGB, SWAPPED, Arm
from fusiondrive.errors import ConfigError
from fusiondrive.types import CameraSpec, Command, Control, Image, Observation
from harness.guard import GuardedPolicy
from harness.perception.drawing import Picture
from harness.perception.poses import FrozenPose, PoseSet
from policies import LEADERBOARD, check_policy, make_policy
from policies.plugins import as_policy
from sensors.arms import (
    ArmFacts,
    Maker,
    arm_named,
    check_distinct,
    image_of,
    make_image_maker,
    takes_weights,
)
from sensors.inputs import input_kind


class ReadyArm(NamedTuple):
    """An arm with what makes its image."""

    arm: Arm
    maker: Maker
    facts: ArmFacts

    @property
    def needs_thermal(self) -> bool:
        """Whether its image is made of the thermal one."""
        return input_kind(self.arm.input).needs_thermal

    @property
    def is_swapped(self) -> bool:
        """Whether it is given the thermal picture of another pose."""
        return self.arm.fuser.endswith(SWAPPED)

    def image(self, rgb: Image, thermal: Image) -> Image:
        """The policy's image, (H, W, 3)."""
        return image_of(self.arm, self.maker, rgb, thermal)

    def image_of(self, picture: Picture, other: Picture) -> Image:
        """The policy's image of a pose, (H, W, 3); `:swapped` takes the thermal one of `other`."""
        thermal = (other if self.is_swapped else picture).thermal
        return self.image(picture.frame.rgb, thermal)


class ReadyPolicy(NamedTuple):
    """A frozen policy under the name that rows have."""

    name: str
    policy: GuardedPolicy
    weights: str
    camera: CameraSpec
    looks: tuple[int, ...]

    def act(self, pose: FrozenPose, image: Image) -> Control:
        """What it does on an image with the pose's speed and command.

        Raises:
            AgentError: it failed, or its answer is none to drive with.
        """
        seen = Observation(
            image=image,
            forward_speed_mps=pose.forward_speed_mps,
            command=Command(pose.command),
            target_point=pose.target_point,
            time_s=pose.time_s,
            frame=pose.step,
        )
        return self.policy.act(seen, None)


def ready_arms(names: Sequence[str], weights: Path | None) -> list[ReadyArm]:
    """Build arms.

    Args:
        names: of them.
        weights: of the arm `student` or a plug-in fuser; None: the shipped ones.

    Raises:
        ConfigError: one is unknown, given twice or of another weather, or weights are missing.
    """
    twice = next((name for name in names if list(names).count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"arm given twice: {twice}")
    arms = [arm_named(name) for name in names]
    if any(arm.weather is not None for arm in arms):
        raise ConfigError(f"arm '{CLEAR}' is what every arm is compared with; leave it out")
    if RGB not in names:
        raise ConfigError(f"arms: expected '{RGB}' among them, which others are compared with")
    if weights is not None and not any(map(takes_weights, arms)):
        raise ConfigError("fuser_weights were given, but no arm takes them; 'student' does")
    makers = [make_image_maker(arm, weights) for arm in arms]
    facts = [maker.facts() for maker in makers]
    check_distinct(arms, facts)
    return [ReadyArm(*parts) for parts in zip(arms, makers, facts, strict=True)]


def ready_policies(names: Sequence[str]) -> list[ReadyPolicy]:
    """Build policies from `NAME` or `NAME=WEIGHTS`.

    Raises:
        ConfigError: one cannot look at single pictures, is given twice, sees through another
            camera than the first, or its weights are missing.
    """
    made = [_ready_policy(name) for name in names]
    keys = [(item.name, item.weights) for item in made]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise ConfigError(f"policy given twice: {twice[0]} with weights {twice[1]}")
    for item in made[1:]:
        if item.camera != made[0].camera:
            raise ConfigError(
                f"policy '{item.name}' looks through another camera ({_said(item.camera)}) than "
                f"'{made[0].name}' ({_said(made[0].camera)}); ask them in runs of their own"
            )
    return made


def check_looks(
    asked: Iterable[tuple[str, tuple[int, ...]]], arms: Sequence[ReadyArm], poses: PoseSet
) -> None:
    """Refuse what was trained on pictures of another look than that of the poses' towns.

    Args:
        asked: policies or detectors, such as "policy 'cilrs'", with their looks.
        arms: of the run.
        poses: to be drawn.

    Raises:
        ConfigError: names it with both looks.
    """
    look = poses.facts.look
    trained = [*asked, *((f"arm '{item.arm.name}'", item.facts.looks) for item in arms)]
    for name, looks in trained:
        if looks and look is not None and look not in looks:
            known = ", ".join(map(str, looks))
            raise ConfigError(
                f"{name} was trained on pictures of look {known}, the poses are of look {look}: "
                "record them anew, or train it anew"
            )


def _ready_policy(text: str) -> ReadyPolicy:
    name, equals, file = text.partition("=")
    if equals and not Path(file).expanduser().exists():
        raise ConfigError(f"policy '{name}': weights {file}: no such file")
    check_policy(name)
    if name.startswith(LEADERBOARD):
        raise ConfigError(f"policy '{name}' needs a route and sensors of its own, not pictures")
    with redirect_stdout(sys.stderr):
        policy = as_policy(make_policy(name, Path(file).expanduser() if equals else None))
    if policy.is_privileged or not policy.uses_image or policy.uses_traffic_manager:
        raise ConfigError(f"policy '{name}' does not look at pictures; expected such as cilrs")
    if policy.sensors:
        raise ConfigError(f"policy '{name}' needs sensors beside the camera; poses have none")
    return ReadyPolicy(
        name, GuardedPolicy(policy), policy.weights_hash(), policy.camera, policy.looks
    )


def _said(camera: CameraSpec) -> str:
    mount = f"at {camera.x:g}, {camera.y:g}, {camera.z:g} m, {camera.pitch_deg:g} degrees"
    return f"{camera.width}x{camera.height}, {camera.fov_deg:g} degrees, {mount}"
