"""Reads the metadata of image files: orientation, number of pictures, TIFF tags.

OpenCV turns pictures only where it also throws away alpha and depth, and says neither how many
pages it left out nor what a TIFF file means by its numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fusionproxy.orientation import ORIENTATIONS

UNKNOWN = 0  # an orientation that is there and is not understood
# TIFF 6.0 and its supplements
SUBFILE, BITS, PHOTOMETRIC, ORIENTATION, EXTRA_SAMPLES = 254, 258, 262, 274, 338
NOT_A_PAGE = 0b101  # bits of SUBFILE: a smaller copy, a mask
VALUES = {1: "B", 3: "H", 4: "I", 16: "Q"}  # codes of `struct` by TIFF type
MOST_PAGES = 100_000  # a chain that is longer is broken


class TiffValue(NamedTuple):
    """First value of a TIFF entry, and its place in the file."""

    value: int
    offset: int
    code: str


class ImageTags(NamedTuple):
    """Metadata of an image file."""

    orientation: int = 1
    pictures: int = 1
    tiff: Mapping[int, TiffValue] = {}  # of the first page


def tags_of(data: bytes) -> ImageTags:
    """Read the tags of an image file; one without tags, or broken, is upright and single."""
    try:
        if data.startswith(b"\xff\xd8"):
            return ImageTags(_exif_orientation(_jpeg_exif(data)))
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return _png(data)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _webp(data)
        if data.startswith((b"II", b"MM")):
            return _tiff(data)
        if data[4:12] in (b"ftypavif", b"ftypavis"):
            is_turned = b"irot" in data or b"imir" in data  # OpenCV heeds neither
            return ImageTags(UNKNOWN if is_turned else 1)
    except struct.error:
        pass  # cut off: the decoder says so
    return ImageTags()


def upright_tiff(data: bytes, tags: ImageTags) -> bytes:
    """Copy a TIFF file with orientation 1, since OpenCV cannot read those that swap the sides."""
    entry = tags.tiff.get(ORIENTATION)
    if entry is None or entry.value == 1:
        return data
    changed = bytearray(data)
    struct.pack_into(entry.code, changed, entry.offset, 1)
    return bytes(changed)


def _jpeg_exif(data: bytes) -> bytes:
    """The EXIF segment of a JPEG file, without the segment's name."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker in (0xDA, 0xD9):  # pixels begin, or the file ends
            break
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            return data[at + 10 : at + 2 + length]
        at += 2 + length
    return b""


def _png(data: bytes) -> ImageTags:
    exif, pictures, at = b"", 1, 8
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"eXIf":
            exif = data[at + 8 : at + 8 + length]
        elif kind == b"acTL":  # animated PNG
            (pictures,) = struct.unpack_from(">I", data, at + 8)
        at += 12 + length
    return ImageTags(_exif_orientation(exif), pictures)


def _webp(data: bytes) -> ImageTags:
    exif, pictures, at = b"", 0, 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        if kind == b"EXIF":
            exif = data[at + 8 : at + 8 + length]
        pictures += kind == b"ANMF"
        at += 8 + length + length % 2
    return ImageTags(_exif_orientation(exif), max(pictures, 1))


def _tiff(data: bytes) -> ImageTags:
    pages = list(_directories(data))
    if not pages:
        return ImageTags()
    pictures = sum(not (_value(page, SUBFILE, 0) & NOT_A_PAGE) for page in pages)
    return ImageTags(_orientation(pages[0]), max(pictures, 1), pages[0])


def _exif_orientation(exif: bytes) -> int:
    """Orientation in EXIF data, which have the layout of a TIFF file; 1 where there is none."""
    try:
        return _orientation(next(_directories(exif.removeprefix(b"Exif\0\0")), {}))
    except struct.error:
        return 1


def _orientation(page: Mapping[int, TiffValue]) -> int:
    value = _value(page, ORIENTATION, 1)
    return value if value in ORIENTATIONS else 1  # 0 and 9 are written by mistake


def _value(page: Mapping[int, TiffValue], tag: int, default: int) -> int:
    return page[tag].value if tag in page else default


def _directories(data: bytes) -> Iterator[dict[int, TiffValue]]:
    """Entries of each page of a TIFF (magic 42) or BigTIFF (43) file."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return
    (magic,) = struct.unpack_from(f"{order}H", data, 2)
    if magic not in (42, 43):
        return
    big = magic == 43
    count_code, offset_code, first = ("Q", "Q", 8) if big else ("H", "I", 4)
    (at,) = struct.unpack_from(order + offset_code, data, first)
    seen: set[int] = set()
    while at and at not in seen and len(seen) < MOST_PAGES:
        seen.add(at)
        (count,) = struct.unpack_from(order + count_code, data, at)
        at += struct.calcsize(order + count_code)
        size = 20 if big else 12
        yield dict(_entries(data, order, big, range(at, at + count * size, size)))
        (at,) = struct.unpack_from(order + offset_code, data, at + count * size)


def _entries(data: bytes, order: str, big: bool, places: range) -> Iterator[tuple[int, TiffValue]]:
    count_code, room = ("Q", 8) if big else ("I", 4)
    for at in places:
        tag, kind, count = struct.unpack_from(f"{order}HH{count_code}", data, at)
        if kind not in VALUES or not count:
            continue
        code, offset = order + VALUES[kind], at + 4 + room
        if count * struct.calcsize(code) > room:
            (offset,) = struct.unpack_from(order + count_code, data, offset)
        (value,) = struct.unpack_from(code, data, offset)
        yield tag, TiffValue(value, offset, code)
