"""Values for the rows beside measured ones: what the paper prints.

arXiv 2605.06010, Tables 1, 2, 4, 6 and 7. MI near 12 cannot come from 8-bit outputs (at most 8
bits a source, and no more than the entropy printed beside it); mAP is 76.5 in Table 1 and 75.2 in
Table 2; the name of the quality column `Q` and the variants of EN, MI and SF are not given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

PAPER = "arXiv 2605.06010"
OURS = "FusionProxy"
COLUMNS_1 = ("FPS", "MUSIQ", "CLIP-IQA", "DeQA", "EN", "MI", "SF", "Qabf", "mAP", "mIoU")

# Table 1, MSRS; None where the paper prints nothing.
TABLE_1: Mapping[str, tuple[float | None, ...]] = {
    "DDFM": (None, 38.16, 0.32, 2.07, 6.38, 12.21, 4.87, 0.13, 71.5, 62.5),
    "Mask-DiFuser": (None, 32.72, 0.46, 2.56, 7.75, 12.39, 13.20, 0.17, 77.2, 65.9),
    "RFfusion": (0.35, 42.81, 0.31, 2.20, 6.96, 11.04, 8.80, 0.47, 68.2, 56.2),
    "Text-IF": (0.85, 43.46, 0.44, 2.25, 6.22, 12.19, 6.46, 0.16, 74.5, 63.8),
    "ControlFusion": (0.90, 51.72, 0.32, 2.43, 6.45, 11.82, 11.39, 0.34, 75.9, 65.1),
    "CDDFuse": (1.14, 44.81, 0.42, 2.23, 6.28, 12.14, 10.89, 0.41, 74.8, 64.3),
    "SegMIF": (1.18, 39.09, 0.27, 2.46, 5.79, 11.68, 7.90, 0.23, 70.1, 59.5),
    "FILM": (2.13, 36.20, 0.32, 2.03, 6.34, 12.14, 7.17, 0.18, 72.4, 62.9),
    "U2Fusion": (2.50, 35.49, 0.44, 2.09, 5.88, 10.35, 8.31, 0.28, 69.8, 61.7),
    "TarDAL": (16.11, 25.44, 0.21, 1.62, 6.16, 6.93, 6.40, 0.12, 65.8, 58.3),
    OURS: (32.16, 48.22, 0.37, 2.38, 6.57, 7.64, 9.33, 0.32, 76.5, 65.4),
}
PAPER_METHODS: Sequence[str] = tuple(name for name in TABLE_1 if name != OURS)


class Perception(NamedTuple):
    """One row of Table 2: detector on M3FD, segmenter on MSRS."""

    map: float
    miou: float


TABLE_2: Mapping[str, Perception] = {
    "visible": Perception(58.2, 49.1),
    OURS: Perception(75.2, 65.4),
}


class Misaligned(NamedTuple):
    """One row of Table 6; its shift and rotation are reconstructed (the text lost them)."""

    shift_px: float
    angle_deg: float
    musiq: float
    ssim: float
    miou: float


TABLE_6: Sequence[Misaligned] = (
    Misaligned(0, 0, 48.22, 0.82, 65.4),
    Misaligned(5, 2, 47.85, 0.79, 64.9),
    Misaligned(10, 4, 46.30, 0.73, 63.2),
    Misaligned(30, 10, 36.15, 0.54, 49.8),
)


# Tables 4 and 7, MSRS, by the names of `fusionproxy.ablations`.
COLUMNS_4 = ("FPS", "MUSIQ", "DeQA", "mAP", "mIoU")
TABLE_4: Mapping[str, tuple[float, ...]] = {
    "4a": (84, 42.7, 2.10, 72.0, 61.5),
    "4b": (84, 46.5, 2.28, 74.1, 63.8),
    "4c": (84, 48.2, 2.38, 75.2, 65.4),
    "4d": (84, 42.5, 2.09, 71.8, 61.0),
    "4e": (84, 45.7, 2.21, 73.5, 63.2),
    "4f": (84, 46.9, 2.30, 74.4, 64.3),
    "4g": (84, 47.0, 2.31, 74.5, 64.6),
    "4h": (84, 48.2, 2.38, 75.2, 65.4),
    "4i": (198, 41.5, 1.78, 63.1, 51.6),
    "4j": (101, 46.8, 2.32, 73.8, 63.9),
    "4k": (122, 46.1, 2.28, 72.5, 62.7),
    "4l": (84, 48.2, 2.38, 75.2, 65.4),
}
COLUMNS_7 = ("MUSIQ", "DeQA", "mIoU")
TABLE_7: Mapping[str, tuple[float, ...]] = {
    "7-0.1": (46.4, 2.29, 63.6),
    "7-0.5": (47.9, 2.36, 65.1),
    "7-1": (48.2, 2.38, 65.4),
    "7-2": (47.6, 2.34, 64.8),
    "7-10": (45.8, 2.24, 63.2),
    "7-inf": (45.7, 2.21, 63.2),
}


def ablated(row: str) -> Mapping[str, float]:
    """Values of a row of Table 4 or 7, by column."""
    if row in TABLE_7:
        return dict(zip(COLUMNS_7, TABLE_7[row], strict=True))
    return dict(zip(COLUMNS_4, TABLE_4[row], strict=True))


def published(method: str, column: str) -> float | None:
    """Value of Table 1; None where there is none."""
    if method not in TABLE_1 or column not in COLUMNS_1:
        return None
    return TABLE_1[method][COLUMNS_1.index(column)]
