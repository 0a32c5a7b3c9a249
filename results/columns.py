"""What is measured of an episode: declared once beside its column, and read from there everywhere.

A column of `results.row.EpisodeRow` that is declared with `metric` is taken from the episode's
score into the row, from the row into `rows.parquet`, and by its aggregates into the cells of
`table.csv` and, where they have a header, of the printed table.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from enum import Enum
from typing import Any

ROW_DIGITS = 6  # of metres, seconds and shares; the simulation repeats far beyond them
_KEY = "metric"
_DOC = "doc"


class Over(Enum):
    """What a number of a cell is taken over."""

    ROUTES = "mean over the driven routes that have it"
    KM = "sum over the driven routes by their kilometres"


@dataclass(frozen=True)
class Aggregate:
    """A number of a cell that is made of one column of its driven rows."""

    name: str  # of the column in `table.csv`
    over: Over
    header: str = ""  # of the printed table; empty: it is not printed
    digits: int = 2  # that are printed
    scale: float = 1.0  # 100 for percent
    rank: int = 0  # cells show lower ranks first, and equal ones in the order of the row's columns

    def of(self, values: Sequence[float | None], km: float) -> float | None:
        """The number of a cell; None where nothing that it could be made of was driven."""
        known = [value for value in values if value is not None]
        if self.over is Over.KM:
            return self.scale * float(sum(known)) / km if km > 0.0 else None
        return self.scale * (sum(known) / len(known)) if known else None


@dataclass(frozen=True)
class Metric:
    """A declared column: what it means, where it comes from, what cells make of it."""

    doc: str
    get: Callable[[Any], Any] | None = None  # from a `harness.scoring.Score`
    aggregates: tuple[Aggregate, ...] = ()
    name: str = ""  # of the column

    def value(self, score: object) -> Any:
        """What the row says; floats are rounded."""
        get = self.get or operator.attrgetter(self.name)
        found = get(score)
        return round(found, ROW_DIGITS) if isinstance(found, float) else found


def metric(
    doc: str, get: Callable[[Any], Any] | None = None, *aggregates: Aggregate
) -> Any:  # as `dataclasses.field`, so that the annotation beside it holds
    """Declare a column of a row; None stands where a failed simulator gave no number.

    Args:
        doc: what it says, with its unit.
        get: takes it from a `Score`; None takes the score's attribute of the same name.
        aggregates: what cells say of it.
    """
    return field(default=None, metadata={_KEY: Metric(doc, get, aggregates)})


def column(doc: str, default: Any = MISSING) -> Any:  # as `dataclasses.field`, like `metric`
    """Declare a column that no score gives.

    Args:
        doc: what it says, with its unit.
        default: the value in rows of old, which lack it; without one it has to be given.
    """
    return field(default=default, metadata={_DOC: doc})


def documented(row: type) -> dict[str, str]:
    """The meaning of each column by its name, in order.

    Args:
        row: a dataclass whose fields are all declared with `column` or `metric`.
    """
    return {
        item.name: item.metadata[_KEY].doc if _KEY in item.metadata else item.metadata[_DOC]
        for item in fields(row)
    }


def counted(kind: str) -> Callable[[Any], int]:
    """Takes the number of events of a kind from a score; see `harness.criteria.EventKind`."""
    return lambda score: int(score.counts[kind])


def counted_hazards(claim: str) -> Callable[[Any], int | None]:
    """Takes the number of hazards of which a claim holds from a score; None where none were."""
    return lambda score: (
        None if score.hazards is None else sum(getattr(item, claim) for item in score.hazards)
    )


def metrics_of(row: type) -> tuple[Metric, ...]:
    """The declared columns of a row, in order."""
    declared = [item for item in fields(row) if _KEY in item.metadata]
    return tuple(replace(item.metadata[_KEY], name=item.name) for item in declared)


def measured(row: type, score: object) -> dict[str, Any]:
    """The declared columns of a row, taken from a score."""
    return {item.name: item.value(score) for item in metrics_of(row)}


def aggregates_of(row: type) -> tuple[Aggregate, ...]:
    """What cells say of a row's columns, in the order of tables."""
    found = [item for column in metrics_of(row) for item in column.aggregates]
    return tuple(sorted(found, key=lambda item: item.rank))


def aggregated(row: type, rows: Sequence[object], km: float) -> Mapping[str, float | None]:
    """The numbers of a cell by their names.

    Args:
        row: the class of the rows.
        rows: the driven ones.
        km: that were driven in them.
    """
    numbers = {
        item.name: item.of([getattr(line, column.name) for line in rows], km)
        for column in metrics_of(row)
        for item in column.aggregates
    }
    return {item.name: numbers[item.name] for item in aggregates_of(row)}
