"""The text that a Leaderboard agent is configured with: files, a folder, names, joined by `+`.

The Leaderboard hands any text to `setup`; agents of Bench2Drive split theirs at `+` into
configuration, checkpoint and a name to save under.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

SEPARATOR = "+"
_LOOKS_LIKE_A_PATH = re.compile(r"/|\.[A-Za-z]\w*$")  # a folder, or a suffix as of `net.pth`


class AgentConfig:
    """What `setup` is given, and what of it lies on the disk."""

    def __init__(self, text: str | os.PathLike[str] | None) -> None:
        """Split the text.

        Args:
            text: as the user wrote it; a leading `~` of a part is replaced where that gives a file
                or folder. None stands for no configuration, which agents see as an empty text.
        """
        given = "" if text is None else os.fspath(text)
        whole = _at_home(given)
        is_one = SEPARATOR not in given or os.path.exists(whole)
        self.parts = (whole,) if is_one else tuple(map(_at_home, given.split(SEPARATOR)))
        self.text = SEPARATOR.join(self.parts)

    @property
    def missing(self) -> tuple[str, ...]:
        """Parts that look like paths, and are none: perhaps misspelt, perhaps the agent's own."""
        suspects = filter(_LOOKS_LIKE_A_PATH.search, self.parts)
        return tuple(part for part in suspects if not os.path.exists(part))

    def content(self) -> Iterator[bytes]:
        """What a hash of it covers: names and contents of files, and parts that are none."""
        for part in filter(None, self.parts):
            path = Path(part)
            if not path.exists():
                yield part.encode()
            below = sorted(path.rglob("*")) if path.is_dir() else [path]
            yield from (file.name.encode() + file.read_bytes() for file in below if file.is_file())


def _at_home(part: str) -> str:
    expanded = os.path.expanduser(part)
    return expanded if part.startswith("~") and os.path.exists(expanded) else part
