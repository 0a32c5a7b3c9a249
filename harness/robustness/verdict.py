"""The table at the end of a run: what was measured, what was allowed, and whether it passed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tabulate import tabulate


class Check(NamedTuple):
    """One line of the table."""

    name: str
    found: str
    allowed: str
    passed: bool


def at_most(name: str, found: float, limit: float, unit: str = "") -> Check:
    """A number with an upper limit."""
    return Check(name, f"{found:.4g}{unit}", f"<= {limit:.4g}{unit}", found <= limit)


def equal(name: str, found: object, wanted: object) -> Check:
    """A value that has to be exactly so."""
    return Check(name, str(found), str(wanted), found == wanted)


def grows_at_most(name: str, before_mb: float, after_mb: float, share: float = 0.05) -> Check:
    """Memory that has to stay flat."""
    found = f"{before_mb:.0f} -> {after_mb:.0f} MB ({after_mb / before_mb - 1.0:+.1%})"
    return Check(name, found, f"{share:+.0%}", after_mb <= before_mb * (1.0 + share))


def conclude(title: str, checks: Sequence[Check]) -> int:
    """Print the table; returns the exit code: 1 if anything failed."""
    rows = [(c.name, c.found, c.allowed, "ok" if c.passed else "FAILED") for c in checks]
    print(f"{title}\n{tabulate(rows, ('check', 'found', 'allowed', ''))}", flush=True)
    return 0 if all(check.passed for check in checks) else 1
