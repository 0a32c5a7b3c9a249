"""The street lamps of a town as CARLA's light manager knows them: lit at night or by clients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from simulator.errors import ActorError
from simulator.net import wire
from simulator.render.weather import light_of
from simulator.types import F32, Weather

_STREET = 2  # carla::rpc::LightState::LightGroup
_COLOR = [255, 189, 107]  # of sodium light, as lamps are drawn
_INTENSITY_LM = 1000.0


@dataclass
class _Lamp:
    """What a client said of a lamp."""

    intensity: float = _INTENSITY_LM
    group: int = _STREET
    color: list[int] = field(default_factory=lambda: list(_COLOR))
    is_on: bool | None = None  # None: as the sun has it


class StreetLights:
    """All lamps; ids count from 1 in the order of the scenery."""

    def __init__(self, places: F32, weather: Weather) -> None:
        self._places: list[list[float]] = places.astype(float).tolist()
        self._told: dict[int, _Lamp] = {}
        self._is_night = _is_night(weather)
        self._is_changed = False

    def follow(self, weather: Weather) -> None:
        """Let the sun switch the lamps that no client has switched."""
        night = _is_night(weather)
        self._is_changed |= night != self._is_night
        self._is_night = night

    def take_change(self) -> bool:
        """Whether clients have to ask anew; once for each change."""
        changed, self._is_changed = self._is_changed, False
        return changed

    def states(self) -> list[Any]:
        """LightState of each lamp."""
        found = []
        for number, place in enumerate(self._places, 1):
            lamp = self._told.get(number, _Lamp())
            on = self._is_night if lamp.is_on is None else lamp.is_on
            spot = wire.vector(place)
            found.append([number, spot, lamp.intensity, lamp.group, list(lamp.color), on])
        return found

    def update(self, rows: list[Any]) -> None:
        """Take the LightStates that a client sends.

        Raises:
            ActorError: there is no such lamp.
        """
        for number, _, intensity, group, color, on in rows:
            if not 1 <= int(number) <= len(self._places):
                raise ActorError(f"no street light {number}; ids are 1 to {len(self._places)}")
            rgb = [int(v) & 0xFF for v in color]
            self._told[int(number)] = _Lamp(float(intensity), int(group) & 0xFF, rgb, bool(on))
        self._is_changed = True

    def set_cycle(self, *, active: bool) -> None:
        """Let the sun switch all lamps, or leave them as they are now."""
        if active:
            self._told.clear()
        else:
            for number in range(1, len(self._places) + 1):
                lamp = self._told.setdefault(number, _Lamp())
                lamp.is_on = self._is_night if lamp.is_on is None else lamp.is_on
        self._is_changed = True

    def dark(self) -> frozenset[int]:
        """Ids of the lamps that a client switched off; they do not shine at night either."""
        return frozenset(n for n, lamp in self._told.items() if lamp.is_on is False)


def _is_night(weather: Weather) -> bool:
    return light_of(weather, 0.0).lamp > 0.0
