"""What frozen perception tells apart: kinds of road users, and classes of pixels."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

PERSON, CYCLIST, CAR = "person", "cyclist", "car"
KINDS = (PERSON, CYCLIST, CAR)  # a car is any motor vehicle with four wheels or more

# CARLA 0.9.16's semantic tags by class; what is not listed is `other`.
SEGMENTS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "other": (),
        "road": (1,),
        "marking": (24,),
        "pavement": (2,),
        "person": (12,),
        "cyclist": (13, 18, 19),  # rider, motorcycle, bicycle
        "vehicle": (14, 15, 16, 17),  # car, truck, bus, train
    }
)
KIND_TAGS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {PERSON: SEGMENTS["person"], CYCLIST: SEGMENTS["cyclist"], CAR: SEGMENTS["vehicle"]}
)
_TABLE = np.zeros(256, np.uint8)
for _number, _tags in enumerate(SEGMENTS.values()):
    _TABLE[list(_tags)] = _number


def segments_of(tags: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """CARLA's class ids, of any shape, as numbers in the order of `SEGMENTS`."""
    return _TABLE[tags]
