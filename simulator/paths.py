"""Paths as users write them in flags."""

from __future__ import annotations

import argparse
from pathlib import Path


def user_path(text: str) -> Path:
    """The path of a flag: `~` is a home folder, also in `--out=~/x`, which shells leave alone."""
    try:
        return Path(text).expanduser()
    except RuntimeError as err:
        raise argparse.ArgumentTypeError(f"'{text}': {err}") from err
