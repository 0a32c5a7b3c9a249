"""Tables of track tests: impact speed by test and speed, and one curve an arm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from results.grid import Table
from results.stats import wilson
from results.track_row import TrackRow

AVOIDED, ALARM, BROKEN, NOT_DRIVEN = "-", "alarm", "sim", ""
NOTE = (
    "Speed of the car at the contact, km/h; '-': no contact. 'alarm': it braked though nobody was "
    "in the way. Tests are after Euro NCAP and FMVSS 127, see docs/track-tests.md, and no rating."
)
PRIVILEGED_NOTE = (
    "The detector is privileged: it knows the actors in view, and neither weather nor light hides "
    "anything from it. These numbers say what the brake can do, and nothing of an arm's image."
)


def impact_table(rows: Sequence[TrackRow]) -> Table:
    """A line for each weather, test and arm, a column for each test speed."""
    speeds = sorted({row.speed_kmh for row in rows})
    lines: dict[tuple[str, str, str], dict[int, TrackRow]] = {}
    for row in rows:
        lines.setdefault((row.weather, row.test, label_of(row)), {})[row.speed_kmh] = row
    body = tuple(
        (*names, *(_cell(found.get(speed)) for speed in speeds), _avoided(list(found.values())))
        for names, found in lines.items()
    )
    header = ("weather", "test", "arm", *(f"{speed} km/h" for speed in speeds), "avoided")
    return Table("Track tests: impact speed", header, body, _notes(rows))


def curve_table(rows: Sequence[TrackRow]) -> Table:
    """A line for each weather and arm: mean impact speed at each test speed, share avoided."""
    speeds = sorted({row.speed_kmh for row in rows})
    header = (
        *("weather", "arm", *(f"{speed} km/h" for speed in speeds)),
        *("avoided", "% [Wilson 95 %]", "false alarms"),
    )
    body = []
    for (weather, arm), found in by_arm(rows).items():
        curve = mean_impacts(found)
        driven = [row for row in found if row.outcome in ("avoided", "hit")]
        free = [row for row in found if row.outcome in ("quiet", "false_alarm")]
        hits = sum(row.outcome == "hit" for row in driven)
        alarms = sum(row.outcome == "false_alarm" for row in free)
        avoided, bounds = len(driven) - hits, wilson(len(driven) - hits, len(driven))
        share = ""
        if driven:
            low, high = (f"{100.0 * bound:.0f}" for bound in bounds)
            share = f"{100.0 * avoided / len(driven):.0f} [{low}, {high}]"
        means = (f"{curve[speed]:.1f}" if speed in curve else "" for speed in speeds)
        body.append(
            (weather, arm, *means, f"{avoided}/{len(driven)}", share, f"{alarms}/{len(free)}")
        )
    note = "Mean speed at the contact over the tests, km/h; avoided ones count as 0."
    return Table("Track tests: one curve an arm", header, tuple(body), (note,))


def by_arm(rows: Sequence[TrackRow]) -> dict[tuple[str, str], list[TrackRow]]:
    """The rows of each weather and arm, in the order of their first row."""
    found: dict[tuple[str, str], list[TrackRow]] = {}
    for row in rows:
        found.setdefault((row.weather, label_of(row)), []).append(row)
    return found


def mean_impacts(rows: Sequence[TrackRow]) -> dict[int, float]:
    """Mean impact speed by test speed, km/h; avoided ones are 0."""
    found: dict[int, list[float]] = {}
    for row in rows:
        if row.impact_kmh is not None:
            found.setdefault(row.speed_kmh, []).append(row.impact_kmh)
    return {speed: sum(values) / len(values) for speed, values in sorted(found.items())}


def label_of(row: TrackRow) -> str:
    """The arm and who looks at it."""
    mark = ", privileged" if row.is_privileged and row.detector != "privileged" else ""
    return f"{row.arm} ({row.detector}{mark})"


def _cell(row: TrackRow | None) -> str:
    if row is None:
        return NOT_DRIVEN
    names = {"avoided": AVOIDED, "quiet": AVOIDED, "false_alarm": ALARM, "sim_error": BROKEN}
    return names.get(row.outcome) or f"{row.impact_kmh:.0f}"


def _avoided(rows: Sequence[TrackRow]) -> str:
    good = sum(row.outcome in ("avoided", "quiet") for row in rows)
    return f"{good}/{sum(row.is_driven for row in rows)}"


def _notes(rows: Sequence[TrackRow]) -> tuple[str, ...]:
    notes = [NOTE]
    if any(row.is_privileged for row in rows):
        notes.append(PRIVILEGED_NOTE)
    thermal = dict.fromkeys((row.thermal, row.thermal_look) for row in rows if row.thermal)
    if thermal:
        named = "; ".join(f"{text} (thermal look {look})" for text, look in thermal)
        notes.append(f"Thermal camera, computed from class ids and depth: {named}.")
    for what, counts in (
        ("package versions", Counter(row.package_version for row in rows)),
        ("commits of the source", Counter(row.commit for row in rows)),
    ):
        if len(counts) > 1:
            notes.append(f"Rows of several {what}: " + ", ".join(sorted(counts)) + ".")
    return tuple(notes)
