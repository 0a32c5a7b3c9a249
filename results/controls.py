"""Which arm is a control of which: what stands between a gain and its being one of infrared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fusiondrive.arms import BLANKED, ENHANCED, FUSED, HAND_MADE, NONE, SWAPPED, TWIN_OF
from results.cells import (
    InputSetting,
    Setting,
    cluster_of,
    has_collided,
    has_succeeded,
    input_of,
    setting_of,
)
from results.row import EpisodeRow

ANY_ENHANCEMENT = "an enhancement (dehaze, clahe or gamma)"

Pair = tuple[EpisodeRow, EpisodeRow]
Episodes = dict[tuple[str, str, int], EpisodeRow]  # by route, its digest and seed


@dataclass(frozen=True)
class Missing:
    """Controls without which an arm's gain cannot be called one of infrared."""

    setting: Setting
    arm: InputSetting
    controls: tuple[str, ...]
    is_alone: bool  # not one of its controls was driven


class Scene:
    """The driven rows of one setting, by arm and episode."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.arms: dict[InputSetting, Episodes] = {}

    def add(self, row: EpisodeRow) -> None:
        """Take a row."""
        self.arms.setdefault(input_of(row), {})[(*cluster_of(row), row.seed)] = row

    def pairs(self, arm: InputSetting, other: InputSetting) -> list[Pair]:
        """Rows of an arm, each with that of another on the same episode."""
        return paired(self.arms[arm], self.arms[other])

    def named(self, *arms: str) -> list[InputSetting]:
        """Those arms that were driven, whatever their weights."""
        return [seen for seen in self.arms if seen.arm in arms]


def scenes_of(rows: Sequence[EpisodeRow]) -> list[Scene]:
    """Driven rows by setting, in the order of first appearance."""
    scenes: dict[Setting, Scene] = {}
    for row in rows:
        if row.is_driven:
            setting = setting_of(row)
            scenes.setdefault(setting, Scene(setting)).add(row)
    return list(scenes.values())


def fused_arms(scene: Scene) -> list[InputSetting]:
    """The arms whose gain may be one of infrared; their controls are not among them."""
    return [seen for seen in scene.arms if seen.input == FUSED and not seen.modifier]


def without_faults(scene: Scene, arm: InputSetting) -> InputSetting | None:
    """The same arm with a thermal camera that has no faults, where that was driven."""
    ratio, _, faults = arm.thermal.partition(",")
    base = arm._replace(thermal=ratio)
    return base if faults and base in scene.arms else None


def missing_controls(rows: Sequence[EpisodeRow]) -> list[Missing]:
    """The controls that no fused arm was compared with, in the order of tables."""
    found = []
    for scene in scenes_of(rows):
        for arm in fused_arms(scene):
            if without_faults(scene, arm) is not None:
                continue  # it is compared with itself
            groups = controls_of(scene, arm)
            lacking = tuple(
                name
                for name, driven in groups.items()
                if not any(scene.pairs(arm, control) for control in driven)
            )
            if lacking:
                is_alone = len(lacking) == len(groups)
                found.append(Missing(scene.setting, arm, lacking, is_alone))
    return found


def controls_of(scene: Scene, arm: InputSetting) -> dict[str, list[InputSetting]]:
    """The controls of a fused arm by what is said where they are missing; the twin first."""
    groups: dict[str, list[InputSetting]] = {}
    if arm.fuser_weights != NONE:  # a rule without weights has learnt nothing that a twin could
        twin = _twin(arm)
        groups[f"{twin} (its twin without infrared)"] = [
            seen for seen in scene.arms if _is_named(seen, twin) and _is_blind(seen)
        ]
    for modifier in (BLANKED, SWAPPED):
        groups[arm.arm + modifier] = _modified(scene, arm, modifier)
    groups[ANY_ENHANCEMENT] = _best(scene, arm)
    return groups


def _modified(scene: Scene, arm: InputSetting, modifier: str) -> list[InputSetting]:
    """The same network with its infrared blanked or swapped."""
    found = [
        seen
        for seen in scene.arms
        if seen.modifier == modifier
        and _network(seen) == _network(arm)
        and seen.fuser_weights == arm.fuser_weights
    ]
    same = [seen for seen in found if seen.thermal_text == arm.thermal_text]
    return same or (found[:1] if modifier == BLANKED else [])  # blanked, the camera is all one


def _twin(arm: InputSetting) -> str:
    named = (twin for name, twin in TWIN_OF.items() if _is_named(arm, name))
    return next(named, TWIN_OF["distilled"])


def _is_named(seen: InputSetting, name: str) -> bool:
    """Whether a network is of that name, or of another training of it, as in `restored_s1`."""
    network = _network(seen)
    return network == name or network.startswith(f"{name}_")


def _is_blind(seen: InputSetting) -> bool:
    """Whether no infrared image reaches it: an own arm, or weights of a user's with `:blanked`."""
    return seen.input == ENHANCED or seen.modifier == BLANKED


def _network(arm: InputSetting) -> str:
    """The fuser without its modifier; of `student (NAME)` the name."""
    label = arm.fuser_label.split(", infrared ")[0]
    named = re.fullmatch(r"student \((.+)\)", label)
    return named.group(1) if named else label


def _best(scene: Scene, arm: InputSetting) -> list[InputSetting]:
    """The enhancement by hand that succeeds most often on the episodes of an arm."""
    candidates = [seen for seen in scene.named(*HAND_MADE) if scene.pairs(arm, seen)]

    def merit(seen: InputSetting) -> tuple[float, float]:
        rows = [row for _, row in scene.pairs(arm, seen)]
        return (
            sum(map(has_succeeded, rows)) / len(rows),
            -sum(map(has_collided, rows)) / len(rows),
        )

    return [max(candidates, key=merit)] if candidates else []


def paired(first: Episodes, second: Episodes) -> list[Pair]:
    """The rows of the episodes that both have."""
    return [(row, second[key]) for key, row in first.items() if key in second]
