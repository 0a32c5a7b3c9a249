"""Gains of the track tests: arms in pairs on the same tests and speeds, with exact tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fusiondrive.arms import RGB, TWIN_OF
from results.grid import Table
from results.stats import holm, mcnemar, paired_points, sign_flip
from results.track_row import TrackRow

Run = tuple[str, int]  # test and speed
HEADER = (
    *("weather", "thermal", "gain", "arm", "minus", "pairs"),
    *("points [95 %]", "arm : other", "p", "p (Holm)", "p by tests", "alarms of free runs"),
)
NOTE = (
    "Pairs are runs of one test at one speed in which somebody is in the way; points are of the "
    "share avoided, their interval resamples whole tests. p: exact McNemar over pairs, Holm's over "
    "the table. p by tests: exact sign flip with each test as one, since speeds of a test are not "
    "independent. The infrared gain is an arm's minus its twin's, which was trained without. "
    "Alarms: runs in which it braked though nobody was in the way, arm and other."
)


class _Gain(NamedTuple):
    kind: str
    arm: str
    minus: str


def gain_table(rows: Sequence[TrackRow]) -> Table:
    """A line for each weather, setting of the thermal camera and pair of arms."""
    cells = _cells(rows)
    found = [
        (cell, gain, *_paired(arms[gain.arm], arms[gain.minus]))
        for cell, arms in cells.items()
        for gain in _gains(list(arms))
    ]
    values = [mcnemar(second, first) for *_, first, second, _ in found]
    body = []
    for (cell, gain, arm, other, runs), p, adjusted in zip(
        found, values, holm(values), strict=True
    ):
        tests = [test for test, _ in runs]
        points = paired_points(other, arm, tests)
        only = sum(a and not b for a, b in zip(arm, other, strict=True))
        lost = sum(b and not a for a, b in zip(arm, other, strict=True))
        alarms = " : ".join(_alarms(cells[cell][name]) for name in (gain.arm, gain.minus))
        low, high = points.interval
        body.append((
            *cell, gain.kind, gain.arm, gain.minus, str(len(runs)),
            f"{points.mean:+.0f} [{low:+.0f}, {high:+.0f}]", f"{only} : {lost}",
            f"{p:.2g}", f"{adjusted:.2g}", f"{sign_flip(other, arm, tests):.2g}", alarms,
        ))  # fmt: skip
    return Table("Track tests: arms in pairs", HEADER, tuple(body), (NOTE,))


def _cells(rows: Sequence[TrackRow]) -> dict[tuple[str, str], dict[str, dict[Run, TrackRow]]]:
    """Rows that can be compared: by weather and thermal setting, arm, and run."""
    settings = sorted({row.thermal for row in rows if row.thermal})
    found: dict[tuple[str, str], dict[str, dict[Run, TrackRow]]] = {}
    for row in rows:
        if not row.is_driven:
            continue
        # Arms without a thermal image stand beside those of every setting.
        for setting in [row.thermal] if row.thermal else settings or [""]:
            arms = found.setdefault((row.weather, setting), {})
            arms.setdefault(row.arm, {})[row.test, row.speed_kmh] = row
    return found


def _gains(arms: Sequence[str]) -> Iterator[_Gain]:
    """Which arms are compared: each with RGB, each network with its twin."""
    for arm in arms:
        if arm != RGB and RGB in arms:
            yield _Gain("total", arm, RGB)
    for arm in arms:
        if TWIN_OF.get(arm) in arms:
            yield _Gain("infrared", arm, TWIN_OF[arm])


def _paired(
    first: dict[Run, TrackRow], second: dict[Run, TrackRow]
) -> tuple[list[bool], list[bool], list[Run]]:
    """Whether each avoided somebody, on the runs of both with somebody in the way."""
    runs = [
        run for run, row in first.items() if run in second and row.outcome in ("avoided", "hit")
    ]
    sides = ([side[run].outcome == "avoided" for run in runs] for side in (first, second))
    one, other = sides
    return one, other, runs


def _alarms(runs: dict[Run, TrackRow]) -> str:
    free = [row for row in runs.values() if row.outcome in ("quiet", "false_alarm")]
    return f"{sum(row.outcome == 'false_alarm' for row in free)}/{len(free)}"
