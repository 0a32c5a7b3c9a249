"""Which source made a result, and short hashes that identify files and texts."""

from __future__ import annotations

import hashlib
import inspect
import subprocess
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

UNKNOWN = "unknown"
HASH_DIGITS = 12
_BLOCK = 1 << 20
_GIT_LIMIT_S = 10.0
_HERE = Path(__file__).absolute()


def package_version() -> str:
    """Version of this package; `unknown` in a checkout that was never installed."""
    try:
        return version("fusiondrive")
    except PackageNotFoundError:
        return UNKNOWN


def source_commit() -> str:
    """Commit of the source of all packages, with `+changes` where files of it differ.

    It is `unknown` where this source is not under version control. That includes an installed
    package inside somebody's repository: its files are not tracked there, so that the repository's
    commit says nothing of them. Ask when a run begins: by its end, or its export, the checkout may
    have moved on.
    """
    try:
        _git("ls-files", "--error-unmatch", "--", str(_HERE))
        head = _git("rev-parse", "--short=12", "HEAD")
        changes = _git("status", "--porcelain", "--untracked-files=no", "--", "*.py")
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    return f"{head}+changes" if changes else head


def source_hash(kind: type) -> str:
    """SHA-256 (first 12 hex digits) of the file that defines a class; `none` without a file."""
    try:
        return file_hash(Path(inspect.getfile(kind)))
    except (TypeError, OSError):
        return "none"


def _git(*arguments: str) -> str:
    found = subprocess.run(
        ["git", "--no-optional-locks", *arguments],  # `status` would write the index anew
        cwd=_HERE.parents[1],  # of all packages
        capture_output=True,
        encoding="utf-8",
        timeout=_GIT_LIMIT_S,
        check=True,
    )
    return found.stdout.strip()


def file_hash(*paths: Path) -> str:
    """SHA-256 over the bytes of files, one after the other; first 12 hex digits."""
    return bytes_hash(block for path in paths for block in file_blocks(path))


def text_hash(text: str) -> str:
    """SHA-256 of a text in UTF-8, first 12 hex digits."""
    return bytes_hash([text.encode()])


def bytes_hash(parts: Iterable[bytes | memoryview]) -> str:
    """SHA-256 over parts, one after the other; first 12 hex digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:HASH_DIGITS]


def file_blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, part by part."""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
