"""Our packages and no others of their names, in this process and in those that it starts.

`python -m simulator` looks into the working directory first, so that a user's `simulator.py` there
would run in place of the server. `python .../harness/launch.py MODULE ...` never looks there.
"""

from __future__ import annotations

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
if __name__ == "__main__" and sys.path and os.path.abspath(sys.path[0]) == HERE:
    del sys.path[0]  # modules of this folder are named like some of the standard library

import runpy  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from importlib.abc import MetaPathFinder  # noqa: E402
from importlib.machinery import ModuleSpec, PathFinder  # noqa: E402
from types import ModuleType  # noqa: E402

ROOT = os.path.dirname(HERE)
PACKAGES = (
    *("fusiondrive", "fusionproxy", "harness", "perceivers", "policies", "results", "scenarios"),
    "sensors",
)


def command(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module of this installation."""
    return [sys.executable, os.path.join(HERE, "launch.py"), module, *arguments]


def find_siblings() -> None:
    """Let imports of our packages find those beside this one; does nothing the second time."""
    if not any(isinstance(finder, _Siblings) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Siblings())


class _Siblings(MetaPathFinder):
    """Finds our packages in `ROOT`; the simulator only for a process that runs it."""

    def __init__(self, *more: str) -> None:
        self._names = {*PACKAGES, *more}

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [ROOT]) if name in self._names else None


def main() -> None:
    """Run the module that the command line names, with what follows as its arguments."""
    del sys.argv[0]
    module = sys.argv[0]
    if ROOT not in sys.path:
        sys.path.insert(0, ROOT)  # a checkout: what this process spawns gets the path, too
    sys.meta_path.insert(0, _Siblings(module.split(".")[0]))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
