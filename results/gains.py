"""Gains: arms compared in pairs on the same episodes, and how much of a gain is infrared's.

The total gain of a fused arm over rgb has two parts: what a control without infrared gains over rgb
(restoration), and what the arm gains over that control (infrared).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from fusiondrive.arms import CLEAR, ENHANCED, RGB
from results.cells import (
    InputSetting,
    Setting,
    cluster_of,
    has_collided,
    has_succeeded,
    is_alone,
)
from results.controls import (
    Episodes,
    Pair,
    Scene,
    controls_of,
    fused_arms,
    paired,
    scenes_of,
    without_faults,
)
from results.power import Reach, reach
from results.row import LETTERS, EpisodeRow
from results.stats import (
    PairedDifference,
    discordant_needed,
    holm,
    mcnemar,
    paired_bootstrap,
    paired_points,
    sign_flip,
)

TOTAL, RESTORATION, INFRARED, CEILING = "total", "restoration", "infrared", "ceiling"
FAULT = "fault"
WEATHER_FIELDS = ("weather",)  # of `Setting`: what differs between a cell and its clear day


class Claim(NamedTuple):
    """A yes/no result, compared over the pairs of two arms."""

    points: PairedDifference
    arm_routes: tuple[str, ...]  # ids on which the arm has it (more often), and the other does not
    other_routes: tuple[str, ...]
    mcnemar: float  # exact, over distinct drives as if routes were never repeated
    p: float  # exact, by route; equals McNemar's where each was driven once
    holm: float = 1.0  # p after Holm's adjustment over the table

    @property
    def only_arm(self) -> int:
        """Number of routes on which the arm alone has it."""
        return len(self.arm_routes)

    @property
    def only_other(self) -> int:
        """Number of routes on which the other alone has it."""
        return len(self.other_routes)


@dataclass(frozen=True)
class Comparison:
    """An arm minus another on the same episodes of one setting."""

    setting: Setting
    kind: str  # total, restoration, infrared, fault or ceiling
    arm: InputSetting
    minus: InputSetting
    pairs: int  # distinct drives
    route_ids: tuple[str, ...]  # with the letter that rows have before them
    success: Claim
    collision: Claim
    lane: PairedDifference  # infractions per route

    @property
    def routes(self) -> int:
        """Number of distinct routes."""
        return len(self.route_ids)

    @property
    def unchanged_routes(self) -> tuple[str, ...]:
        """Ids of routes on which neither arm succeeds more often."""
        differ = {*self.success.arm_routes, *self.success.other_routes}
        return tuple(name for name in self.route_ids if name not in differ)

    def reach(self, claim: Claim) -> Reach:
        """What so many routes can show of a claim, and how many would be needed."""
        return reach(self.routes, claim.only_arm, claim.only_other)


def compare(rows: Sequence[EpisodeRow]) -> list[Comparison]:
    """Every arm with rgb, fused arms with controls, faulty ones with themselves; with Holm's."""
    found = [
        item
        for scene in scenes_of(rows)
        for item in (*_gains(scene), *_infrared(scene), *_faults(scene))
    ]
    return _adjusted([*found, *_ceilings(rows)])


def smallest_effects(found: Sequence[Comparison], routes: int) -> tuple[str, str]:
    """Smallest significant differences in points: at 0.05 after Holm's first step, and at 0.01.

    All routes that differ have to be in favour of one arm: k against 0.
    """
    tests = max(1, sum(item.kind != CEILING for item in found))
    needed = discordant_needed(0.05 / tests), discordant_needed(0.01)
    first, second = (f"{100.0 * k / routes:.0f}" if k <= routes else "none" for k in needed)
    return first, second


def _gains(scene: Scene) -> Iterator[Comparison]:
    for rgb in scene.named(RGB):
        for arm in scene.arms:
            pairs = scene.pairs(arm, rgb)
            if arm != rgb and pairs:
                is_control = arm.input == ENHANCED or bool(arm.modifier)
                kind = RESTORATION if is_control else TOTAL
                yield _compared(scene.setting, kind, arm, rgb, pairs)


