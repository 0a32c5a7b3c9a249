"""How long an episode's controls take to act: nothing, a fixed time, or the time that was taken."""

from __future__ import annotations

import math

from fusiondrive.errors import ConfigError

NO_LATENCY = "none"
REAL = "real"  # the wall-clock time of fuser and policy, step by step
MOST_MS = 5000.0


def read_latency(text: str) -> str:
    """The latency as rows have it: empty, `real`, or milliseconds.

    Raises:
        ConfigError: it is none of these.
    """
    if text in ("", NO_LATENCY):
        return ""
    if text == REAL:
        return REAL
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= MOST_MS:  # NaN, too
        raise ConfigError(
            f"latency: expected {NO_LATENCY}, {REAL} or 0 to {MOST_MS:g} milliseconds, "
            f"found '{text}'"
        )
    return f"{value:g}" if value else ""
