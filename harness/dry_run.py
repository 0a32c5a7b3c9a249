"""What a run would drive, printed before anything is started."""

from __future__ import annotations

from collections.abc import Sequence

from harness.config import RunConfig
from harness.estimate import Estimate, estimate, past_times, rows_of_run
from harness.outline import Drive, Line, outline
from results.cells import scene_text
from results.grid import Table
from results.row import EpisodeRow
from scenarios.suite import suite
from scenarios.weather import weather_name

HEADER = (
    *("town", "weather", "traffic", "policy", "thermal", "arms", "routes", "seeds"),
    *("drives", "left", "minutes"),
)
RANGE_NOTE = (
    "Minutes: by the mean wall-clock time of drives that are alike in arm, policy, town, traffic "
    "and hazards, as far as there are any; in brackets if every drive took the lower or the upper "
    "quartile. Starting servers is not counted, half a minute for each."
)


def plan_table(configs: Sequence[RunConfig]) -> Table:
    """The plan of a run, a line for each part and town, with an estimate of the time it takes."""
    first = configs[0]
    rows = rows_of_run(first.directory)
    done = {_done_key(row) for row in rows if row.is_driven}
    times = past_times(first.directory)
    lines, body, left = outline(configs), list[tuple[str, ...]](), list[Drive]()
    for line in lines:
        todo = [drive for drive in line.drives if _drive_key(drive) not in done]
        left += todo
        if line.drives:
            body.append(_row(line, todo, estimate(todo, times, first.width)))
    total = estimate(left, times, first.width)
    count = sum(len(line.drives) for line in lines)
    notes = (
        *([] if first.suite is None else [suite(first.suite).about]),
        f"{count} drives, {count - len(left)} of them in {first.directory} already; "
        f"{len(left)} left: {_minutes(total)} minutes with {first.width} "
        f"{'worker' if first.width == 1 else 'workers'}.",
        RANGE_NOTE,
        _sources(total),
    )
    return Table(f"Plan of {first.directory}", HEADER, tuple(body), tuple(filter(None, notes)))


def _row(line: Line, left: Sequence[Drive], time: Estimate) -> tuple[str, ...]:
    config, specs = line.config, [drive.spec for drive in line.drives]
    thermal = {drive.thermal for drive in line.drives if drive.thermal}
    return (
        line.town,
        " ".join(dict.fromkeys(weather_name(spec.weather) for spec in specs)),
        scene_text(specs[0].traffic, specs[0].hazards, config.speed_kmh, config.latency),
        config.policy,
        "; ".join(sorted(thermal)),
        " ".join(dict.fromkeys(spec.arm for spec in specs)),
        str(len({spec.route_id for spec in specs})),
        str(len({spec.seed for spec in specs})),
        str(len(specs)),
        str(len(left)),
        _minutes(time),
    )


def _sources(time: Estimate) -> str:
    """Which rows the minutes are from, and for how many drives they are a poor guide."""
    named = [f"{count} drives by {name}" for name, count in time.sources.items()]
    rough = f", {time.unlike} of them by rows that are not alike in all of this" * (time.unlike > 0)
    return f"Times: {'; '.join(named)}{rough}." if named else ""


def _minutes(time: Estimate) -> str:
    return f"{time.mean:.0f} [{time.low:.0f}, {time.high:.0f}]"


def _drive_key(drive: Drive) -> tuple[object, ...]:
    spec = drive.spec
    return (
        spec.town, spec.route_id, weather_name(spec.weather), spec.input, spec.fuser, spec.policy,
        spec.seed, spec.traffic, spec.collision_mode, spec.hazards, spec.speed_kmh, drive.thermal,
        spec.latency, drive.criteria,
    )  # fmt: skip


def _done_key(row: EpisodeRow) -> tuple[object, ...]:
    """As far as can be known without asking a server; the run itself goes by identities."""
    return (
        row.town, row.route_id, row.weather, row.input, row.fuser, row.policy,
        row.seed, row.traffic, row.collision_mode, row.hazards, row.speed_kmh, row.thermal,
        row.latency, row.criteria,
    )  # fmt: skip
