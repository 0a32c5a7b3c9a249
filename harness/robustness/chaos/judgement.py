"""Whether a run has survived: rows and journal in, the lines of the table out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from harness.robustness.chaos.campaign import HAND, LOST, ORPHAN, OWN_END
from harness.robustness.chaos.journal import Entry, of_kind
from harness.robustness.chaos.options import TRIES_AGAIN
from harness.robustness.chaos.plan import TIMEOUTS, Key, Kind
from harness.robustness.verdict import Check, at_most, equal
from results.cells import make_cells
from results.columns import metrics_of
from results.reading import unique
from results.row import EpisodeRow

FINISHED_SHARE = 0.995
LEAST_STEPS = 100
DEATH_S = 15.0
HANG_S = 2.0 * TIMEOUTS.first_tick_s  # a wait for an answer, and another one to clean up
ORPHAN_S = 60.0
DEATHS = (Kind.KILL_SERVER.value, Kind.KILL_WORKER.value)


@dataclass(frozen=True)
class Evidence:
    """What is left of a run that is over."""

    asked: frozenset[Key]
    harms: int  # that were asked for
    rows: Sequence[EpisodeRow]  # all whole lines of its file
    entries: Sequence[Entry]
    undisturbed: Sequence[EpisodeRow]  # of a run of some of its episodes without harm
    is_at_rest: bool  # whether the same command, given once more, changed no row


def judge(found: Evidence) -> list[Check]:
    """The table of bars and measurements."""
    return [*_of_episodes(found), *_of_harms(found), *_of_rows(found)]


def _of_episodes(found: Evidence) -> list[Check]:
    outcomes: dict[Key, bool] = {}
    for row in found.rows:
        key = Key(row.route_id, row.seed)
        outcomes[key] = outcomes.get(key, False) or row.is_driven
    finished = sum(outcomes.get(key, False) for key in found.asked)
    missing = sum(key not in outcomes for key in found.asked)
    gone = sum(entry.seconds or 0.0 for entry in of_kind(found.entries, LOST))
    driven = Counter(row.identity for row in found.rows if row.is_driven)
    count, least = len(found.asked), FINISHED_SHARE * len(found.asked)
    steps = [row.steps or 0 for row in found.rows if row.is_driven]
    shortest, many = min(steps, default=0), f"{finished} ({finished / max(count, 1):.2%})"
    return [
        Check("episodes asked", str(count), "", passed=True),
        Check("finished", many, f">= {FINISHED_SHARE:.1%}", finished >= least),
        Check("steps of the shortest", str(shortest), f">= {LEAST_STEPS}", shortest >= LEAST_STEPS),
        at_most("unresolved (sim_error)", count - finished - missing, count - least),
        equal("rows lost", missing + int(gone), 0),
        equal("rows doubled", sum(times - 1 for times in driven.values()), 0),
        equal("rows of other episodes", len(outcomes.keys() - found.asked), 0),
    ]


def _of_harms(found: Evidence) -> list[Check]:
    done = {kind: of_kind(found.entries, kind.value) for kind in Kind}
    total = sum(map(len, done.values()))
    checks = [Check("harms done", str(total), f">= {found.harms}", total >= found.harms)]
    for kind, entries in done.items():
        kept = sum(entry.as_promised for entry in entries)
        name = f"- {kind.value}"
        checks.append(Check(name, f"{kept} of {len(entries)} mended", "all", kept == len(entries)))
    deaths = [entry.seconds or 0.0 for entry in of_kind(found.entries, *DEATHS)]
    hangs = [entry.seconds or 0.0 for entry in done[Kind.HANG_SERVER]]
    orphans = [entry.seconds or 0.0 for entry in of_kind(found.entries, ORPHAN)]
    return [
        *checks,
        at_most("latest notice of a death", max(deaths, default=0.0), DEATH_S, " s"),
        at_most("latest notice of a hung server", max(hangs, default=0.0), HANG_S, " s"),
        at_most("longest life without its runner", max(orphans, default=0.0), ORPHAN_S, " s"),
        equal("ends of the run without harm to it", len(of_kind(found.entries, OWN_END)), 0),
        equal("times that a hand was needed", len(of_kind(found.entries, HAND)), 0),
    ]


def _of_rows(found: Evidence) -> list[Check]:
    attempts = max((row.wall_attempts for row in found.rows), default=0)
    alike, compared = unlike(found.rows, found.undisturbed)
    return [
        at_most("most attempts at an episode", attempts, TRIES_AGAIN + 1),
        equal("simulator errors scored as driving", scored_errors(found.rows), 0),
        Check("rows unlike those without harm", f"{alike} of {compared}", "0", alike == 0),
        equal("the same command once more changes no row", found.is_at_rest, True),
    ]


def scored_errors(rows: Sequence[EpisodeRow]) -> int:
    """Simulator errors that say something of driving, or count in a table's n."""
    names = [column.name for column in metrics_of(EpisodeRow)]
    errors = [row for row in rows if not row.is_driven]
    speaking = sum(any(getattr(row, name) is not None for name in names) for row in errors)
    counted = sum(cell.drives for cell in make_cells(unique(rows)))
    return speaking + abs(counted - len({row.identity for row in rows if row.is_driven}))


def unlike(rows: Sequence[EpisodeRow], others: Sequence[EpisodeRow]) -> tuple[int, int]:
    """How many of the others' rows are not there, or not the same; and how many there are."""
    known = {row.identity: _timeless(row) for row in rows if row.is_driven}
    wrong = sum(known.get(row.identity) != _timeless(row) for row in others)
    return wrong, len(others)


def _timeless(row: EpisodeRow) -> Mapping[str, object]:
    """A row without what differs between equal drives: wall clock and commit."""
    names = [item.name for item in fields(row)]
    return {n: getattr(row, n) for n in names if not n.startswith("wall_") and n != "commit"}
