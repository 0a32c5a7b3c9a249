"""What one episode is: everything that changes its outcome and is chosen by the user."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import unknown_name

TRAFFICS: tuple[str, ...] = ("empty", "regular", "dense")
COLLISION_MODES: tuple[str, ...] = ("stop", "continue")


@dataclass(frozen=True)
class EpisodeSpec:
    """One drive of one policy along one route."""

    town: str
    route_id: str
    weather: str
    input: str
    fuser: str
    policy: str
    seed: int
    traffic: str = "empty"
    collision_mode: str = "stop"

    def __post_init__(self) -> None:
        if self.traffic not in TRAFFICS:
            raise unknown_name("traffic", self.traffic, TRAFFICS)
        if self.collision_mode not in COLLISION_MODES:
            raise unknown_name("collision mode", self.collision_mode, COLLISION_MODES)
