"""What one check found, as one line."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One line of the doctor's."""

    name: str
    is_ok: bool
    text: str  # what was found
    advice: str = ""  # what to do, where it is not well

    def __str__(self) -> str:
        word = "ok" if self.is_ok else "FAIL"
        return f"{word:<5} {self.name:<10} {self.text}{'; ' if self.advice else ''}{self.advice}"
