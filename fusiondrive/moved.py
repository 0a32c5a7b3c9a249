"""Commands whose module has moved: the old name says the new one, then runs it."""

from __future__ import annotations

import runpy
import sys


def run_moved(module: str) -> None:
    """Run a command under its new name with the same arguments.

    Args:
        module: where the command lives now, such as `policies.training.train`.
    """
    print(f"note: this command is now `python -m {module}`", file=sys.stderr)
    runpy.run_module(module, run_name="__main__", alter_sys=True)
