"""The noise floor: how often the same arm ends otherwise, driven again or with another seed.

A difference between two arms on the same episodes says something of the arms as far as it is larger
than what one arm shows against itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from results.cells import (
    REAL_LATENCY,
    InputSetting,
    Rate,
    Setting,
    cluster_of,
    has_collided,
    has_succeeded,
    input_of,
    labels_of,
    rate_of,
    setting_of,
)
from results.grid import Table
from results.row import LETTERS, EpisodeRow

FREE = "wall_"  # columns that begin so differ between equal drives
BESIDE = ("commit",)  # of the source, which says nothing of the drive
SHOWN = 5  # drives that are named
FLIP_NOTE = (
    "Flips: pairs of drives of one route by one arm with two seeds, thus with other traffic, "
    "hazards and noise, of which one succeeds (or collides) and the other does not; percent with "
    "the 95 % interval (Wilson, by Kish's design effect where a route has several pairs). Two arms "
    "on one seed meet the same traffic only until they first act differently; from there on their "
    "difference has noise of this kind, so that few routes that differ in traffic may be no more."
)
AGAIN_NOTE = (
    "Driven twice with the same seed, every column must be the same but those of wall-clock time, "
    "unless real latency makes wall-clock time a part of the drive. "
    "The interval is of flips of success."
)


@dataclass(frozen=True)
class Floor:
    """Pairs of drives of one arm in one setting with two seeds."""

    setting: Setting
    arm: InputSetting
    routes: int
    success: Rate  # of pairs that differ in it
    collision: Rate


@dataclass(frozen=True)
class Repeat:
    """An episode that was driven twice."""

    first: EpisodeRow
    second: EpisodeRow

    @property
    def has_to_be_equal(self) -> bool:
        """Whether equal settings give equal drives: not where wall-clock time decides."""
        return self.first.latency != REAL_LATENCY

    @property
    def differing(self) -> tuple[str, ...]:
        """Columns that differ and must not."""
        before, after = self.first.to_dict(), self.second.to_dict()
        return tuple(
            name
            for name in before
            if not name.startswith(FREE) and name not in BESIDE and before[name] != after.get(name)
        )


def floors(rows: Sequence[EpisodeRow]) -> list[Floor]:
    """How often each arm ends otherwise with another seed, where routes have several."""
    groups: dict[tuple[Setting, InputSetting], dict[tuple[str, str], list[EpisodeRow]]] = {}
    for row in rows:
        if row.is_driven:
            routes = groups.setdefault((setting_of(row), input_of(row)), {})
            routes.setdefault(cluster_of(row), []).append(row)
    found = []
    for (setting, arm), routes in groups.items():
        pairs = [
            (route, *pair) for route, drives in routes.items() for pair in combinations(drives, 2)
        ]
        if pairs:
            clusters = [route for route, _, _ in pairs]
            success = [has_succeeded(a) != has_succeeded(b) for _, a, b in pairs]
            collision = [has_collided(a) != has_collided(b) for _, a, b in pairs]
            found.append(
                Floor(
                    setting, arm, len(set(clusters)), rate_of(success, clusters),
                    rate_of(collision, clusters),
                )
            )  # fmt: skip
    return found


def repeats(first: Sequence[EpisodeRow], second: Sequence[EpisodeRow]) -> list[Repeat]:
    """The episodes that both have, by identity; only drives that came to their end."""
    again = {row.identity: row for row in second if row.is_driven}
    return [
        Repeat(row, again[row.identity]) for row in first if row.is_driven and row.identity in again
    ]


def floor_table(found: Sequence[Floor]) -> Table:
    """One line for each setting and arm."""
    names = labels_of(item.arm for item in found)
    header = (
        *("town", "weather", "traffic", "policy", "arm", "routes", "pairs"),
        *("success flips %", "collision flips %"),
    )
    body = tuple(
        (
            item.setting.town,
            item.setting.weather,
            item.setting.scene,
            f"{item.setting.policy} ({item.setting.policy_weights})",
            names[item.arm],
            str(item.routes),
            str(item.success.n),
            str(item.success),
            str(item.collision),
        )
        for item in found
    )
    return Table("Noise floor: the same arm with another seed", header, body, (FLIP_NOTE,))


def repeat_table(found: Sequence[Repeat]) -> Table:
    """What came of driving the same episodes again, by arm."""
    arms: dict[tuple[Setting, InputSetting], list[Repeat]] = {}
    for item in found:
        arms.setdefault((setting_of(item.first), input_of(item.first)), []).append(item)
    names = labels_of(arm for _, arm in arms)
    body = []
    for (setting, arm), items in arms.items():
        flips = [has_succeeded(item.first) != has_succeeded(item.second) for item in items]
        clusters = [cluster_of(item.first) for item in items]
        equal = sum(not item.differing for item in items)
        where = (setting.town, setting.weather, setting.scene, setting.policy, names[arm])
        body.append((*where, str(len(items)), str(equal), str(rate_of(flips, clusters))))
    header = ("town", "weather", "traffic", "policy", "arm", "drives", "equal", "success flips %")
    return Table("The same arm, the same seed, driven twice", header, tuple(body), _told(found))


def _told(found: Sequence[Repeat]) -> tuple[str, ...]:
    differing = [item for item in found if item.differing]
    named = [
        f"{LETTERS['identity']}{item.first.identity} ({', '.join(item.differing[:SHOWN])})"
        for item in differing[:SHOWN]
    ]
    if not differing:
        return (AGAIN_NOTE,)
    return AGAIN_NOTE, f"{len(differing)} of {len(found)} drives differ: {'; '.join(named)}."
