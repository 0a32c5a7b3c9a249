"""The answer in one sentence: one comparison, chosen by rule and not by its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fusiondrive.arms import BLANKED, ENHANCED, FUSED, HAND_MADE, SWAPPED, THERMAL
from fusiondrive.errors import ConfigError
from harness.report.palette import in_order
from results.cells import Cell, InputSetting, Setting, has_succeeded
from results.controls import missing_controls, scenes_of
from results.gains import CEILING, FAULT, INFRARED, RESTORATION, TOTAL, Comparison
from results.row import EpisodeRow

PRIVILEGED = "the thermal image is privileged, made from the simulation's class ids and depth"
ORACLE = (
    "The oracle student was trained on clear-day pictures of the same poses: it is an upper bound, "
    "and no method."
)
KIND_REMARKS = {
    INFRARED: "{minus} sees nothing of the scene's infrared, so that this compares for infrared.",
    TOTAL: "This is a total gain over rgb; what of it is infrared's, controls tell.",
    RESTORATION: "Neither of the two sees infrared of the scene.",
    FAULT: "It is one arm with faults of its thermal camera and without.",
}
RULE = (
    "This comparison stands first by rule, not by its result: gains of infrared before total "
    "gains, the method before its upper bound, the twin without infrared before other controls."
)
ASKED = "This comparison was asked for by --compare."
KINDS = (INFRARED, TOTAL, RESTORATION, FAULT)
ALPHA = 0.05


class Answer(NamedTuple):
    """The first lines of a report."""

    verdict: str  # the sentence up to its numbers
    evidence: str  # the rest of it
    comparison: Comparison | None  # None where nothing can be paired
    remarks: tuple[str, ...]


def make_answer(
    rows: Sequence[EpisodeRow],
    cells: Sequence[Cell],
    found: Sequence[Comparison],
    names: Mapping[InputSetting, str],
    wanted: tuple[str, str] | None = None,
) -> Answer:
    """The sentence on the comparison that stands first, with what has to be said beside it.

    Args:
        rows: all rows of the report.
        cells: what was made of them.
        found: all comparisons of them.
        names: how the report calls the arms.
        wanted: the arm to speak of, and the one that it is compared with.

    Raises:
        ConfigError: the wanted comparison is not among them.
    """
    item = first_of(found, names, wanted)
    if item is None:
        return _alone(cells, names)
    remarks = (
        KIND_REMARKS.get(item.kind, "").format(minus=names[item.minus]),
        *_doubts(item),
        "" if is_shown(item) else _power(item),
        *_missing(item, rows),
        ORACLE if item.arm.arm == "oracle" else "",
        RULE if wanted is None else ASKED,
    )
    verdict, evidence = sentence_of(item, _percents(item, rows), names)
    return Answer(verdict, evidence, item, tuple(text for text in remarks if text))


def first_of(
    found: Sequence[Comparison],
    names: Mapping[InputSetting, str],
    wanted: tuple[str, str] | None = None,
) -> Comparison | None:
    """The comparison that a report speaks of first; None where nothing can be paired.

    Raises:
        ConfigError: the wanted one is not among them.
    """
    tested = [item for item in found if item.kind != CEILING]
    if wanted is not None:
        tested = [item for item in tested if (names[item.arm], names[item.minus]) == wanted]
        if not tested:
            known = dict.fromkeys(
                f"{names[item.arm]} {names[item.minus]}" for item in found if item.kind != CEILING
            )
            raise ConfigError(
                f"--compare {' '.join(wanted)}: these were not compared; known: "
                f"{', '.join(known) or 'none'}"
            )
    arms = in_order(item.arm for item in tested)
    return min(
        tested,
        key=lambda item: (
            *(kind_rank(item.kind), arms.index(item.arm)),
            *(_rank(item.minus), -item.pairs),
        ),
        default=None,
    )


def kind_rank(kind: str) -> int:
    """The place of a kind of comparison: infrared, total, restoration, others, ceiling."""
    return KINDS.index(kind) if kind in KINDS else len(KINDS) + (kind == CEILING)


def sentence_of(
    item: Comparison, percents: tuple[float, float], names: Mapping[InputSetting, str]
) -> tuple[str, str]:
    """What one comparison says: the verdict, then its numbers.

    Args:
        item: the comparison.
        percents: success of its two arms on the paired episodes.
        names: how the report calls the arms.
    """
    points, (low, high) = item.success.points.mean, item.success.points.interval
    where, policy = place_of(item.setting), item.setting.policy
    arm, minus = names[item.arm], names[item.minus]
    ours, theirs = percents
    if is_shown(item):
        more = "more" if points > 0.0 else "less"
        verdict = f"{where}, {policy} succeeds {more} often with {arm} than with {minus}:"
        rates = f"in {ours:.0f} % against {theirs:.0f} % of the drives"
    else:
        verdict = f"{where}, no difference is shown between {arm} and {minus}:"
        rates = f"{policy} succeeds in {ours:.0f} % and {theirs:.0f} % of the drives"
    pairs = "pair" if item.pairs == 1 else "pairs"
    evidence = (
        f"{rates}, {signed(points)} points (95 % interval {signed(low)} to {signed(high)}, "
        f"n = {item.pairs} {pairs}, exact McNemar p = {p_text(item.success.mcnemar)})"
    )
    return verdict, f"{evidence}{f'; {PRIVILEGED}' if _sees_thermal(item) else ''}."


def signed(value: float) -> str:
    """A whole number with its sign, as a sentence has it."""
    return f"{value:+.0f}".replace("-", "−")


def is_shown(item: Comparison) -> bool:
    """Whether the interval excludes 0, and the exact test by route agrees."""
    low, high = item.success.points.interval
    return (low > 0.0 or high < 0.0) and item.success.p <= ALPHA


def place_of(setting: Setting) -> str:
    """Town, weather and who is on the road, as a sentence begins."""
    return f"In {setting.town}, {setting.weather}, {scene_text(setting)}"


def scene_text(setting: Setting) -> str:
    """Who is on the road, in words."""
    first, *rest = setting.scene.split(", ")
    words = "empty roads" if first in ("empty", "0+0") else f"{first} traffic"
    return ", ".join((words, *rest))


def p_text(value: float) -> str:
    """A p value with two digits that matter."""
    return f"{value:.2f}" if value >= 0.0995 else f"{value:.2g}"


def _doubts(item: Comparison) -> list[str]:
    low, high = item.success.points.interval
    found = []
    if item.routes != item.pairs:
        found.append(
            f"The {item.pairs} pairs are {item.routes} routes with several seeds; by whole routes "
            f"the exact p is {p_text(item.success.p)}."
        )
    if (low > 0.0 or high < 0.0) and item.success.p > ALPHA:
        found.append("The interval excludes 0, but the exact test does not agree.")
    elif is_shown(item) and item.success.holm > ALPHA:
        found.append(
            "Taken alone: after Holm over all comparisons of this report p is "
            f"{p_text(item.success.holm)}, and no difference is shown."
        )
    return found


def _power(item: Comparison) -> str:
    """What so many routes could have shown, and how many the observed difference takes."""
    found = item.reach(item.success)
    if found.detectable is None:
        said = f"Too few routes ({item.routes}) to show any difference in four of five studies"
    else:
        said = (
            f"{item.routes} routes show a true difference of {100.0 * found.detectable:.0f} points "
            "in four of five studies"
        )
    if found.needed is None or found.needed <= item.routes:
        return f"{said}."
    points = abs(item.success.points.mean)
    return f"{said}; one of {points:.0f} points takes {found.needed} routes."


def _missing(item: Comparison, rows: Sequence[EpisodeRow]) -> list[str]:
    return [
        f"Controls of {line.arm.label} that were not driven: {', '.join(line.controls)}."
        for line in missing_controls(rows)
        if (line.setting, line.arm) == (item.setting, item.arm)
    ]


def _percents(item: Comparison, rows: Sequence[EpisodeRow]) -> tuple[float, float]:
    scene = next(scene for scene in scenes_of(rows) if scene.setting == item.setting)
    pairs = scene.pairs(item.arm, item.minus)
    ours, theirs = (
        100.0 * sum(has_succeeded(pair[side]) for pair in pairs) / len(pairs) for side in (0, 1)
    )
    return ours, theirs


def _rank(minus: InputSetting) -> int:
    """The twin first, then an enhancement, then blanked, then swapped; plain rgb last."""
    if minus.modifier in (BLANKED, SWAPPED):
        return 2 if minus.modifier == BLANKED else 3
    if minus.input == ENHANCED:
        return 1 if minus.fuser in HAND_MADE else 0
    return 4


def _sees_thermal(item: Comparison) -> bool:
    return any(seen.input in (FUSED, THERMAL) for seen in (item.arm, item.minus))


def _alone(cells: Sequence[Cell], names: Mapping[InputSetting, str]) -> Answer:
    cell = max(cells, key=lambda item: item.drives)
    low, high = (100.0 * bound for bound in cell.success.interval)
    verdict = f"{place_of(cell.setting)}, nothing is compared:"
    evidence = (
        f"no two arms drove the same episodes. {cell.setting.policy} succeeds in "
        f"{cell.success.hits} of {cell.success.n} drives with {names[cell.input_setting]} "
        f"(95 % interval {low:.0f} to {high:.0f} %)"
    )
    is_thermal = cell.input_setting.input in (FUSED, THERMAL)
    return Answer(verdict, f"{evidence}{f'; {PRIVILEGED}' if is_thermal else ''}.", None, ())
