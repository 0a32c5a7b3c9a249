"""What a command may print on any terminal."""

from __future__ import annotations

import io
import sys


def lenient_output() -> None:
    """Let stdout write `?` for what its encoding lacks; each command calls it first."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # stderr never fails: it writes escapes
        sys.stdout.reconfigure(errors="replace")
