"""Checks of client calls as parameters whose ids name the calls, so that a failure does as well."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from _pytest.mark import ParameterSet

Check = Callable[..., None]


def by_check(cases: Mapping[str, Check], *more: Check) -> list[ParameterSet]:
    """A parameter for each check, with all calls that it stands for; `more` stand for none."""
    calls: dict[Check, list[str]] = {}
    for call, check in cases.items():
        calls.setdefault(check, []).append(call)
    named = [
        pytest.param(check, id=f"{check.__name__}:{','.join(calls[check])}") for check in calls
    ]
    return [*named, *(pytest.param(check, id=check.__name__) for check in more)]
