"""Decodes OpenDRIVE files, which may be in another encoding than UTF-8."""

from __future__ import annotations

import codecs
import re

from simulator.maps.checks import MapError

_DECLARATION = re.compile(rb"\s*<\?xml[^>]*?\bencoding\s*=\s*[\"']([A-Za-z0-9._:-]+)[\"']")
_ENCODING = re.compile(r"(<\?xml[^>]*?\bencoding\s*=\s*[\"'])[^\"']*")
# XML 1.0, appendix F: how a file begins that has a byte order mark, or none but wide characters.
_MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\x00?\x00", "utf-16-le"),
    (b"\x00<\x00?", "utf-16-be"),
)


def decode_xml(data: bytes, source: str) -> str:
    """The text of an XML file; where it was not UTF-8 it declares UTF-8 now, as it is served.

    A UTF-8 file's text stays as it is but for line ends, so that its digest does.

    Args:
        data: the file.
        source: what errors call it.

    Raises:
        MapError: it is not in the encoding that it declares; names the byte.
    """
    encoding = _encoding(data)
    try:
        text = data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    except LookupError as err:
        raise MapError(f"{source}: unknown encoding '{encoding}' in its first line") from err
    except UnicodeDecodeError as err:
        raise MapError(
            f"{source}: not {encoding}, which its first line declares or means: byte {err.start} "
            f"is 0x{data[err.start]:02x}; declare the encoding that the file has, such as "
            'encoding="ISO-8859-1", or save it as UTF-8'
        ) from err
    is_plain = codecs.lookup(encoding).name in ("utf-8", "ascii")
    return text if is_plain else _ENCODING.sub(r"\1UTF-8", text.lstrip("\ufeff"), count=1)


def _encoding(data: bytes) -> str:
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    declared = _DECLARATION.match(data.removeprefix(codecs.BOM_UTF8)[:400])
    return "utf-8" if declared is None else declared[1].decode("ascii")
