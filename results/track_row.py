"""One run of a track test as one row; see `harness.track`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from results.columns import column
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

    identity: str = column("hash of what decides the outcome (`IDENTITY` in the same file)")
    version: int = column("of the tests' definitions")
    package_version: str = column("version of FusionDrive")
    backend: str = column("who rendered: `embedded`, `embedded-gl` or `unreal`")
    simulator_version: str = column("what the server says of itself")
    map: str = column("`authored:` (ours) or `carla:` (CARLA's own), and the map's hash")
    town: str = column("where the test is set up")
    weather: str = column("name of the weather or level")
    test: str = column("name of the test")
    speed_kmh: int = column("test speed of the car")
    arm: str = column("how the detector's image was made")
    fuser_label: str = column("what tables call the arm's fuser or enhancer")
    fuser_weights: str = column("hash of its weights, or `none`")
    detector: str = column("what looked at the image")
    detector_weights: str = column("hash of its weights, or `none`")
    is_privileged: bool = column("whether the detector knows the actors, as no real one does")
    seed: int = column("of what is drawn")
    outcome: str = column("avoided, hit, quiet, false_alarm, or sim_error (nothing was measured)")
    look: int | None = column("version of the embedded renderer's pictures", None)
    range_m: float | None = column("meteorological optical range, m; missing without fog", None)
    impact_kmh: float | None = column("the car's speed at the contact; 0 if avoided", None)
    closing_kmh: float | None = column("the same less the target's speed along the road", None)
    struck: float | None = column("where it hit: share of the car's width from the near side", None)
    seen_at_m: float | None = column("bumper to target when it was detected first, m", None)
    brake_at_m: float | None = column("bumper to target when braking was decided, m", None)
    brake_ttc_s: float | None = column("time to collision then at constant speeds, s", None)
    least_gap_m: float | None = column(
        "least gap along the road while the target was in the car's way, m", None
    )
    decel_mps2: float | None = column("mean of the braking, m/s2", None)
    steps: int | None = column("control steps", None)
    error: str = column("the reason of a sim_error", "")
    wall_seconds: float | None = column("wall-clock time of the run", None)
    wall_finished: str = column("when it ended, UTC, ISO 8601", "")
    commit: str = column("of the source that drove it", "")
    weather_digest: str = column("hash of a weather file's weather", "")
    thermal: str = column("settings of the thermal camera, where its image is used", "")
    thermal_look: int | None = column("version of its pictures, likewise", None)

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"unknown outcome '{self.outcome}'; known: {', '.join(OUTCOMES)}")


def identity_of(values: Mapping[str, Any]) -> str:
    """SHA-256 over the columns in `IDENTITY`, first 16 hex digits."""
    text = json.dumps([[name, values[name]] for name in sorted(IDENTITY)], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
