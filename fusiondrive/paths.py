"""Paths as users write them in flags and files."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

_VARIABLE = re.compile(r"\$(\w+|\{[^}]*\})")


def user_path(text: str) -> Path:
    """The path of a flag: `~` is a home folder, also in `--out=~/x`, which shells leave alone."""
    try:
        return Path(text).expanduser()
    except RuntimeError as err:
        raise argparse.ArgumentTypeError(f"'{text}': {err}") from err


def file_path(text: str) -> Path:
    """The path of a configuration file, where no shell has replaced `$HOME` or `${HOME}` either.

    Raises:
        ValueError: there is no such variable or home folder.
    """
    expanded = os.path.expandvars(text)
    unknown = _VARIABLE.search(expanded)
    if unknown is not None and unknown[1].strip("{}") not in os.environ:
        raise ValueError(f"'{text}': the environment has no variable {unknown[0]}")
    try:
        return Path(expanded).expanduser()
    except RuntimeError as err:
        raise ValueError(f"'{text}': {err}") from err


def path_text(text: str) -> str:
    """The same as text, for settings that are kept as text; empty text stays empty."""
    return str(user_path(text)) if text else ""
