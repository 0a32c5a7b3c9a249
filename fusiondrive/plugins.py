"""Classes of other people: found by `pkg.module:Class`, built with an argument or without."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fusiondrive.errors import ConfigError, FusionDriveError

REFERENCE = "pkg.module:Class"  # how messages show the form


def is_reference(name: str) -> bool:
    """Whether a name is of the form `pkg.module:Class`."""
    module, _, attribute = name.partition(":")
    parts = [*module.split("."), *attribute.split(".")]
    return ":" in name and all(part.isidentifier() for part in parts)


def announced(group: str) -> dict[str, str]:
    """What installed packages announce in a group of entry points: names, and what they stand for.

    Args:
        group: such as `fusiondrive.policies`.
    """
    return {point.name: point.value for point in importlib.metadata.entry_points(group=group)}


def find_class(target: str, label: str) -> Any:
    """Import what `pkg.module:Class` names.

    Args:
        target: the name.
        label: how messages call it, such as `policy 'mine:Gentle'`.

    Raises:
        ConfigError: the module cannot be imported, or has no such class; says which it has.
    """
    module_name, _, attribute = target.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as err:
        if err.name is not None and (module_name + ".").startswith(err.name + "."):
            raise ConfigError(
                f"{label}: no module '{err.name}'; it must be installed, or lie below the "
                "directory in which the command is run"
            ) from err
        raise ConfigError(f"{label}: {module_name} needs '{err.name}', not installed") from err
    except Exception as err:  # foreign code may fail in any way
        raise ConfigError(
            f"{label}: importing {module_name} failed: {type(err).__name__}: {err}"
        ) from err
    for part in attribute.split("."):
        if not hasattr(found, part):
            known = ", ".join(_classes_of(found)) or "none"
            raise ConfigError(f"{label}: no '{part}' in {module_name}; classes there: {known}")
        found = getattr(found, part)
    if not callable(found):
        raise ConfigError(f"{label}: {attribute} is a {type(found).__name__}, not a class")
    return found


def build(kind: Any, weights: Path | None, label: str) -> Any:
    """Make an object of a foreign class.

    Args:
        kind: the class.
        weights: its only argument; without it the class is called empty, or with None where it
            has a required argument.
        label: how messages call it.

    Raises:
        ConfigError: it takes no weights, or its constructor fails.
    """
    parameters = _positional(kind)
    if weights is not None and not parameters:
        raise ConfigError(f"{label}: takes no weights, but {weights} was given")
    needs_one = bool(parameters) and parameters[0].default is inspect.Parameter.empty
    return call(kind, [weights] if weights is not None or needs_one else [], label)


def takes_argument(kind: Any) -> bool:
    """Whether a class can be called with one positional argument."""
    return bool(_positional(kind))


def call(kind: Any, arguments: Sequence[object], label: str) -> Any:
    """Call a foreign class.

    Raises:
        ConfigError: its constructor fails.
    """
    try:
        return kind(*arguments)
    except FusionDriveError:
        raise
    except Exception as err:  # foreign code may fail in any way
        raise ConfigError(f"{label}: could not be built: {type(err).__name__}: {err}") from err


def files_of(weights: Path) -> list[Path]:
    """The file, or all files of a folder in order."""
    if weights.is_dir():
        return sorted(path for path in weights.rglob("*") if path.is_file())
    return [weights]


def _classes_of(module: Any) -> Iterable[str]:
    name = getattr(module, "__name__", None)
    return sorted(
        key
        for key, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == name
    )


def _positional(kind: Any) -> list[inspect.Parameter]:
    try:
        parameters = inspect.signature(kind).parameters.values()
    except (TypeError, ValueError):
        return []
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [parameter for parameter in parameters if parameter.kind in positional]
