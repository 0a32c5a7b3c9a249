"""One run of a track test as one row; see `harness.track`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from results.row import FlatRow

OUTCOMES: tuple[str, ...] = (
    "avoided",  # no contact
    "hit",
    "quiet",  # nobody was in the way, and it did not brake
    "false_alarm",
    "sim_error",
)
# The columns that an identity is made of; another version of the tests is another identity.
IDENTITY: tuple[str, ...] = (
    *("version", "package_version", "backend", "look", "simulator_version", "map", "town"),
    *(
        "weather",
        "weather_digest",
        "test",
        "speed_kmh",
        "arm",
        "fuser_weights",
        "thermal",
        "thermal_look",
    ),
    *("detector", "detector_weights", "seed"),
)


@dataclass(frozen=True)
class TrackRow(FlatRow):
    """Flat, JSON-ready; what a run did not give is None."""

    identity: str  # `identity_of` the others
    version: int  # of the tests' definitions
    package_version: str
    backend: str  # embedded | embedded-gl | unreal
    simulator_version: str
    map: str  # authored:<digest> | carla:<digest>
    town: str
    weather: str
    test: str
    speed_kmh: int  # the test speed
    arm: str
    fuser_label: str
    fuser_weights: str
    detector: str
    detector_weights: str
    is_privileged: bool  # the detector knows the actors
    seed: int
    outcome: str
    look: int | None = None
    range_m: float | None = None  # meteorological optical range
    impact_kmh: float | None = None  # the car's speed at the contact; 0 where it was avoided
    closing_kmh: float | None = None  # the same less the target's speed along the road
    struck: float | None = None  # share of the car's width from the near side
    seen_at_m: float | None = None  # from bumper to target when it was detected first
    brake_at_m: float | None = None  # the same when braking was decided
    brake_ttc_s: float | None = None  # time to collision then, at constant speeds
    least_gap_m: float | None = None  # along the road, while the target was in the car's way
    decel_mps2: float | None = None  # mean of the braking
    steps: int | None = None
    error: str = ""
    wall_seconds: float | None = None
    wall_finished: str = ""  # UTC, ISO 8601
    commit: str = ""
    weather_digest: str = ""  # of a weather file
    thermal: str = ""  # settings of the thermal camera, where the arm's image is looked at
    thermal_look: int | None = None  # version of its pictures, likewise

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"unknown outcome '{self.outcome}'; known: {', '.join(OUTCOMES)}")


def identity_of(values: Mapping[str, Any]) -> str:
    """SHA-256 over the columns in `IDENTITY`, first 16 hex digits."""
    text = json.dumps([[name, values[name]] for name in sorted(IDENTITY)], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
