"""The order of files by name, as people count: 2 comes before 10; and which files are left out."""

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
    """Text to compare without letter case and Unicode normal form (macOS writes NFD)."""
    caseless = unicodedata.normalize("NFD", text).casefold()
    return unicodedata.normalize("NFC", caseless)


def natural(text: str) -> tuple[Any, ...]:
    """Sort key: numbers by value, letters without case; names that are equal so by their text.

    `a1`, `a02`, `a10` and `1-9`, `1-10`, `2-1` are in this order; digits of any script count.
    """
    plain = "".join(str(unicodedata.decimal(letter, letter)) for letter in folded(text))
    parts: list[Any] = NUMBER.split(plain)
    for i in range(1, len(parts), 2):
        whole, _, fraction = parts[i].partition(".")
        parts[i] = (int(whole), fraction)
    return (tuple(parts), text)


def in_order(paths: Iterable[Path]) -> list[Path]:
    """Files or folders in natural order, folder by folder; files by stem, then by suffix."""
    return sorted(paths, key=_path_key)


def _path_key(path: Path) -> tuple[Any, ...]:
    folders = ((natural(part), natural("")) for part in path.parts[:-1])
    return (*folders, (natural(path.stem), natural(path.suffix)))


def is_ours(path: Path) -> bool:
    """Whether a name is a user's own: systems leave `._x.png`, `.DS_Store`, `Thumbs.db` about."""
    return not path.name.startswith(".") and path.name.lower() not in SYSTEM_FILES
