"""What fits into a page of limited size: clips first, then traces, as finely as there is room."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.report.alignment import Along
from harness.report.cases import Case
from harness.report.clips import Clip

STEPS_M = (1.0, 2.0, 4.0)  # between the points of a trace; the first that fits is taken
# Columns of a trace in the page, with the factor by which they become whole numbers.
COLUMNS: Mapping[str, float] = {
    "steer": 100.0,
    "pedal": 100.0,
    "speed_kmh": 10.0,
    "deviation_m": 100.0,
    "time_s": 10.0,
}

Trace = dict[str, Any]  # as the page's script reads it


class Fitted(NamedTuple):
    """What of a report's material is in the page."""

    clips: tuple[Clip, ...] = ()
    traces: Mapping[str, Trace] = {}  # by the identities of drives
    note: str = ""  # says what is not there, or not in full


def fitted(
    cases: Sequence[Case], aligned: Mapping[str, Along], clips: Sequence[Clip], room_bytes: int
) -> Fitted:
    """Choose what is shown of the failures; those at the end of the list have to do with less.

    Args:
        cases: in the order of the list.
        aligned: traces by route position, by the identities of drives.
        clips: in the order of their importance.
        room_bytes: what all of it may take.
    """
    kept: list[Clip] = []
    for clip in clips:
        if room_bytes < clip.size:
            break
        room_bytes -= clip.size
        kept.append(clip)
    notes = [] if len(kept) == len(clips) else ["Clips that do not fit are left out."]
    wanted = [identity for identity in dict.fromkeys(_identities(cases)) if identity in aligned]
    traces, step_m = _traces(wanted, aligned, room_bytes)
    if step_m > STEPS_M[0]:
        notes.append(f"Traces are drawn with a point every {step_m:g} m, to fit into the page.")
    if len(traces) < len(wanted):
        notes.append(
            f"Traces of {len(wanted) - len(traces)} of {len(wanted)} drives, those at the end of "
            "the list, do not fit; a report on fewer runs has them."
        )
    return Fitted(tuple(kept), traces, " ".join(notes))


def _identities(cases: Iterable[Case]) -> Iterable[str]:
    for case in cases:
        yield case.first.row.identity
        yield case.second.row.identity


def _traces(
    wanted: Sequence[str], aligned: Mapping[str, Along], room_bytes: int
) -> tuple[dict[str, Trace], float]:
    """Traces of drives, and the metres between their points."""
    for step_m in STEPS_M:
        found = {identity: _trace(aligned[identity], step_m) for identity in wanted}
        sizes = {identity: _size(trace) for identity, trace in found.items()}
        if sum(sizes.values()) <= room_bytes:
            return found, step_m
    kept = {}
    for identity, trace in found.items():
        room_bytes -= sizes[identity]
        if room_bytes < 0:
            break
        kept[identity] = trace
    return kept, STEPS_M[-1]


def _trace(path: Along, step_m: float) -> Trace:
    start_m, end_m = path.position_m[0], path.position_m[-1]
    columns = path.at(np.arange(start_m, end_m + 1e-9, step_m))
    return {
        "start": round(float(start_m), 2),
        "step": step_m,
        **{
            name: np.rint(columns[name] * factor).astype(int).tolist()
            for name, factor in COLUMNS.items()
        },
    }


def _size(trace: Trace) -> int:
    return len(json.dumps(trace, separators=(",", ":")))
