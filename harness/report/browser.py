"""What the page's script reads: drives, cases and the traces of both sides, as plain JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from harness.report.alignment import Along, Moment
from harness.report.cases import Case
from harness.report.fitting import COLUMNS, Fitted
from harness.report.palette import style_of
from harness.report.places import ended_m
from harness.report.plots import Names
from harness.report.runs import Drive
from results.cells import Setting, input_of
from results.gains import Comparison

ROW_COLUMNS = (
    *("outcome", "error", "seed", "distance_m", "duration_s", "completion", "driving_score"),
    *("collisions", "collisions_vehicle", "collisions_pedestrian", "collisions_static"),
    *("lane_infractions", "red_lights", "hazards_met", "hazards_hit"),
)


def page_data(
    cases: Sequence[Case],
    kinds: Mapping[Any, Comparison],
    aligned: Mapping[str, Along],
    shown: Fitted,
    names: Names,
    cells: Mapping[Setting, str],
) -> dict[str, Any]:
    """Everything the failure browser shows.

    Args:
        cases: in the order of the list.
        kinds: the comparison of each case's key.
        aligned: traces by route position, by identity.
        shown: the clips and traces that are in the page.
        names: how the report calls cells and arms.
        cells: the id of each setting in the page.
    """
    drives = {side.row.identity: side for case in cases for side in (case.first, case.second)}
    texts: dict[str, dict[str, str]] = {}
    for clip in shown.clips:
        texts.setdefault(clip.case, {})[clip.moment] = clip.text()
    return {
        "scale": dict(COLUMNS),
        "drives": {
            identity: {
                **_drive(drive, aligned.get(identity), names),
                "trace": shown.traces.get(identity),
            }
            for identity, drive in drives.items()
        },
        "cases": [_case(case, kinds[case.key], names, cells) for case in cases],
        "clips": texts,
    }


def _drive(drive: Drive, path: Along | None, names: Names) -> dict[str, Any]:
    row, seen = drive.row, input_of(drive.row)
    style = style_of(seen)
    return {
        "arm": names.arms[seen],
        "family": style.family,
        "route": row.route_id,
        "length": round(row.route_length_m, 1),
        "ended": round(ended_m(drive, path), 1),
        **{name: _plain(getattr(row, name)) for name in ROW_COLUMNS},
        "hazards": [
            {name: _plain(value) for name, value in asdict(item).items()} for item in drive.hazards
        ],
        "again": again(drive),
    }


def again(drive: Drive) -> str:
    """The command that drives an episode once more, with its trace and its video."""
    return f"fusiondrive replay {drive.run} {drive.row.identity}"


def _case(
    case: Case, item: Comparison, names: Names, cells: Mapping[Setting, str]
) -> dict[str, Any]:
    first, second = case.first, case.second
    diverged = case.divergence
    kinds = sorted({item.kind for side in (first, second) for item in side.hazards if item.is_met})
    return {
        "id": case.id,
        "cell": cells[item.setting],
        "where": names.settings[item.setting],
        "kind": item.kind,
        "pair": names.of_pair(item),
        "sides": [first.row.identity, second.row.identity],
        "differs": list(case.differs),
        "hazards": kinds,
        "divergence": None
        if diverged is None
        else {
            "actions": _moment(diverged.actions),
            "by": diverged.by,
            "paths": _moment(diverged.paths),
            "end": _moment(diverged.end),
        },
    }


def _moment(moment: Moment | None) -> float | None:
    return None if moment is None else moment.route_m


def _plain(value: Any) -> Any:
    """A number with few digits; missing where it is no number."""
    if isinstance(value, float):
        return round(value, 2) if math.isfinite(value) else None
    return value
