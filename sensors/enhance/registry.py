"""Enhancers by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from fusiondrive.arms import TWINS
from fusiondrive.errors import unknown_name
from sensors.enhance.base import U8, Enhancer
from sensors.enhance.contrast import Clahe, Gamma
from sensors.enhance.dehaze import Dehaze
from sensors.fusion import BlankedFuser, StudentFuser, shipped_student


class BlindStudent(Enhancer):
    """A student that was trained without infrared; it gets a grey plane in its place."""

    def __init__(self, name: str) -> None:
        """Load a student that ships with the package.

        Raises:
            WeightsError: its weights are not there.
        """
        student = StudentFuser(shipped_student(name))
        self._student = BlankedFuser(student)
        self.label, self.looks = name, student.looks

    def enhance(self, rgb: U8) -> U8:
        """Run the network on the image and a grey plane."""
        return self._student.fuse(rgb, np.zeros(rgb.shape[:2], np.uint8))

    def weights_hash(self) -> str:
        """First digits of the SHA-256 of the weights file."""
        return self._student.weights_hash()


ENHANCERS: Mapping[str, Callable[[], Enhancer]] = {
    "dehaze": Dehaze,
    "clahe": Clahe,
    "gamma": Gamma,
    **{name: partial(BlindStudent, name) for name in TWINS},
}


def make_enhancer(name: str) -> Enhancer:
    """Build an enhancer by name.

    Raises:
        ConfigError: the name is not known.
        WeightsError: its weights are not there.
    """
    if name not in ENHANCERS:
        raise unknown_name("enhancer", name, ENHANCERS)
    return ENHANCERS[name]()
