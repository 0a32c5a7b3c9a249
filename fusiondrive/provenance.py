"""Which source made a result."""

from __future__ import annotations

import subprocess
from pathlib import Path

UNKNOWN = "unknown"


def source_commit() -> str:
    """Commit of this package's source, with `+changes` where files of it differ.

    Ask when a run begins: by its end, or its export, the checkout may have moved on.
    """
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        changes = _git("status", "--porcelain", "--untracked-files=no", "--", "*.py")
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN
    return f"{head}+changes" if changes else head


def _git(*arguments: str) -> str:
    here = Path(__file__).parents[1]  # of all packages
    found = subprocess.run(
        ["git", *arguments], cwd=here, capture_output=True, encoding="utf-8", check=True
    )
    return found.stdout.strip()
