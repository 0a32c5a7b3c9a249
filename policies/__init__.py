"""Policies: what drives. `make_policy` builds one by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.errors import unknown_name
from policies.base import Policy

__all__ = ["POLICIES", "Policy", "make_policy"]


def _expert(weights: Path | None) -> Policy:
    from policies.expert import ExpertPolicy

    return ExpertPolicy()


def _cilrs(weights: Path | None) -> Policy:
    from policies.cilrs import load_cilrs

    return load_cilrs(weights)


def _constant(weights: Path | None) -> Policy:
    from policies.constant import ConstantPolicy

    return ConstantPolicy()


def _autopilot(weights: Path | None) -> Policy:
    from policies.constant import AutopilotPolicy

    return AutopilotPolicy()


POLICIES: dict[str, Callable[[Path | None], Policy]] = {
    "expert": _expert,
    "cilrs": _cilrs,
    "constant": _constant,
    "autopilot": _autopilot,
}


def make_policy(name: str, weights: Path | None = None) -> Policy:
    """Build a policy.

    Args:
        name: one of `POLICIES`.
        weights: a file for policies that learn; None takes the shipped one.

    Raises:
        ConfigError: the name is unknown.
        WeightsError: the weights are missing, foreign, or need an extra that is not installed.
    """
    if name not in POLICIES:
        raise unknown_name("policy", name, POLICIES)
    return POLICIES[name](weights)
