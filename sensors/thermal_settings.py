"""What a user may choose of the thermal camera: how fog dims it, and faults to stress with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from fusiondrive.errors import ConfigError, unknown_name

THERMAL_LOOK = 2
"""Version of the thermal pictures, as RENDER_VERSION is of the visible ones.

Raise it by one whenever a thermal picture of the same street comes out different by more than
rounding. It is a number of its own, so that what never saw a thermal picture stays valid.
Version 2: fog takes a named share of the visible extinction, clouds and fog even temperatures out,
paint is a film on the road, emissivity falls with the angle on all smooth surfaces.
"""
POLARITIES = ("normal", "flip")
_NUMBER = re.compile(r"-?\d+(\.\d*)?|-?\.\d+")


class Span(NamedTuple):
    """The values that a setting may have, and the unit that may follow them."""

    least: float
    most: float
    unit: str = ""


SPANS: Mapping[str, Span] = {
    "fog_ratio": Span(0.0, 2.0),
    "contrast": Span(0.0, 1.0),
    "noise": Span(0.0, 64.0),
    "shift": Span(-200.0, 200.0, "px"),
    "rotation": Span(-45.0, 45.0, "deg"),
    "freeze": Span(0.0, 10.0, "s"),
    "dropout": Span(0.0, 1.0),
    "latency": Span(0.0, 5.0, "s"),
}


@dataclass(frozen=True)
class ThermalSettings:
    """One physical setting, then faults; the defaults are a camera without faults.

    Attributes:
        fog_ratio: infrared extinction of fog as a share of the visible one, 0 to 2. About 0.1 in
            light radiation fog (Beier and Gemperlein 2004), near 1 in dense natural fog, whose
            droplets are larger than the wavelength (Hagen 2018).
        polarity: `flip` shows warm things dark.
        contrast: share of the differences from the image's mean that is left, 0 to 1.
        noise: standard deviation of further noise, grey levels.
        shift: pixels by which the image lies too far to the right.
        rotation: degrees by which it is turned clockwise about its centre.
        freeze: seconds for which it stands still once in every 10 s, as while a shutter closes.
        dropout: share of the images that are lost and black.
        latency: seconds by which it is late.
    """

    fog_ratio: float = 0.5
    polarity: str = "normal"
    contrast: float = 1.0
    noise: float = 0.0
    shift: float = 0.0
    rotation: float = 0.0
    freeze: float = 0.0
    dropout: float = 0.0
    latency: float = 0.0

    def __post_init__(self) -> None:
        if self.polarity not in POLARITIES:
            raise unknown_name("thermal polarity", self.polarity, POLARITIES)
        for name, span in SPANS.items():
            if not span.least <= getattr(self, name) <= span.most:
                raise _beyond(name, f"{getattr(self, name):g}")

    @property
    def has_faults(self) -> bool:
        """Whether anything is to be done to the finished images."""
        return replace(self, fog_ratio=0.5) != ThermalSettings()

    @property
    def text(self) -> str:
        """The settings as `fog_ratio=0.5,shift=5px`; faults that are not there are left out."""
        usual = ThermalSettings()
        parts = [f"fog_ratio={self.fog_ratio:g}"]
        for name in (field.name for field in fields(self)[1:]):
            value = getattr(self, name)
            if value != getattr(usual, name):
                is_text = isinstance(value, str)
                parts.append(f"{name}={value if is_text else f'{value:g}{SPANS[name].unit}'}")
        return ",".join(parts)


def read_thermal(given: object) -> ThermalSettings:
    """Settings as users write them: `fog_ratio=0.5,shift=5px`, or a mapping of the same.

    Raises:
        ConfigError: a key is unknown, a value is none or beyond its span.
    """
    pairs = given.items() if isinstance(given, Mapping) else _pairs(given)
    known, values = [field.name for field in fields(ThermalSettings)], dict[str, Any]()
    for key, value in pairs:
        if key not in known:
            raise unknown_name("thermal setting", str(key), known)
        if key in values:
            raise ConfigError(f"thermal setting '{key}' was given twice")
        values[key] = str(value) if key == "polarity" else _number(key, str(value))
    return ThermalSettings(**values)


def thermal_text(given: object) -> str:
    """The one way to write settings, for configurations and rows.

    Raises:
        ConfigError: as `read_thermal`.
    """
    return read_thermal(given).text


def _pairs(given: object) -> list[tuple[str, str]]:
    if not isinstance(given, str):
        raise ConfigError(
            f"thermal: expected text such as fog_ratio=0.5,shift=5px or a mapping, found {given!r}"
        )
    found = []
    for part in filter(None, (part.strip() for part in given.split(","))):
        key, equals, value = part.partition("=")
        if not equals:
            raise ConfigError(f"thermal: expected KEY=VALUE such as fog_ratio=0.5, found '{part}'")
        found.append((key.strip(), value.strip()))
    return found


def _number(name: str, text: str) -> float:
    bare = text.removesuffix(SPANS[name].unit).strip()
    if not _NUMBER.fullmatch(bare):
        raise _beyond(name, text)
    return float(bare) + 0.0  # no negative zero, which would be written another way


def _beyond(name: str, found: str) -> ConfigError:
    least, most, unit = SPANS[name]
    behind = f" {unit}" if unit else ""
    return ConfigError(
        f"thermal setting '{name}': expected {least:g} to {most:g}{behind}, found '{found}'"
    )
