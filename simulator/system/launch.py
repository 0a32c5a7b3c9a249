"""Runs a module of this package in a process of its own: `python .../launch.py MODULE ...`.

`python -m` looks into the working directory first, so that a user's `simulator.py` there would run
in place of the package. `harness.launch` is the same for the other packages.
"""

from __future__ import annotations

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.dirname(HERE)
if __name__ == "__main__" and sys.path and os.path.abspath(sys.path[0]) == HERE:
    del sys.path[0]  # modules of this folder may be named like those of others

import runpy  # noqa: E402
from importlib.machinery import PathFinder  # noqa: E402
from importlib.util import module_from_spec  # noqa: E402


def command(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module of this installation."""
    return [sys.executable, os.path.join(HERE, "launch.py"), module, *arguments]


def main() -> None:
    """Run the module that the command line names, with what follows as its arguments."""
    del sys.argv[0]
    spec = PathFinder.find_spec("simulator", [os.path.dirname(PACKAGE)])
    assert spec is not None  # this file lies in it
    assert spec.loader is not None  # likewise
    package = sys.modules["simulator"] = module_from_spec(spec)
    spec.loader.exec_module(package)
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
