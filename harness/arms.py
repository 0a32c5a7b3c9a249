"""The arms that a run's configuration asks for."""

from __future__ import annotations

from fusiondrive.arms import Arm, split_modifier
from fusiondrive.errors import ConfigError, unknown_name
from fusiondrive.plugins import REFERENCE
from harness.config import RunConfig
from sensors.arms import arm_named, arm_of, takes_weights
from sensors.enhance.registry import ENHANCERS
from sensors.fusion import fuser_names, is_fuser


def check_fuser(name: str) -> None:
    """Refuse what is neither a fuser, with a modifier or without one, nor an enhancer.

    Raises:
        ConfigError: the name is unknown.
    """
    base = split_modifier(name)[0]
    if base not in ENHANCERS and not is_fuser(base):
        raise unknown_name("fuser", name, (*fuser_names(), *ENHANCERS, REFERENCE))


def arms_of(config: RunConfig) -> tuple[Arm, ...]:
    """Arms by name, or those of the inputs and the one fuser.

    Raises:
        ConfigError: one is unknown or given twice, both ways to name them are used, or weights
            are given that none of them takes.
    """
    both = [key for key in ("input", "fuser") if key in config.model_fields_set]
    if config.arms is not None and both:
        raise ConfigError(
            f"arms name inputs and fusers themselves ({' '.join(config.arms)}); leave "
            f"{'/'.join(both)} out"
        )
    if config.arms is None:
        check_fuser(config.fuser)
        arms = tuple(arm_of(name, config.fuser) for name in config.input)
    else:
        arms = tuple(arm_named(name) for name in config.arms)
    names = config.arms or config.input
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        kind = "input" if config.arms is None else "arm"
        raise ConfigError(f"{kind} given twice: {twice}")
    if config.fuser_weights is not None and not any(map(takes_weights, arms)):
        given = ", ".join(arm.name for arm in arms)
        raise ConfigError(
            f"fuser_weights were given, but no arm takes them ({given}); the arm 'student' and "
            "plug-in fusers do"
        )
    return arms
