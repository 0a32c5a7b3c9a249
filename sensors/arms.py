"""Arms by name, and what makes the image of each: a fuser, an enhancer, or neither."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fusiondrive.arms import (
    CLEAR,
    ENHANCED,
    FUSED,
    MODIFIERS,
    NONE,
    RGB,
    THERMAL,
    Arm,
    arm_name,
    split_modifier,
)
from fusiondrive.errors import ConfigError, WeightsError, unknown_name
from fusiondrive.plugins import REFERENCE
from fusiondrive.types import Image
from sensors.enhance.base import Enhancer
from sensors.enhance.registry import ENHANCERS, make_enhancer
from sensors.fusion import FUSERS, Fuser, fuser_names, is_fuser, make_fuser
from sensors.inputs import input_kind

ANY_WEIGHTS = "student"  # the built-in fuser that takes weights of the user's


class ArmFacts(NamedTuple):
    """What rows and checks say of what makes an arm's image."""

    weights: str = NONE  # hash of weights or parameters; `none` without any
    label: str = NONE
    looks: tuple[int, ...] = ()  # versions of the pictures that it was trained on
    thermal_looks: tuple[int, ...] = ()  # likewise, of the thermal pictures


class Maker(NamedTuple):
    """What makes an arm's image; both are None where the image is a camera's own."""

    fuser: Fuser | None = None
    enhancer: Enhancer | None = None

    def facts(self) -> ArmFacts:
        """What it is, without its networks."""
        part = self.fuser or self.enhancer
        if part is None:
            return ArmFacts()
        thermal_looks = getattr(part, "thermal_looks", ())  # enhancers see no thermal image
        return ArmFacts(part.weights_hash(), part.label, part.looks, thermal_looks)


def arm_names() -> tuple[str, ...]:
    """Names without a modifier, plug-in fusers included."""
    return RGB, *ENHANCERS, THERMAL, *fuser_names(), CLEAR


def arm_named(name: str) -> Arm:
    """Look an arm up.

    Args:
        name: one of `arm_names()`, or a fuser's class as `pkg.module:Class`; a fuser's also with
            `:blanked` or `:swapped` behind it.

    Raises:
        ConfigError: there is no such arm, or it has no infrared image to modify.
    """
    base, modifier = split_modifier(name)
    if base not in arm_names() and not is_fuser(base):
        names = (*arm_names(), REFERENCE, *(f"FUSER{ending}" for ending in MODIFIERS))
        raise unknown_name("arm", name, names)
    is_fused = is_fuser(base) and base not in (RGB, THERMAL, CLEAR, *ENHANCERS)
    if modifier and not is_fused:
        raise ConfigError(
            f"arm '{name}': {base} fuses no infrared image that could be {modifier[1:]}; "
            f"{modifier} goes behind one of {', '.join(sorted(fuser_names()))}"
        )
    if is_fused:
        return Arm(name, FUSED, name)
    if base in ENHANCERS:
        return Arm(name, ENHANCED, name)
    return Arm(name, RGB, weather=CLEAR) if base == CLEAR else Arm(name, base)


def arm_of(input_name: str, fuser: str) -> Arm:
    """The arm of an input, with the fuser (or enhancer) where the input needs one.

    Raises:
        ConfigError: one of them is unknown, or they do not go together.
    """
    kind = input_kind(input_name)
    if not kind.needs_fuser and not kind.needs_enhancer:
        return arm_named(input_name)
    base = split_modifier(fuser)[0]
    if kind.needs_enhancer and base not in ENHANCERS:
        raise unknown_name("enhancer", base, ENHANCERS)
    if kind.needs_fuser and not is_fuser(base):
        raise unknown_name("fuser", base, (*fuser_names(), REFERENCE))
    return Arm(arm_name(input_name, fuser), input_name, fuser)


def takes_weights(arm: Arm) -> bool:
    """Whether a weights file of the user's is for this arm: its fuser is `student` or a plug-in."""
    base = split_modifier(arm.fuser)[0]
    return arm.input == FUSED and (base == ANY_WEIGHTS or base not in FUSERS)


def make_image_maker(arm: Arm, weights: Path | None = None) -> Maker:
    """Build what makes an arm's image.

    Args:
        arm: one of `arm_named` or `arm_of`.
        weights: the user's, taken where `takes_weights` says so.

    Raises:
        ConfigError: what is registered under the name cannot be built.
        WeightsError: weights are missing; names the arm and the file.
    """
    try:
        if arm.input == ENHANCED:
            return Maker(enhancer=make_enhancer(arm.fuser))
        if arm.input == FUSED:
            return Maker(fuser=make_fuser(arm.fuser, weights if takes_weights(arm) else None))
    except WeightsError as err:
        raise WeightsError(f"arm '{arm.name}': {err}") from err
    return Maker()


def image_of(arm: Arm, maker: Maker, rgb: Image, thermal: Image) -> Image:
    """The policy's image of an arm, (H, W, 3), made of one pair of pictures.

    Args:
        arm: which.
        maker: what `make_image_maker` built for it.
        rgb: visible picture, (H, W, 3).
        thermal: thermal picture, (H, W); it may be empty where the arm has no use for it.
    """
    if arm.input == THERMAL:
        return np.repeat(thermal[:, :, None], 3, axis=2)
    if arm.input == FUSED:
        assert maker.fuser is not None  # as the arm says
        return maker.fuser.fuse(rgb, thermal)
    if arm.input == ENHANCED:
        assert maker.enhancer is not None  # as the arm says
        return maker.enhancer.enhance(rgb)
    return rgb


def check_distinct(arms: Sequence[Arm], facts: Sequence[ArmFacts]) -> None:
    """Refuse two arms that would drive the same under two names, such as `student` and `oracle`.

    Raises:
        ConfigError: names both.
    """
    seen: dict[tuple[str, str | None, str, str], str] = {}
    for arm, made in zip(arms, facts, strict=True):
        key = (arm.input, arm.weather, made.label, made.weights)
        if key in seen:
            raise ConfigError(
                f"arms '{seen[key]}' and '{arm.name}' are the same: both drive with "
                f"{made.label}, weights {made.weights}; leave one of them out"
            )
        seen[key] = arm.name
