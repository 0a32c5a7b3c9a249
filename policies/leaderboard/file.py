"""The class in a Leaderboard agent's file."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fusiondrive.errors import ConfigError
from policies.faults import reason, variable_hint
from policies.leaderboard.base import provide

METHODS = ("setup", "sensors", "run_step", "destroy", "set_global_plan")


def agent_class(path: Path) -> Callable[..., Any]:
    """The class that the file's `get_entry_point()` names.

    Raises:
        ConfigError: the file cannot be imported, or it has no such class.
    """
    folder = str(path.parent.resolve())
    if folder not in sys.path:
        sys.path.append(folder)  # for its neighbours; last, so that they hide nothing
    provide()
    module = _module(path)
    entry = getattr(module, "get_entry_point", None)
    if not callable(entry):
        raise ConfigError(f"agent {path}: no get_entry_point() in it; not a Leaderboard agent")
    try:
        name = entry()
    except (Exception, SystemExit) as err:  # foreign code may fail in any way
        raise ConfigError(f"agent {path}: get_entry_point: {reason(err)}") from err
    kind = getattr(module, str(name), None)
    if not inspect.isclass(kind):
        raise ConfigError(f"agent {path}: get_entry_point() says '{name}', no such class in it")
    for method in METHODS:
        if not callable(getattr(kind, method, None)):
            raise ConfigError(f"agent {path}: {kind.__name__} has no {method}(); not an agent")
    return kind


def _module(path: Path) -> Any:
    name = path.stem
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) != str(path.resolve()):
        name = f"leaderboard_agent_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise ConfigError(f"agent {path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where pickle and dataclasses look for it
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as err:
        hint = ""
        if err.name in ("agents", "srunner"):
            hint = "; put CARLA's PythonAPI/carla or the scenario_runner on PYTHONPATH"
        raise ConfigError(f"agent {path}: needs '{err.name}', not installed{hint}") from err
    except (Exception, SystemExit) as err:  # foreign code may fail in any way
        hint = variable_hint(err)
        raise ConfigError(f"agent {path}: {reason(err)}{hint}") from err
    return module
