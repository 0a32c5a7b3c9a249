"""The cases of the failure browser: pairs of drives on one episode that ended differently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.report.alignment import Along, Divergence, divergence
from harness.report.runs import Drive, Material
from results.cells import InputSetting, Setting, has_collided, has_succeeded
from results.controls import Scene, scenes_of
from results.gains import CEILING, Comparison
from results.row import EpisodeRow

ID_DIGITS = 8  # of each identity in a case's id

Key = tuple[Setting, InputSetting, InputSetting]


@dataclass(frozen=True)
class Case:
    """One episode that the two arms of a comparison ended differently."""

    key: Key
    first: Drive  # of the comparison's arm
    second: Drive  # of the arm that it is compared with
    differs: tuple[str, ...]  # saved or harmed by the arm; collision, hazard: one alone has them
    divergence: Divergence | None  # None where a trace is missing

    @property
    def id(self) -> str:
        """Stays the same in every report on these drives, so that links stay good."""
        return "-".join(side.row.identity[:ID_DIGITS] for side in (self.first, self.second))


def make_cases(
    material: Material, found: Sequence[Comparison], aligned: dict[str, Along]
) -> list[Case]:
    """Every discordant pair of every comparison: first those that differ in success, by route.

    Args:
        material: the drives.
        found: what was compared; ceilings, whose weathers differ, have no pairs here.
        aligned: traces by route position, by the identity of the drive.
    """
    scenes = {scene.setting: scene for scene in scenes_of(material.rows)}
    cases = []
    for item in found:
        if item.kind != CEILING:
            for first, second in _discordant(scenes[item.setting], item):
                cases.append(_case(material, item, first, second, aligned))
    return cases


def key_of(item: Comparison) -> Key:
    """What names a comparison."""
    return item.setting, item.arm, item.minus


def _discordant(scene: Scene, item: Comparison) -> Iterator[tuple[EpisodeRow, EpisodeRow]]:
    pairs = [pair for pair in scene.pairs(item.arm, item.minus) if _differences(*pair)]
    yield from sorted(
        pairs,
        key=lambda pair: (
            has_succeeded(pair[0]) == has_succeeded(pair[1]),
            *(pair[0].route_id, pair[0].seed),
        ),
    )


def _differences(first: EpisodeRow, second: EpisodeRow) -> tuple[str, ...]:
    ours, theirs = has_succeeded(first), has_succeeded(second)
    claims = {
        "saved": ours and not theirs,
        "harmed": theirs and not ours,
        "collision": has_collided(first) != has_collided(second),
        "hazard": (first.hazards_hit or 0) != (second.hazards_hit or 0),
    }
    return tuple(name for name, differs in claims.items() if differs)


def _case(
    material: Material,
    item: Comparison,
    first: EpisodeRow,
    second: EpisodeRow,
    aligned: dict[str, Along],
) -> Case:
    sides = [aligned[row.identity] for row in (first, second) if row.identity in aligned]
    diverged = divergence(*sides) if len(sides) == 2 else None
    drives = [material.drives[row.identity] for row in (first, second)]
    return Case(key_of(item), drives[0], drives[1], _differences(first, second), diverged)