def _faults(scene: Scene) -> Iterator[Comparison]:
    """An arm whose thermal camera has faults minus itself without them."""
    for arm in scene.arms:
        base = without_faults(scene, arm)
        if base is not None and (pairs := scene.pairs(arm, base)):
            yield _compared(scene.setting, FAULT, arm, base, pairs)


def _infrared(scene: Scene) -> Iterator[Comparison]:
    for arm in fused_arms(scene):
        if without_faults(scene, arm) is not None:
            continue  # the question is what the fault takes away
        for controls in controls_of(scene, arm).values():
            for control in controls:
                if pairs := scene.pairs(arm, control):
                    yield _compared(scene.setting, INFRARED, arm, control, pairs)


def _ceilings(rows: Sequence[EpisodeRow]) -> Iterator[Comparison]:
    """RGB on a clear day minus RGB in each other weather."""
    days: dict[Setting, Episodes] = {}
    scenes = scenes_of(rows)
    for scene in scenes:
        for rgb in scene.named(RGB) if scene.setting.weather == CLEAR else ():
            days[_without_weather(scene.setting)] = scene.arms[rgb]
    for scene in scenes:
        day = days.get(_without_weather(scene.setting), {})
        for rgb in scene.named(RGB) if scene.setting.weather != CLEAR else ():
            if pairs := paired(day, scene.arms[rgb]):
                yield _compared(scene.setting, CEILING, rgb, rgb, pairs)


def _without_weather(setting: Setting) -> Setting:
    blank: dict[str, Any] = dict.fromkeys(WEATHER_FIELDS)
    return setting._replace(**blank)


def _compared(
    setting: Setting, kind: str, arm: InputSetting, minus: InputSetting, pairs: list[Pair]
) -> Comparison:
    routes = [cluster_of(row) for row, _ in pairs]
    lane = paired_bootstrap(
        [float(row.lane_infractions or 0) for _, row in pairs],
        [float(row.lane_infractions or 0) for row, _ in pairs],
        routes,
    )
    distinct = _distinct(pairs)
    return Comparison(
        setting=setting,
        kind=kind,
        arm=arm,
        minus=minus,
        pairs=len(distinct),
        route_ids=_ids(dict.fromkeys(routes)),
        success=_claimed(pairs, distinct, "success"),
        collision=_claimed(pairs, distinct, "collision"),
        lane=lane,
    )


def _claimed(pairs: list[Pair], distinct: list[Pair], what: str) -> Claim:
    claim = has_succeeded if what == "success" else has_collided
    ours, theirs = [claim(row) for row, _ in pairs], [claim(row) for _, row in pairs]
    routes = [cluster_of(row) for row, _ in pairs]
    ahead: dict[tuple[str, str], int] = {}
    for route, our, their in zip(routes, ours, theirs, strict=True):
        ahead[route] = ahead.get(route, 0) + our - their
    return Claim(
        points=paired_points(theirs, ours, routes),
        arm_routes=_ids(route for route, count in ahead.items() if count > 0),
        other_routes=_ids(route for route, count in ahead.items() if count < 0),
        mcnemar=mcnemar([claim(row) for _, row in distinct], [claim(row) for row, _ in distinct]),
        p=sign_flip(theirs, ours, routes),
    )


def _ids(routes: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Ids of routes in order, with the letter that rows have before them."""
    return tuple(sorted(f"{LETTERS['route_id']}{route_id}" for route_id, _ in routes))


def _distinct(pairs: list[Pair]) -> list[Pair]:
    """One pair for each distinct drive: on an empty road the first of each route."""
    if not is_alone(pairs[0][0]):
        return pairs
    first: dict[tuple[str, str], Pair] = {}
    for pair in pairs:
        first.setdefault(cluster_of(pair[0]), pair)
    return list(first.values())


def _adjusted(found: list[Comparison]) -> list[Comparison]:
    """With Holm's adjustment over all that are tested; a ceiling is no hypothesis."""
    tested = [item for item in found if item.kind != CEILING]
    success = iter(holm([item.success.p for item in tested]))
    collision = iter(holm([item.collision.p for item in tested]))
    return [
        item
        if item.kind == CEILING
        else replace(
            item,
            success=item.success._replace(holm=next(success)),
            collision=item.collision._replace(holm=next(collision)),
        )
        for item in found
    ]
