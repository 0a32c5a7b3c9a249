"""Errors of this package that a user sees as one clear message."""

from __future__ import annotations

import sys
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


def exit_without(err: ModuleNotFoundError | FusionError) -> NoReturn:
    """End a command whose extra is not installed: one line in place of a traceback.

    Args:
        err: what an import raised; modules of this package say already which extra it is.
    """
    found = err if isinstance(err, FusionError) else missing_extra(err)
    print(f"error: {found}", file=sys.stderr)
    raise SystemExit(2) from None
