"""Criteria of other packages: found by entry point or `pkg.module:Class`; they count, never judge.

What they report becomes columns of the rows and numbers per kilometre in the tables. Outcome,
score and end of a drive are those of the built-in criteria alone.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any

from fusiondrive.errors import ConfigError, unknown_name
from fusiondrive.plugins import (
    REFERENCE,
    announced,
    call,
    find_class,
    is_reference,
    takes_argument,
)
from fusiondrive.provenance import source_hash
from harness.criteria.base import Criterion, Event, Step

GROUP = "fusiondrive.criteria"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class OwnCriterion:
    """A criterion of somebody else, whose failures are named."""

    def __init__(self, criterion: Any, label: str) -> None:
        """Wrap a criterion.

        Args:
            criterion: has `update(step)`.
            label: how messages call it.

        Raises:
            ConfigError: it has no such `update`.
        """
        _check_update(criterion, label)
        self._criterion, self._label = criterion, label

    def update(self, step: Step) -> Sequence[Event]:
        """Ask the plug-in.

        Raises:
            ConfigError: it raises, or answers something else than events.
        """
        try:
            events = list(self._criterion.update(step))
        except Exception as err:  # foreign code may fail in any way
            raise ConfigError(f"{self._label}: update failed: {type(err).__name__}: {err}") from err
        for event in events:
            if not isinstance(event, Event):
                raise ConfigError(
                    f"{self._label}: update: expected events of harness.criteria, such as "
                    f"step.event(EventKind.OWN), found {event!r:.60}"
                )
        return events


def check_criteria(names: Iterable[str]) -> None:
    """Refuse a name that can stand for no criterion, and names given twice; nothing is imported.

    Raises:
        ConfigError: says which.
    """
    names, known = list(names), announced(GROUP)
    for name in names:
        if name not in known and not is_reference(name):
            raise unknown_name("criterion", name, (*known, REFERENCE))
        if names.count(name) > 1:
            raise ConfigError(f"criterion given twice: {name}")


def criteria_text(names: Iterable[str]) -> str:
    """What rows say of own criteria: the name of each and the hash of its file, with commas.

    Raises:
        ConfigError: a class cannot be imported or is no criterion, or two have one name.
    """
    found: dict[str, str] = {}
    for reference in names:
        kind, label = _kind_of(reference), f"criterion '{reference}'"
        _check_update(kind, label)
        name = _column_of(kind, label)
        if name in found:
            raise ConfigError(f"{label}: another criterion is called '{name}' as well; rename one")
        found[name] = source_hash(kind)
    return ",".join(f"{name} {digest}" for name, digest in found.items())


def make_own(names: Iterable[str], setup: object) -> dict[str, Criterion]:
    """Fresh criteria for one episode, by the names of their columns.

    Args:
        names: entry points of the group `fusiondrive.criteria`, or `pkg.module:Class`.
        setup: handed to those whose constructor takes an argument.

    Raises:
        ConfigError: one cannot be built.
    """
    made: dict[str, Criterion] = {}
    for reference in names:
        kind, label = _kind_of(reference), f"criterion '{reference}'"
        built = call(kind, [setup] if takes_argument(kind) else [], label)
        made[_column_of(kind, label)] = OwnCriterion(built, label)
    return made


def _kind_of(reference: str) -> Any:
    return find_class(announced(GROUP).get(reference, reference), f"criterion '{reference}'")


def _column_of(kind: Any, label: str) -> str:
    """The class's `name`, or its own name as in `harsh_braking` of `HarshBraking`."""
    spelt = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", getattr(kind, "__name__", "")).lower()
    name = getattr(kind, "name", spelt)
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise ConfigError(
            f"{label}: name: expected small letters, digits and _, as in harsh_braking, found "
            f"{name!r:.60}"
        )
    return name


def _check_update(criterion: Any, label: str) -> None:
    update = getattr(criterion, "update", None)
    if not callable(update):
        name = getattr(criterion, "__name__", type(criterion).__name__)
        raise ConfigError(
            f"{label}: {name} is no criterion, for it has no update(step); see "
            "harness.criteria.Criterion"
        )
    arguments = (None, None) if inspect.isclass(criterion) else (None,)
    try:
        inspect.signature(update).bind(*arguments)
    except TypeError as err:
        raise ConfigError(f"{label}: update must take (step): {err}") from err
