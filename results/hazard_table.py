"""The table of hazards: what came of each kind, by what the policy saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from results.cells import InputSetting, Setting, input_of, labels_of, setting_of
from results.grid import Table
from results.hazards import HazardRecord, HazardRow
from results.row import EpisodeRow
from results.stats import wilson

NOTE = (
    "A hazard counts once it has acted. Hit: percent of these with the Wilson 95 % interval, a "
    "collision with one of its actors. Seen, braked: mean metres from the bumper from which on it "
    "was in view by geometry (6 pixels high; weather, houses and trees do not count), and at "
    "which the car first slowed by 1 m/s2. TTC: mean of the least times to collision. "
    "Transmission: mean share of visible light that is left after the distance in which the car "
    "can stop (0.5 s, 7 m/s2)."
)


def hazard_table(rows: Sequence[EpisodeRow], hazards: Sequence[HazardRow]) -> Table | None:
    """One line for each setting, input and kind of hazard; None where there was none."""
    by_identity = {row.identity: row for row in rows if row.is_driven}
    groups: dict[tuple[Setting, InputSetting, str], list[HazardRecord]] = {}
    for item in hazards:
        row = by_identity.get(item.identity)
        if row is not None:
            key = (setting_of(row), input_of(row), item.record.kind)
            groups.setdefault(key, []).append(item.record)
    if not groups:
        return None
    header = (
        *("town", "weather", "traffic", "policy", "arm", "hazard", "n", "hit %", "seen, m"),
        *("braked, m", "speed, m/s", "stopping, m", "TTC, s", "transmission"),
    )
    arms = list(dict.fromkeys(key[:2] for key in groups))
    ordered = sorted(groups.items(), key=lambda item: (arms.index(item[0][:2]), item[0][2]))
    names, settings = labels_of(seen for _, seen in arms), [where for where, _ in arms]
    body = tuple(
        (*_words(where, settings), names[seen], kind, *_numbers(records))
        for (where, seen, kind), records in ordered
    )
    return Table("Hazards", header, body, (NOTE,))


def _words(where: Setting, among: Sequence[Setting]) -> tuple[str, ...]:
    """Town, weather, traffic and policy; policies of one name are told apart by their weights."""
    weights = {other.policy_weights for other in among if other.policy == where.policy}
    policy = f"{where.policy} ({where.policy_weights})" if len(weights) > 1 else where.policy
    return where.town, where.weather, where.scene, policy


def _numbers(records: Sequence[HazardRecord]) -> tuple[str, ...]:
    met = [record for record in records if record.is_met]
    hits = sum(record.was_hit for record in met)
    return (
        str(len(met)),
        _rate(hits, len(met)),
        _mean(met, lambda record: record.seen_m, 0),
        _mean(met, lambda record: record.braked_m, 1),
        _mean(met, lambda record: record.speed_mps, 1),
        _mean(met, lambda record: record.stopping_m, 1),
        _mean(met, lambda record: record.min_ttc_s, 1),
        _mean(met, lambda record: record.transmission, 2),
    )


def _mean(
    records: Sequence[HazardRecord], number: Callable[[HazardRecord], float | None], digits: int
) -> str:
    known = [value for value in map(number, records) if value is not None]
    return f"{fmean(known):.{digits}f}" if known else "n/a"


def _rate(hits: int, n: int) -> str:
    if not n:
        return "n/a"
    low, high = (100.0 * bound for bound in wilson(hits, n))
    return f"{100.0 * hits / n:.1f} [{low:.0f}, {high:.0f}]"
