"""Policies of other packages: by entry point, or by `pkg.module:Class`."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from fusiondrive.errors import ConfigError
from fusiondrive.plugins import announced, build, files_of, find_class
from fusiondrive.provenance import bytes_hash, file_blocks, source_hash
from fusiondrive.types import (
    CameraSpec,
    Control,
    EpisodeContext,
    Observation,
    SensorSpec,
    WorldState,
)
from policies.base import Policy
from policies.faults import checked, checked_speed

T = TypeVar("T")

GROUP = "fusiondrive.policies"


class PluginPolicy(Policy):
    """A policy of somebody else, whose class need not derive from `Policy`: `act` is enough.

    This is the one place that looks what a foreign object has; what it lacks is as in `Policy`.
    """

    def __init__(self, policy: Any, weights: Path | None = None, label: str = "policy") -> None:
        """Wrap a policy.

        Args:
            policy: has `act(observation, state)`, and what else of `Policy` it wants.
            weights: its file or folder; part of the hash.
            label: how messages call it.

        Raises:
            ConfigError: it has no such `act`, or an attribute is of another type.
        """
        _check_interface(policy, label)
        self._policy, self._weights = policy, weights
        self.is_privileged = bool(_given(policy, "is_privileged"))
        self.uses_image = bool(_given(policy, "uses_image"))
        self.uses_traffic_manager = bool(_given(policy, "uses_traffic_manager"))
        self.camera = _typed(_given(policy, "camera"), CameraSpec, f"{label}: camera")
        sensors = _sequence(_given(policy, "sensors"), f"{label}: sensors")
        self.sensors = tuple(_typed(item, SensorSpec, f"{label}: sensors") for item in sensors)
        looks = _sequence(_given(policy, "looks"), f"{label}: looks")
        self.looks = tuple(_typed(item, int, f"{label}: looks") for item in looks)

    def reset(self, context: EpisodeContext) -> None:
        """Hand on, where the plug-in wants to know."""
        self._tell("reset", context)

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """Ask the plug-in.

        Raises:
            AgentError: it answers no `Control` with finite values.
        """
        return checked(self._policy.act(observation, state), self._policy.act)

    def perceived_mps(self) -> float | None:
        """Ask the plug-in, where it says so.

        Raises:
            AgentError: it is no finite number.
        """
        return checked_speed(self._tell("perceived_mps"), self._policy.act)

    def finish(self) -> None:
        """Hand on, where the plug-in wants to know."""
        self._tell("finish")

    def close(self) -> None:
        """Hand on, where the plug-in wants to know."""
        self._tell("close")

    def weights_hash(self) -> str:
        """Over what the plug-in says itself, its source file, and its weights file."""
        parts = [source_hash(type(self._policy)).encode()]
        own = self._tell("weights_hash")
        if own is not None:
            parts.append(str(own).encode())
        files = [] if self._weights is None else files_of(self._weights)
        return bytes_hash(chain(parts, *map(file_blocks, files)))

    def _tell(self, method: str, *arguments: object) -> object:
        """Call a method of the plug-in, where it has it."""
        found = getattr(self._policy, method, None)
        return found(*arguments) if callable(found) else None


def as_policy(found: object) -> Policy:
    """What drives, with all that `Policy` promises.

    Raises:
        ConfigError: it has no `act(observation, state)`, or an attribute is of another type.
    """
    return found if isinstance(found, Policy) else PluginPolicy(found)


def _given(policy: object, name: str) -> Any:
    """An attribute of a foreign policy, or the default where it has none."""
    return getattr(policy, name, getattr(Policy, name))


def _typed(value: Any, kind: type[T], label: str) -> T:
    if not isinstance(value, kind):
        raise ConfigError(
            f"{label}: expected {kind.__module__}.{kind.__name__}, found {value!r:.60}"
        )
    return value


def _sequence(value: Any, label: str) -> Iterable[Any]:
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise ConfigError(f"{label}: expected a tuple, found {value!r:.60}")
    return value


def load_plugin(name: str, weights: Path | None = None) -> PluginPolicy:
    """Build the policy that an entry point or `pkg.module:Class` names.

    Args:
        name: as above.
        weights: handed to the class as its only argument; without it the class is called empty,
            or with None where it has a required argument.

    Raises:
        ConfigError: module, class or interface is not what it should be; says which.
    """
    kind = find_class(announced(GROUP).get(name, name), f"policy '{name}'")
    policy = build(kind, weights, f"policy '{name}'")
    return PluginPolicy(policy, weights, f"policy '{name}'")


def _check_interface(policy: Any, label: str) -> None:
    act = getattr(policy, "act", None)
    if not callable(act):
        kind = type(policy).__name__
        raise ConfigError(
            f"{label}: {kind} is not a Policy, for it has no act(observation, state); "
            "see policies.base.Policy"
        )
    try:
        inspect.signature(act).bind(None, None)
    except TypeError as err:
        raise ConfigError(f"{label}: act must take (observation, state): {err}") from err
    except ValueError:
        return  # a builtin without a signature
