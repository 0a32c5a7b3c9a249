"""Policies: what drives. `make_policy` builds one by its name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from fusiondrive.errors import ConfigError, unknown_name
from fusiondrive.plugins import REFERENCE, announced, is_reference
from policies.base import Policy
from policies.plugins import GROUP, load_plugin

__all__ = ["POLICIES", "Policy", "check_policy", "make_policy"]


def _expert(weights: Path | None) -> Policy:
    from policies.expert import ExpertPolicy

    return ExpertPolicy()


def _cilrs(weights: Path | None) -> Policy:
    from policies.loading import load_cilrs

    return load_cilrs(weights)


def _cilrs_bgr(weights: Path | None) -> Policy:
    from policies.loading import load_cilrs

    if weights is None:
        raise ConfigError("policy 'cilrs-bgr' is for published checkpoints: give --weights FILE")
    return load_cilrs(weights, bgr=True)


def _constant(weights: Path | None) -> Policy:
    from policies.constant import ConstantPolicy

    return ConstantPolicy()


def _autopilot(weights: Path | None) -> Policy:
    from policies.constant import AutopilotPolicy

    return AutopilotPolicy()


AEB = "aeb:"
LEADERBOARD = "leaderboard:"
POLICIES: dict[str, Callable[[Path | None], Policy]] = {
    "expert": _expert,
    "cilrs": _cilrs,
    "cilrs-bgr": _cilrs_bgr,  # a published checkpoint, fed blue first
    "constant": _constant,
    "autopilot": _autopilot,
}


def check_policy(name: str) -> None:
    """Refuse a name that can stand for no policy; nothing is imported or loaded.

    Raises:
        ConfigError: it is neither registered, nor announced by a package, nor `pkg.module:Class`.
    """
    others = announced(GROUP)
    if name.startswith(AEB):
        _check_inner(name)
        return
    if name.startswith(LEADERBOARD):
        return
    if name not in POLICIES and name not in others and not is_reference(name):
        known = [*POLICIES, *others, REFERENCE, "leaderboard:AGENT.py", "aeb:POLICY"]
        raise unknown_name("policy", name, known)


def _check_inner(name: str) -> None:
    inner = name.removeprefix(AEB)
    if inner.startswith((AEB, LEADERBOARD)):
        raise ConfigError(
            f"policy '{name}': {AEB} stands before a policy such as cilrs or pkg.module:Class, not "
            f"before '{inner}'"
        )
    check_policy(inner)


def make_policy(
    name: str,
    weights: Path | str | None = None,
    *,
    agent_config: str | os.PathLike[str] | None = None,
    fused_camera: str | None = None,
    routes: Path | None = None,
    detector_weights: Path | None = None,
) -> Policy:
    """Build a policy.

    Args:
        name: one of `POLICIES`, an entry point of `fusiondrive.policies`, `pkg.module:Class`,
            `leaderboard:path/to/agent.py`, or `aeb:` before any but the latter.
        weights: a file for policies that learn; None takes the shipped one.
        agent_config: the text for a Leaderboard agent's `setup`: a file, a folder, or such as
            `config.py+net.pth+name`.
        fused_camera: id of the Leaderboard agent's RGB camera whose image is replaced by the
            harness's; None is the first.
        routes: the file with the routes, for agents that ask for it.
        detector_weights: of the detector behind `aeb:POLICY`; None takes the shipped ones.

    Raises:
        ConfigError: the name is unknown, or a plug-in is not a policy.
        WeightsError: the weights are missing, foreign, or need an extra that is not installed.
    """
    check_policy(name)
    weights = None if weights is None else Path(weights)
    if name.startswith(AEB):
        from policies.aeb import make_aeb

        inner = name.removeprefix(AEB)
        return make_aeb(inner, detector_weights, lambda: make_policy(inner, weights))
    if detector_weights is not None:
        raise ConfigError(f"detector-weights are for {AEB}POLICY, not for '{name}'")
    if name.startswith(LEADERBOARD):
        from policies.leaderboard.policy import AgentOptions, make_leaderboard

        if weights is not None:
            raise ConfigError("a Leaderboard agent takes --agent-config, not weights")
        options = AgentOptions(agent_config, fused_camera)
        return make_leaderboard(name, options, routes=routes)
    if agent_config is not None or fused_camera is not None:
        raise ConfigError(
            f"agent-config and fused-camera are for {LEADERBOARD}AGENT.py, not for '{name}'"
        )
    if name in POLICIES:
        return POLICIES[name](weights)
    return load_plugin(name, weights)
