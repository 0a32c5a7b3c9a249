"""Reading of users' text files in the encoding that they declare."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from fusiondrive.errors import MapError

MAX_FILE_BYTES = 64 * 2**20
_DECLARED = re.compile(rb"<\?xml[^>]*?\bencoding\s*=\s*[\"']([A-Za-z0-9._:-]+)[\"']")
# XML 1.0, appendix F: how a file begins that has a byte order mark, or none but wide characters.
_MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\x00?\x00", "utf-16-le"),
    (b"\x00<\x00?", "utf-16-be"),
)


def read_text(path: Path, kind: str = "route file") -> str:
    """Read the text of a UTF-8 file, or of an XML file in the encoding that it declares.

    Raises:
        MapError: the file cannot be read, is too large, or has a byte that is not of that encoding;
            the text names the byte.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise MapError(f"{path}: larger than {MAX_FILE_BYTES // 2**20} MB, not a {kind}")
        data = path.read_bytes()
    except OSError as err:
        raise MapError(f"{kind} {path}: {err.strerror or err}") from err
    encoding, source = _encoding(data)
    try:
        return data.decode(encoding)
    except LookupError as err:
        raise MapError(f"{path}: unknown encoding '{encoding}' in its first line") from err
    except UnicodeDecodeError as err:
        found = f"byte {err.start} is 0x{data[err.start]:02x}"
        raise MapError(
            f"{path}: not {encoding} ({source}): {found}; declare the encoding that the file has, "
            'such as encoding="ISO-8859-1" in an XML file\'s first line, or save it as UTF-8'
        ) from err


def _encoding(data: bytes) -> tuple[str, str]:
    """The codec of a file, and the words that say how it is known."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name, "as its first bytes say"
    declared = _DECLARED.match(data.lstrip()[:200])
    if declared is not None:
        return declared[1].decode("ascii"), "as it declares"
    return "utf-8", "which is meant where nothing is declared"
