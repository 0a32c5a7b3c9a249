"""The tables of gains: arms minus rgb, fused arms minus controls, and what they cannot tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fusiondrive.arms import CLEAR
from results.cells import InputSetting, labels_of
from results.controls import Missing, missing_controls
from results.gains import CEILING, FAULT, INFRARED, Claim, Comparison, compare, smallest_effects
from results.grid import Table, csv_text
from results.power import MOST_ROUTES, Reach
from results.row import EpisodeRow, lettered
from results.stats import PairedDifference

PAIRED_NOTE = (
    "Differences are the arm minus the other on the same episodes, with a 95 % bootstrap interval "
    "clustered by route; arm : other counts the routes that differ, by which of the two has it; "
    "p: exact McNemar, and after Holm over the table."
)
ROUTES_NOTE = (
    "Routes were driven with several seeds: p by route flips the signs of whole routes (exact), "
    "and Holm's adjustment is of it; McNemar's takes a route's drives for independent ones."
)
KINDS_NOTE = (
    "total: a fused or thermal arm minus rgb. restoration: an image without infrared of the scene "
    "minus rgb. infrared: a fused arm minus such a control; judge by the twin, which was trained "
    "without infrared, since blanking shows only what one network leans on. The enhancement is the "
    "best one in these very rows, which favours it."
)
FAULT_NOTE = (
    "fault: an arm whose thermal camera has faults minus the same arm without them, so that a "
    "minus is what the faults cost. Such arms are compared with rgb as well, and with no control."
)
CEILING_NOTE = "ceiling: rgb on a clear day minus rgb, on the same routes; it is no hypothesis."
EFFECT_NOTE = (
    "least: the smallest difference in points that could be significant, all routes that differ "
    "being in favour of one arm: at 0.05 after Holm's first step over the table / at 0.01 alone."
)


ROUTES_TITLE = "Routes saved and harmed, and power"
SAVED_NOTE = (
    "Saved: routes on which the arm succeeds and the other does not (more often, where routes "
    "repeat); harmed: the reverse. Detectable: least difference in points that so many routes "
    "show with p <= 0.05 (exact McNemar, of one comparison alone) in four of five studies, at the "
    "share of routes that differ here, or if all that differ favour one arm. More routes: how many "
    "further ones the observed difference takes for that, were it the true one, which a small "
    "sample's seldom is."
)


def gain_tables(rows: Sequence[EpisodeRow]) -> list[Table]:
    """Every comparison of arms in the rows: success, collisions, routes; none without pairs."""
    found = compare(rows)
    if not found:
        return []
    repeated = any(item.pairs != item.routes for item in found)
    names = labels_of(seen for item in found for seen in (item.arm, item.minus))
    lines = [(item, _compared(item, names)) for item in found]
    least = [" / ".join(smallest_effects(found, item.routes)) for item in found]
    compared = ("town", "weather", "traffic", "policy", "gain", "arm", "minus", "pairs")
    claimed = ("points", "arm : other", "p", *(("p by route",) if repeated else ()), "p (Holm)")
    success = tuple(
        (*line, *_claim(item, item.success, repeated=repeated), "" if item.kind == CEILING else few)
        for (item, line), few in zip(lines, least, strict=True)
    )
    collision = tuple(
        (*line, *_claim(item, item.collision, repeated=repeated), _difference(item.lane, 2))
        for item, line in lines
    )
    lane = "lane / route"
    return [
        Table("Gains: success, in pairs", (*compared, *claimed, "least"), success),
        Table(
            "Gains: collisions, in pairs",
            (*compared, *claimed, lane),
            collision,
            _notes(found, rows, repeated=repeated),
        ),
        _routes_table(found, [line for _, line in lines]),
    ]


def _routes_table(found: Sequence[Comparison], compared: Sequence[tuple[str, ...]]) -> Table:
    """Which routes an arm saves and harms, and how many it would take."""
    header = (
        *("town", "weather", "traffic", "policy", "gain", "arm", "minus", "routes"),
        *("saved", "harmed", "unchanged", "detectable", "more routes", "which saved"),
        "which harmed",
    )
    body = tuple(
        (
            *line[:-1],
            str(item.routes),
            str(item.success.only_arm),
            str(item.success.only_other),
            str(len(item.unchanged_routes)),
            *(("", "") if item.kind == CEILING else _reach(item)),
            _named(item.success.arm_routes, item.route_ids),
            _named(item.success.other_routes, item.route_ids),
        )
        for item, line in zip(found, compared, strict=True)
    )
    return Table(ROUTES_TITLE, header, body, (SAVED_NOTE,))


def _named(routes: Sequence[str], among: Sequence[str]) -> str:
    """Routes by their ids; those that are left out where these are fewer."""
    others = [name for name in among if name not in routes]
    if len(routes) <= len(others):
        return " ".join(routes)
    return f"all but {' '.join(others)}" if others else "all"


def _reach(item: Comparison) -> tuple[str, str]:
    found = item.reach(item.success)
    detectable = "none" if found.detectable is None else f"{100.0 * found.detectable:.0f}"
    if item.success.only_arm == item.success.only_other:
        return detectable, "no difference"
    if found.needed is None:
        return detectable, f"over {MOST_ROUTES}"
    return detectable, str(max(0, found.needed - item.routes))


def gains_csv(rows: Sequence[EpisodeRow]) -> str:
    """The comparisons with plain numbers, one column each; empty where nothing can be paired."""
    return csv_text([lettered(_csv_line(item)) for item in compare(rows)])


def _csv_line(item: Comparison) -> dict[str, Any]:
    line: dict[str, Any] = {**item.setting._asdict(), "gain": item.kind}
    for role, seen in (("arm", item.arm), ("minus", item.minus)):
        line[role] = CLEAR if role == "arm" and item.kind == CEILING else seen.label
        line[f"{role}_weights"] = seen.fuser_weights
        line[f"{role}_thermal"] = seen.thermal_text
    line.update(pairs=item.pairs, routes=item.routes)
    for name, claim in (("success", item.success), ("collision", item.collision)):
        line[f"{name}_points"] = claim.points.mean
        line[f"{name}_low"], line[f"{name}_high"] = claim.points.interval
        line[f"{name}_only_arm"] = claim.only_arm
        line[f"{name}_only_minus"] = claim.only_other
        is_tested = item.kind != CEILING
        line[f"{name}_p_mcnemar"] = claim.mcnemar if is_tested else None
        line[f"{name}_p_by_route"] = claim.p if is_tested else None
        line[f"{name}_p_holm"] = claim.holm if is_tested else None
    line["lane_per_route"] = item.lane.mean
    line["lane_low"], line["lane_high"] = item.lane.interval
    for name, claim in (("success", item.success), ("collision", item.collision)):
        found = item.reach(claim) if item.kind != CEILING else Reach(None, None)
        line[f"{name}_only_arm_routes"] = " ".join(claim.arm_routes)
        line[f"{name}_only_minus_routes"] = " ".join(claim.other_routes)
        share = found.detectable
        line[f"{name}_detectable_points"] = None if share is None else 100.0 * share
        line[f"{name}_routes_needed"] = found.needed
    return line


def _compared(item: Comparison, names: Mapping[InputSetting, str]) -> tuple[str, ...]:
    """What is compared with what."""
    return (
        item.setting.town,
        item.setting.weather,
        item.setting.scene,
        f"{item.setting.policy} ({item.setting.policy_weights})",
        item.kind,
        CLEAR if item.kind == CEILING else names[item.arm],
        names[item.minus],
        str(item.pairs),
    )


def _claim(item: Comparison, claim: Claim, *, repeated: bool) -> tuple[str, ...]:
    p = [claim.mcnemar, *([claim.p] if repeated else []), claim.holm]
    return (
        _difference(claim.points, 1),
        f"{claim.only_arm} : {claim.only_other}",
        *("" if item.kind == CEILING else f"{value:.2g}" for value in p),
    )


def _difference(found: PairedDifference, digits: int) -> str:
    low, high = found.interval
    return f"{found.mean:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"


def _notes(
    found: Sequence[Comparison], rows: Sequence[EpisodeRow], *, repeated: bool
) -> tuple[str, ...]:
    kinds = {item.kind for item in found}
    notes = (
        PAIRED_NOTE,
        ROUTES_NOTE if repeated else "",
        KINDS_NOTE if INFRARED in kinds else "",
        FAULT_NOTE if FAULT in kinds else "",
        CEILING_NOTE if CEILING in kinds else "",
        EFFECT_NOTE,
        *_missing(missing_controls(rows)),
    )
    return tuple(note for note in notes if note)


def _missing(found: Sequence[Missing]) -> list[str]:
    """A line for each arm that lacks controls, with the scenes in which it does."""
    scenes: dict[tuple[str, tuple[str, ...], bool], list[str]] = {}
    names = labels_of(item.arm for item in found)
    for item in found:
        where = f"{item.setting.town} {item.setting.weather}"
        scenes.setdefault((names[item.arm], item.controls, item.is_alone), []).append(where)
    return [
        f"{arm}: {'no control driven' if is_alone else 'controls not driven'}: "
        f"{', '.join(controls)} ({', '.join(dict.fromkeys(places))}). What it gains over rgb is "
        "not shown to be infrared's by what is missing."
        for (arm, controls, is_alone), places in scenes.items()
    ]
