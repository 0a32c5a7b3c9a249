"""Reads image files upright, as infrared or visible planes; 8 bits or a declared range."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fusionproxy.data import U8
from fusionproxy.errors import FusionError
from fusionproxy.image_tags import (
    BITS,
    EXTRA_SAMPLES,
    PHOTOMETRIC,
    UNKNOWN,
    ImageTags,
    tags_of,
    upright_tiff,
)
from fusionproxy.orientation import ORIENTATIONS

F32 = NDArray[np.float32]
Limits = tuple[float, float]
SMALLEST = 2  # pixels a side
GREY_TOLERANCE = 4.0  # mean difference of channels, in levels: JPEG leaves about 1
WHITE_IS_ZERO, CIELAB = 0, (8, 9, 10)  # values of TIFF's photometric interpretation
# by the first bytes of files that OpenCV does not read, or not as it is shipped
OTHER_KINDS = {
    b"\x93NUMPY": "a NumPy array; write it as a TIFF image, which keeps 16 bits and floats",
    b"\x76\x2f\x31\x01": "an EXR image, which OpenCV reads only where it is built to; write a TIFF",
}


def read_infrared(path: Path, limits: Limits | None = None) -> F32:
    """Read an infrared image as (H, W) in [0, 1]; a file of three channels has to be grey.

    Raises:
        FusionError: the file cannot be read, is in colour, or needs a range.
    """
    return grey_of(to_unit(stored(path), limits, str(path), "infrared"), str(path), white=1.0)


def read_visible(path: Path, limits: Limits | None = None, kind: str = "any") -> F32:
    """Read a visible image as (H, W, 3) RGB in [0, 1].

    Raises:
        FusionError: the file cannot be read or needs a range, or RGB is asked for and it is grey.
    """
    return rgb_of(to_unit(stored(path), limits, str(path), "visible"), str(path), kind)


def read_rgb(path: Path) -> U8:
    """Read an 8-bit image as (H, W, 3) RGB."""
    return to_8_bits(read_visible(path))


def stored(path: Path) -> NDArray[Any]:
    """Read an image as (H, W) or (H, W, 3) RGB at the file's own depth, turned upright.

    Raises:
        FusionError: the file cannot be read, or its meaning is not unique: it holds several
            pictures, transparent pixels, or an unknown orientation.
    """
    try:
        data = path.read_bytes()
    except OSError as err:
        raise FusionError(f"{path} cannot be read as an image ({err})") from err
    tags = tags_of(data)
    if tags.orientation == UNKNOWN:
        raise FusionError(f"{path} is an AVIF image that is to be turned; save it as PNG, turned")
    pictures = cv2.imcount(str(path)) if data.startswith(b"GIF8") else tags.pictures
    if pictures > 1:
        raise FusionError(
            f"{path} holds {pictures} pictures (pages or frames); expected one: save each as a "
            "file of its own, or all as a video"
        )
    image = _decoded(path, data, tags)
    if tags.tiff:
        _check_tiff(path, tags, image)
    if image.ndim == 2:
        return ORIENTATIONS[tags.orientation].apply(image)
    if image.shape[2] not in (3, 4):
        raise FusionError(f"{path}: expected 1, 3 or 4 channels, found {image.shape[2]}")
    if image.shape[2] == 4 and not data.startswith(b"BM"):  # of 32-bit BMP it is unused
        check_opaque(image[..., 3], str(path))
    return ORIENTATIONS[tags.orientation].apply(image[..., 2::-1])


def orientation_note(path: Path) -> str:
    """Text that says how a file was turned; empty for upright files."""
    orientation = tags_of(path.read_bytes()).orientation
    return f" after turning it as its orientation tag {orientation} says" * (orientation > 1)


def check_opaque(alpha: NDArray[Any], where: str) -> None:
    """Raise FusionError where pixels are transparent, since what is behind them is unknown."""
    white = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "iu" else 1
    count = np.count_nonzero(alpha < white)
    if count:
        raise FusionError(
            f"{where}: {count} of {alpha.size} pixels are transparent; put the picture on a "
            "background and leave out the alpha channel"
        )


def grey_of(image: NDArray[Any], where: str, white: float = 255.0) -> NDArray[Any]:
    """Reduce an infrared image, (H, W) or (H, W, 3) with equal channels, to (H, W).

    Raises:
        FusionError: the image is in colour; the text begins with `where`.
    """
    if image.ndim == 2:
        return image
    red, green, blue = cv2.split(image)
    most, least = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
    spread = 255 / white * float(cv2.absdiff(most, least).mean())
    if spread > GREY_TOLERANCE:
        raise FusionError(
            f"{where}: expected a grey infrared image, found colour (channels differ by "
            f"{spread:.0f} of 255 on average); convert its false colours first"
        )
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))


def rgb_of(image: NDArray[Any], where: str, kind: str) -> NDArray[Any]:
    """Bring a visible image to (H, W, 3); grey is repeated unless `kind` is `rgb`."""
    if image.ndim == 3:
        return image
    if kind == "rgb":
        raise FusionError(f"{where}: expected RGB, found a grey image of shape {image.shape}")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB))


def to_unit(image: NDArray[Any], limits: Limits | None, where: str, side: str) -> F32:
    """Scale values to [0, 1]; values outside the range are clipped.

    Raises:
        FusionError: an image of other than 8 bits has no range, or a value is NaN, or the image is
            too small.
    """
    if min(image.shape[:2]) < SMALLEST:
        size = f"{image.shape[0]} x {image.shape[1]}"
        raise FusionError(f"{where}: {size} pixels; expected {SMALLEST} x {SMALLEST} or more")
    if not np.isfinite(image).all():
        raise FusionError(f"{where}: {np.count_nonzero(~np.isfinite(image))} values are NaN or inf")
    if limits is None and image.dtype != np.uint8:
        raise FusionError(
            f"{where}: {image.dtype} values {image.min():g}..{image.max():g} have no declared "
            f"range; give --{side}-range LOW HIGH"
        )
    low, high = limits if limits is not None else (0.0, 255.0)
    unit = (image.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return np.clip(unit, 0.0, 1.0, out=unit)


def to_8_bits(unit: F32) -> U8:
    """Convert values in [0, 1] to bytes, rounded."""
    return np.asarray(np.rint(unit * np.float32(255)), dtype=np.uint8)


def _decoded(path: Path, data: bytes, tags: ImageTags) -> NDArray[Any]:
    """Decode the file's numbers as OpenCV has them: BGR or BGRA, not turned upright."""
    for start, kind in OTHER_KINDS.items():
        if data.startswith(start):
            raise FusionError(f"{path} is {kind}")
    image = None
    if data:
        with _silent():
            raw = np.frombuffer(upright_tiff(data, tags), np.uint8)
            image = cv2.imdecode(raw, cv2.IMREAD_UNCHANGED)
    if image is None:
        raise FusionError(f"{path} cannot be read as an image; it may be truncated")
    return np.asarray(image)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep OpenCV's own messages off the screen, so that the error is one line."""
    logs = getattr(cv2.utils, "logging", cv2)  # OpenCV 4 has these functions at its top
    level = logs.getLogLevel()
    logs.setLogLevel(0)
    try:
        yield
    finally:
        logs.setLogLevel(level)


def _check_tiff(path: Path, tags: ImageTags, image: NDArray[Any]) -> None:
    """Refuse TIFF files that OpenCV would read as other numbers than the file means."""
    kind, bits = (tags.tiff[tag].value if tag in tags.tiff else 1 for tag in (PHOTOMETRIC, BITS))
    fault = ""
    if bits > 8 * image.dtype.itemsize:
        fault = f"its {bits} bits a channel would be read as {8 * image.dtype.itemsize}"
    elif kind == WHITE_IS_ZERO and bits > 8:
        fault = f"{bits} bits of which 0 is white"
    elif kind in CIELAB:
        fault = "its colours are CIELAB"
    elif image.ndim == 2 and EXTRA_SAMPLES in tags.tiff:
        fault = "grey with a second channel"
    if fault:
        raise FusionError(f"{path}: {fault}; save it as grey (0 is black) or RGB without alpha")
