"""One episode as one row: what was driven, on what, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

OUTCOMES: tuple[str, ...] = (
    "success",
    "collision",
    "timeout",
    "blocked",
    "deviation",
    "agent_error",
    "sim_error",
)
# Ids and hashes go out with a letter in front: pandas and Excel read "00" as 0 and the hash
# "4512e9876543" as infinity. Rows that were written without letters are read as well.
LETTERS = {
    "identity": "h",
    "route_id": "r",
    "route_digest": "h",
    "fuser_weights": "h",
    "policy_weights": "h",
}
NO_WEIGHTS = "none"  # is no hash, and goes without a letter


@dataclass(frozen=True)
class EpisodeRow:
    """Flat, JSON-ready; numbers that a failed simulator did not give are None."""

    identity: str  # see results.identity
    package_version: str
    backend: str  # embedded | embedded-gl | unreal: who rendered, wherever it ran
    simulator_version: str
    map: str  # authored:<digest> | carla:<digest>
    town: str
    route_id: str
    route_digest: str
    route_length_m: float
    weather: str
    input: str
    fuser: str  # none where the input is not fused
    fuser_label: str  # such as `student (oracle)`
    fuser_weights: str
    policy: str
    policy_weights: str
    traffic: str
    collision_mode: str
    seed: int
    outcome: str
    look: int | None = None  # version of the embedded renderer's pictures; rows of old have none
    reached_2m: bool | None = None
    reached_5m: bool | None = None
    reached_10m: bool | None = None
    completion: float | None = None  # share of the route
    driving_score: float | None = None  # 0..100
    distance_m: float | None = None
    duration_s: float | None = None  # simulated
    collisions: int | None = None
    collisions_vehicle: int | None = None
    collisions_pedestrian: int | None = None
    collisions_static: int | None = None
    collisions_other: int | None = None
    lane_infractions: int | None = None
    off_road: int | None = None
    wrong_way: int | None = None
    lane_crossings: int | None = None
    outside_m: float | None = None
    red_lights: int | None = None
    steps: int | None = None
    vehicles: int | None = None  # other vehicles that were spawned
    walkers: int | None = None
    error: str = ""  # the reason of an agent_error or a sim_error
    # These, and no others, differ between equal runs.
    wall_attempts: int = 1
    wall_seconds: float | None = None
    wall_steps_per_s: float | None = None
    wall_client_rss_mb: float | None = None
    wall_server_rss_mb: float | None = None
    wall_finished: str = ""  # UTC, ISO 8601
    weather_digest: str = ""  # of the weather that a route file gives, where it was driven
    unserved: str = ""  # what the route's file has beside what is served, with counts
    route_notes: str = ""  # what of the planned route is implausible

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"unknown outcome '{self.outcome}'; known: {', '.join(OUTCOMES)}")

    @property
    def is_driven(self) -> bool:
        """Whether the simulator held out, so that the row says something of driving."""
        return self.outcome != "sim_error"

    def to_dict(self) -> dict[str, Any]:
        """All columns, in order, as files have them: ids and hashes with their letter."""
        return lettered(asdict(self))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EpisodeRow:
        """Read a row back, with letters before its ids or from before there were any.

        Columns of other versions that are unknown here are refused.

        Raises:
            ValueError: a column is unknown or a required one is missing.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"unknown column '{unknown[0]}'")
        try:
            return cls(**_unlettered(values))
        except TypeError as err:
            raise ValueError(str(err)) from err


def lettered(values: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of a row or table as files have them, see `LETTERS`."""
    return {
        name: f"{LETTERS[name]}{value}" if name in LETTERS and value != NO_WEIGHTS else value
        for name, value in values.items()
    }


def _unlettered(values: Mapping[str, Any]) -> dict[str, Any]:
    """The reverse. An identity is a bare hash in rows of old, and no hash begins with an h."""
    if not str(values.get("identity", "")).startswith(LETTERS["identity"]):
        return dict(values)
    return {
        name: str(value).removeprefix(LETTERS[name])
        if name in LETTERS and value != NO_WEIGHTS
        else value
        for name, value in values.items()
    }
