"""What a report keeps of a trace: its columns by route position, and the times of its stages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusiondrive.errors import ConfigError
from harness.report.alignment import TAKEN, Along, along
from results.trace import load_trace

STAGES = {  # of a step, in its order: columns of the trace, and what they are called
    "wall_tick_ms": "simulator",
    "wall_images_ms": "images",
    "wall_thermal_ms": "thermal",
    "wall_enhance_ms": "enhancement",
    "wall_fusion_ms": "fusion",
    "wall_policy_ms": "policy",
}


class Traced(NamedTuple):
    """A trace without what no part of a report shows: a run may have thousands of them."""

    path: Along
    stages_ms: Mapping[str, NDArray[np.float32]]  # each (steps,), NaN where a stage did not run


def read_traced(file: Path) -> Traced:
    """Read what a report needs of a trace.

    Raises:
        ConfigError: the file is no trace, cannot be read, or has no steps.
    """
    frame = load_trace(file, (*TAKEN, *STAGES))
    if frame.empty:
        raise ConfigError(f"{file}: expected the steps of a drive, found none")
    stages = {
        name: frame[name].to_numpy(dtype=np.float32, na_value=np.nan)
        for name in STAGES
        if name in frame
    }
    return Traced(along(frame), stages)
