"""Numbers of a decoded video frame and, where they are known, the values of black and white."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter
from numpy.typing import NDArray

from fusionproxy.errors import FusionError
from fusionproxy.images import Limits, check_opaque

# FFmpeg's formats of more than 8 bits that are kept as they are, without byte order
DEEP_GREY = frozenset({"gray9", "gray10", "gray12", "gray14", "gray16"})
FLOATS = {"grayf32": 1, "gbrpf32": 3}  # and their planes
# channels, bytes a channel of the formats that others are brought to
SCALED = {"gray": (1, 1), "rgb24": (3, 1), "rgba": (4, 1), "rgb48": (3, 2), "rgba64": (4, 2)}
DEEP_BITS, DEEP_WHITE = 16, 65535  # of the last two


class FrameValues(NamedTuple):
    """The numbers of a frame."""

    values: NDArray[Any]  # (H, W) or (H, W, 3) RGB
    limits: Limits | None  # black and white; None where the format does not say


def values_of(frame: Any, where: str, side: str, *, is_raw: bool = False) -> FrameValues:
    """Read the numbers of a frame of any pixel format by the colour matrix and range of its tags.

    Colour has a black and a white by its format, at any depth. Deep grey and float formats hold
    counts of a sensor, and so do all but YUV on the infrared side: these need a declared range, as
    16-bit images do. Visible grey of 9 to 14 bits has the range of its bits. In raw video a fourth
    byte that is 0 everywhere is unused, as in BMP.

    Raises:
        FusionError: the format is not known, or pixels are transparent.
    """
    name = frame.format.name.removesuffix("le").removesuffix("be")
    if name in FLOATS:
        return FrameValues(_floats(frame, FLOATS[name]), None)
    if name in DEEP_GREY:
        bits = _depth(frame.format)
        has_range = side == "visible" and bits < DEEP_BITS
        return FrameValues(_plane(frame, 0, "u2"), (0, 2**bits - 1) if has_range else None)
    if name.endswith(("f16", "f32")):
        raise _unknown(frame, where)
    image = _colour(frame, where)
    if image.shape[2:] == (4,):
        if not is_raw or image[..., 3].any():
            check_opaque(image[..., 3], where)
        image = np.ascontiguousarray(image[..., :3])
    if image.dtype == np.uint8:
        return FrameValues(image, (0, 255))
    bits = _depth(frame.format)
    levels = image if bits == DEEP_BITS else image * np.float32((2**bits - 1) / DEEP_WHITE)
    is_yuv = not frame.format.is_rgb and len(frame.format.components) > 2
    is_counts = side == "infrared" and not is_yuv
    return FrameValues(levels, None if is_counts else (0, 2**bits - 1))


def _colour(frame: Any, where: str) -> NDArray[Any]:
    """Convert a frame to (H, W) grey, (H, W, 3) RGB or (H, W, 4) with alpha.

    The result has 8 bits, or 16 for deeper formats.
    """
    kind, bits = frame.format, _depth(frame.format)
    has_alpha = kind.has_palette or any(part.is_alpha for part in kind.components)
    if bits > DEEP_BITS:
        raise _unknown(frame, where)
    if bits > 8:
        return _converted(frame, "rgba64" if has_alpha else "rgb48", where)
    is_grey = len(kind.components) == 1 and not kind.is_rgb
    return _converted(frame, "rgba" if has_alpha else "gray" if is_grey else "rgb24", where)


def _depth(kind: Any) -> int:
    return max(int(part.bits) for part in kind.components if not part.is_alpha)


def _converted(frame: Any, wanted: str, where: str) -> NDArray[Any]:
    """Convert a frame by FFmpeg's scaler, which heeds its matrix and range, to (H, W[, C])."""
    channels, size = SCALED[wanted]
    order = "" if size == 1 else sys.byteorder[0] + "e"
    # PyAV before 17 heeds matrix and range only where two ranges differ; RGB has the full one
    is_full = frame.color_range == ColorRange.JPEG
    try:
        made = VideoReformatter().reformat(
            frame,
            format=wanted + order,
            src_color_range=frame.color_range,
            dst_color_range=ColorRange.UNSPECIFIED if is_full else ColorRange.JPEG,
        )
    except (ValueError, OSError) as err:
        raise _unknown(frame, where) from err
    image = _rows(made.planes[0], np.dtype(f"u{size}"), made.height, made.width * channels)
    return image if channels == 1 else image.reshape(made.height, made.width, channels)


def _floats(frame: Any, planes: int) -> NDArray[Any]:
    if planes == 1:
        return _plane(frame, 0, "f4")
    return np.dstack([_plane(frame, i, "f4") for i in (2, 0, 1)])  # stored as G, B, R


def _plane(frame: Any, index: int, code: str) -> NDArray[Any]:
    """Read a plane as it is stored, in native byte order."""
    order = ">" if frame.format.name.endswith("be") else "<"
    stored = _rows(frame.planes[index], np.dtype(order + code), frame.height, frame.width)
    return stored.astype(np.dtype(code))


def _rows(plane: Any, kind: np.dtype[Any], height: int, width: int) -> NDArray[Any]:
    """Read the (height, width) values of a plane whose rows are padded."""
    length = plane.line_size // kind.itemsize
    flat = np.frombuffer(plane, kind)[: height * length]
    return np.ascontiguousarray(flat.reshape(height, length)[:, :width])


def _unknown(frame: Any, where: str) -> FusionError:
    return FusionError(
        f"{where}: the pixel format {frame.format.name} is not read; convert it, for instance with "
        "ffmpeg -pix_fmt gray16le or rgb24"
    )
