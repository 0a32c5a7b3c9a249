"""Turns that make stored pictures upright: EXIF orientations, display matrices of videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Turn(NamedTuple):
    """A multiple of a quarter turn, mirrored or not, as a transposition and then flips."""

    is_transposed: bool = False
    flips_rows: bool = False
    flips_columns: bool = False

    def apply(self, image: NDArray[Any]) -> NDArray[Any]:
        """Turn a stored picture upright; its first two axes are rows and columns."""
        if self.is_transposed:
            image = image.swapaxes(0, 1)
        if self.flips_rows:
            image = image[::-1]
        if self.flips_columns:
            image = image[:, ::-1]
        return np.ascontiguousarray(image)


UPRIGHT = Turn()
# by the values of EXIF 2.32's tag 0x0112 and TIFF 6.0's tag 274, which are one
ORIENTATIONS: Mapping[int, Turn] = {
    1: UPRIGHT,
    2: Turn(flips_columns=True),
    3: Turn(flips_rows=True, flips_columns=True),
    4: Turn(flips_rows=True),
    5: Turn(is_transposed=True),
    6: Turn(is_transposed=True, flips_columns=True),
    7: Turn(is_transposed=True, flips_rows=True, flips_columns=True),
    8: Turn(is_transposed=True, flips_rows=True),
}


def turn_of_matrix(matrix: Sequence[int]) -> Turn | None:
    """Turn of a display matrix (libavutil/display.h); None where it is no multiple of 90 degrees.

    With the rows (a, b, u) and (c, d, v), a stored point (x, y) is shown at
    (a x + c y, b x + d y).
    """
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    if a and d and not b and not c:
        return Turn(flips_rows=d < 0, flips_columns=a < 0)
    if b and c and not a and not d:
        return Turn(is_transposed=True, flips_rows=b < 0, flips_columns=c < 0)
    return None
