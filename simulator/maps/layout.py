"""How an authored town is described: profiles, crossings and the streets between them.

Plan coordinates are OpenDRIVE's (right-handed: x east, y north, metres); CARLA flips y.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

SHOULDER_M = 0.3  # gutter with the kerb, as wide as in CARLA's Town02


@dataclass(frozen=True)
class Profile:
    """Cross-section of a street; lane widths run from the centre line outwards."""

    forward: tuple[float, ...]  # lanes driven from the street's start to its end, m
    backward: tuple[float, ...]  # lanes driven the other way, m
    sidewalk_right_m: float
    sidewalk_left_m: float
    speed_kmh: int
    centre: str = "broken"  # yellow mark: broken, solid, solid solid (two lines), broken solid
    road_type: str = "town"
    shoulder_m: float = SHOULDER_M  # on either side, kerb included
    parking_m: float = 0.0  # lane for parked cars between driving lanes and shoulder, either side
    turning_m: float = 0.0  # lane between the directions in which either waits to turn left

    @property
    def half_width_m(self) -> float:
        """Distance from the centre line to the far edge of the wider side's pavement."""
        lanes = max(sum(self.forward), sum(self.backward))
        sidewalk = max(self.sidewalk_right_m, self.sidewalk_left_m)
        return self.turning_m / 2.0 + lanes + self.parking_m + self.shoulder_m + sidewalk


class Crossing(NamedTuple):
    """A point where streets meet."""

    x: float
    y: float
    z: float = 0.0
    has_lights: bool = False
    reach_m: float = 11.0  # from the point to where its streets begin


@dataclass(frozen=True)
class Street:
    """A street between two crossings, around corners or along a circle."""

    start: str
    end: str
    profile: Profile
    name: str = ""
    via: tuple[tuple[float, float], ...] = ()
    corner_radius_m: float = 16.0
    circle_radius_m: float | None = None  # one arc that turns left, for roundabouts


@dataclass(frozen=True)
class Layout:
    """A whole town."""

    name: str
    crossings: dict[str, Crossing]
    streets: tuple[Street, ...] = field(default=())
