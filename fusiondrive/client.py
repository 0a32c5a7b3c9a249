"""CARLA's client library: the home that it needs, and one clear error where it is not installed.

It has wheels for Linux on x86-64 and for Windows alone. Elsewhere the project installs without it:
fusion and the reading of rows work, and whatever drives ends with `ClientMissing`. The twin of this
module is `simulator.system.client`.
"""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType, TracebackType

from fusiondrive.errors import FusionDriveError
from fusiondrive.home import ensure_home

MODULE = "carla"


class ClientMissing(FusionDriveError, ModuleNotFoundError):
    """CARLA's client library is not installed; `import carla` raises it."""


def prepare_client() -> None:
    """Make `import carla` safe and its absence clear; packages that use it call this first."""
    ensure_home()
    if not _is_installed() and not any(isinstance(item, _Absent) for item in sys.meta_path):
        sys.modules.pop(MODULE, None)  # None there forbids the import before any finder is asked
        sys.meta_path.insert(0, _Absent())


def _is_installed() -> bool:
    try:
        return sys.modules.get(MODULE) is not None or importlib.util.find_spec(MODULE) is not None
    except ImportError:
        return False


class _Absent(MetaPathFinder):
    """Answers `import carla` with what to do."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != MODULE:
            return None
        sys.excepthook = _one_line  # commands import the client before their `main` can catch it
        raise ClientMissing(_message(), name=MODULE)


def _message() -> str:
    return (
        "CARLA's client is not installed; expected: pip install carla==0.9.16. It has wheels for "
        "Linux on x86_64 and Windows on AMD64, this is "
        f"{platform.system()} on {platform.machine()}. FusionProxy and the analysis of rows "
        "(`results`) work without it"
    )


def _one_line(kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> None:
    """What is shown of an error that nobody caught: for a missing client its text, no traceback."""
    if isinstance(value, ClientMissing):
        print(f"error: {value}", file=sys.stderr)
        raise SystemExit(2)
    sys.__excepthook__(kind, value, trace)
