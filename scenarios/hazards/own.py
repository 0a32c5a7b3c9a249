"""Hazards of other packages: classes found by entry point or `pkg.module:Class`.

Such a class is a `scenarios.hazards.script.Script`. Beside what it plays it may say where it has
room: `run` (metres of straight road, see `Run`) and `is_on_foot` (whether it needs a pavement).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from fusiondrive.plugins import announced, find_class, is_reference
from fusiondrive.provenance import source_hash, text_hash

GROUP = "fusiondrive.hazards"


class Run(NamedTuple):
    """Metres of straight road that a kind needs before and after its place, and from the start."""

    before_m: float = 0.0
    after_m: float = 12.0
    start_m: float = 0.0


def is_own(name: str) -> bool:
    """Whether a name can stand for a hazard of another package; nothing is imported."""
    return is_reference(name) or name in announced(GROUP)


def class_of(name: str) -> Any:
    """Import the class behind a name; `course.check_own` says whether it is a script.

    Raises:
        ConfigError: there is none.
    """
    return find_class(announced(GROUP).get(name, name), f"hazard '{name}'")


def run_of(name: str) -> Run:
    """The straight road that a hazard of another package needs."""
    return Run(*getattr(class_of(name), "run", Run()))


def needs_pavement(name: str) -> bool:
    """Whether somebody waits on the pavement."""
    return bool(getattr(class_of(name), "is_on_foot", False))


def own_digest(names: Iterable[str]) -> str:
    """Hash over the files of the classes among these names; empty where none is another's."""
    sources = [source_hash(class_of(name)) for name in names if is_own(name)]
    return text_hash("\n".join(sources)) if sources else ""
