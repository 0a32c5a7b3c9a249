"""Errors of this package that a user sees as one clear message."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from fusiondrive.errors import FusionDriveError


class FusionError(FusionDriveError, ValueError):
    """An input, file or setting that cannot be used; the text says what was expected."""


def first_line(err: Exception) -> str:
    """An error of another package as one line of bearable length."""
    return " ".join(str(err).split())[:200]


def missing_extra(err: ModuleNotFoundError) -> FusionError:
    """Say which extra brings the module that is missing."""
    return FusionError(
        f"the module '{err.name}' is not installed; "
        "this needs the extra 'train': pip install 'fusiondrive[train]'"
    )


def exit_without(err: ModuleNotFoundError) -> NoReturn:
    """End a command whose extra is not installed: one line in place of a traceback."""
    print(f"error: {missing_extra(err)}", file=sys.stderr)
    raise SystemExit(2) from None


def exit_code(run: Callable[[], str], stopped: str = "stopped") -> int:
    """Run a command to its end; returns 0, 2 after an error, 130 after an interrupt.

    Args:
        run: the command; what it returns is printed, unless it is empty.
        stopped: what to say after an interrupt.
    """
    try:
        text = run()
    except (FusionDriveError, OSError) as err:
        print(f"error: {err}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\n{stopped}", file=sys.stderr)
        return 130
    if text:
        print(text)
    return 0
