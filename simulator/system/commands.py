"""What the commands of the simulator share: paths in flags, and text for any terminal."""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path


def user_path(text: str) -> Path:
    """The path of a flag: `~` is a home folder, also in `--out=~/x`, which shells leave alone."""
    try:
        return Path(text).expanduser()
    except RuntimeError as err:
        raise argparse.ArgumentTypeError(f"'{text}': {err}") from err


def lenient_output() -> None:
    """Let stdout write `?` for what its encoding lacks; each command calls it first."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # stderr never fails: it writes escapes
        sys.stdout.reconfigure(errors="replace")
