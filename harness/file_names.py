"""Names of files and folders that are made of what users wrote, such as a route's id."""

from __future__ import annotations

import hashlib
import re
import unicodedata

LIMIT_BYTES = 60  # of one part; several make a name, and file systems end at 255
# Windows gives these to devices, with any suffix and in any letter case.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def safe_name(text: str, limit_bytes: int = LIMIT_BYTES) -> str:
    """A name for the file system that stands for `text` alone.

    Letters, digits, `_`, `-`, `+` and inner dots stay, so that plain text stays as it is. Where
    something had to change, a hash of the text follows: different texts give different names, on
    file systems that ignore letter case or normalise Unicode as well, since upper-case letters
    beside the plain `A` to `Z` are not kept apart by them and count as a change.
    """
    kept = re.sub(r"[^\w.+-]+", "-", unicodedata.normalize("NFC", text)).strip(".")
    kept = kept.encode()[:limit_bytes].decode(errors="ignore")
    if kept == text and kept and not _RESERVED.fullmatch(kept):
        return kept
    return f"{kept}-{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:8]}"
