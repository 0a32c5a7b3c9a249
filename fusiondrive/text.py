"""Text is UTF-8 whatever the locale: what users bring is read, and terminals take what they can."""

from __future__ import annotations

import codecs
import io
import sys
from pathlib import Path

from fusiondrive.errors import ConfigError

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path) -> str:
    """A user's text file; the mark that Windows editors begin UTF-8 with is left out.

    Raises:
        ConfigError: it is not UTF-8; names the file and what to do.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        if data.startswith(UTF_16):
            found = "UTF-16"
        else:
            line = data.count(b"\n", 0, err.start) + 1
            found = f"another encoding (byte 0x{data[err.start]:02x} in line {line})"
        raise ConfigError(f"{path}: expected UTF-8 text, found {found}; save it as UTF-8") from err


def lenient_output() -> None:
    """Let stdout write `?` for what its encoding lacks; each command calls it first.

    A table with a dash or a name with an accent must not end a command in a Latin-1 or C locale.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # stderr never fails: it writes escapes
        sys.stdout.reconfigure(errors="replace")
