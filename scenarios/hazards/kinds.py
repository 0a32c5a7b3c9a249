"""The hazards by name, what a user writes for them, and how far away they have to be seen."""

from __future__ import annotations

from collections.abc import Iterable

from fusiondrive.errors import ConfigError, unknown_name
from fusiondrive.plugins import REFERENCE, announced
from scenarios.hazards.own import GROUP, is_own

# Names of CARLA Leaderboard 2's scenario types (https://leaderboard.carla.org/scenarios/).
HAZARDS: dict[str, str] = {
    "DynamicObjectCrossing": "a person walks from the pavement across the lane",
    "ParkingCrossingPedestrian": "a person steps out from behind a van parked at the kerb",
    "ParkedObstacle": "a car without lights has broken down in the lane",
    "HazardAtSideLane": "a slow cyclist rides along the right side of the lane",
    "HardBreakRoute": "the car ahead brakes as hard as it can",
}
HAZARDS_VERSION = 1
"""Raise it by one whenever the same route and seed come out with another place, actor or script.

It is part of frozen benchmarks.
"""
NONE, ALL, ROUTE = "none", "all", "route"
SEPARATOR = ","

BICYCLES = ("vehicle.bh.crossbike", "vehicle.diamondback.century", "vehicle.gazelle.omafiets")

REACTION_S = 0.5
DECELERATION = 7.0  # m/s^2, on a dry road; so EVALUATION of emergency braking takes it
DESIGN_SPEED_KMH = 35  # of a route that asks for none; the expert's
SPEED_RANGE_KMH = (10, 120)


def stopping_m(speed_mps: float) -> float:
    """Metres to a standstill: 0.5 s of reaction, then 7 m/s^2."""
    return REACTION_S * speed_mps + speed_mps**2 / (2.0 * DECELERATION)


def read_hazards(text: str | Iterable[str]) -> str:
    """What rows call a choice of hazards.

    Args:
        text: `none`, `all`, `route` (the route file's own), or names, in a list or with commas
            between them; `all` are those of `HAZARDS`, and other packages' go by their own names.

    Returns:
        The names in the order of `HAZARDS` with commas between them and other packages' behind
        them, `route`, or nothing.

    Raises:
        ConfigError: a name is unknown, given twice, or stands beside one that excludes it.
    """
    parts = text.split(SEPARATOR) if isinstance(text, str) else list(text)
    names = [part.strip() for part in parts if part.strip()]
    for name in names:
        if name not in (NONE, ALL, ROUTE, *HAZARDS) and not is_own(name):
            raise unknown_name(
                "hazard", name, (NONE, ALL, ROUTE, *HAZARDS, *announced(GROUP), REFERENCE)
            )
    if len(names) > 1 and (alone := next((n for n in names if n in (NONE, ALL, ROUTE)), None)):
        raise ConfigError(f"hazards '{alone}' stands alone; found {SEPARATOR.join(names)}")
    if len(set(names)) != len(names):
        raise ConfigError(f"hazard given twice: {SEPARATOR.join(names)}")
    if names in ([], [NONE]):
        return ""
    if names == [ROUTE]:
        return ROUTE
    ours = [name for name in HAZARDS if names == [ALL] or name in names]
    return SEPARATOR.join([*ours, *(name for name in names if name not in (ALL, *HAZARDS))])


def hazard_names(chosen: str) -> tuple[str, ...]:
    """The names in what `read_hazards` returned; none for `route`."""
    return () if chosen in ("", ROUTE) else tuple(chosen.split(SEPARATOR))


def check_speed(speed_kmh: int | None) -> None:
    """Refuse a design speed that no town's street has.

    Raises:
        ConfigError: it is outside of 10 to 120 km/h.
    """
    low, high = SPEED_RANGE_KMH
    if speed_kmh is not None and not low <= speed_kmh <= high:
        raise ConfigError(f"speed: expected {low} to {high} km/h, found {speed_kmh}")


def design_speed_mps(speed_kmh: int | None) -> float:
    """The speed in m/s for which hazards are placed."""
    return (DESIGN_SPEED_KMH if speed_kmh is None else speed_kmh) / 3.6
