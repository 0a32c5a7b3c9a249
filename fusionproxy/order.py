"""Natural order of files by name (2 before 10), and which files are no user's own."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# A time in seconds since 1970, whose fraction may have lost its last zeros; or a whole number.
NUMBER = re.compile(r"((?<!\d)1\d{9}\.\d+|\d+)")
SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "__macosx", "@eadir"})


def folded(text: str) -> str:
    """Normalise text for comparison without letter case and Unicode form (macOS writes NFD)."""
    caseless = unicodedata.normalize("NFD", text).casefold()
    return unicodedata.normalize("NFC", caseless)


def natural(text: str) -> tuple[Any, ...]:
    """Sort key by the value of numbers and by letters without case.

    `a1`, `a02`, `a10` and `1-9`, `1-10`, `2-1` are in this order. Digits of any script count. Names
    that are equal by this rule are in the order of their text.
    """
    plain = "".join(str(unicodedata.decimal(letter, letter)) for letter in folded(text))
    parts: list[Any] = NUMBER.split(plain)
    for i in range(1, len(parts), 2):
        whole, _, fraction = parts[i].partition(".")
        parts[i] = (int(whole), fraction)
    return (tuple(parts), text)


def in_order(paths: Iterable[Path]) -> list[Path]:
    """Sort files or folders naturally, folder by folder, and files by stem, then suffix."""
    return sorted(paths, key=_path_key)


def _path_key(path: Path) -> tuple[Any, ...]:
    folders = ((natural(part), natural("")) for part in path.parts[:-1])
    return (*folders, (natural(path.stem), natural(path.suffix)))


def is_ours(path: Path) -> bool:
    """Whether a name is a user's own and not `._x.png`, `.DS_Store`, `Thumbs.db` of a system."""
    return not path.name.startswith(".") and path.name.lower() not in SYSTEM_FILES
