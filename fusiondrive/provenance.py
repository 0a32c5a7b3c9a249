"""Which source made a result."""

from __future__ import annotations

import hashlib
import inspect
import subprocess
from pathlib import Path

UNKNOWN = "unknown"


def source_commit() -> str:
    """Commit of this package's source, with `+changes` where files of it differ.

    Ask when a run begins: by its end, or its export, the checkout may have moved on. `unknown`
    outside a checkout: a package that is installed below somebody's repository is none of it.
    """
    try:
        _git("ls-files", "--error-unmatch", str(Path(__file__).absolute()))
        head = _git("rev-parse", "--short=12", "HEAD")
        changes = _git("status", "--porcelain", "--untracked-files=no", "--", "*.py")
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN
    return f"{head}+changes" if changes else head


def source_hash(kind: type) -> str:
    """SHA-256 (first 12 hex digits) of the file that defines a class; `none` without a file."""
    try:
        source = Path(inspect.getfile(kind)).read_bytes()
    except (TypeError, OSError):
        return "none"
    return hashlib.sha256(source).hexdigest()[:12]


def _git(*arguments: str) -> str:
    here = Path(__file__).parents[1]  # of all packages
    found = subprocess.run(
        ["git", *arguments], cwd=here, capture_output=True, encoding="utf-8", check=True
    )
    return found.stdout.strip()
