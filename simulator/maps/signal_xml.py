"""How signals and the controllers that group them stand in an OpenDRIVE document."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree as ET

LIGHT_TYPE = "1000001"
STOP_TYPE = "206"


class Foot(NamedTuple):
    """Where a pole stands in OpenDRIVE's plan (y north); the heading is that of its traffic."""

    x: float  # m
    y: float  # m
    z: float  # m
    heading: float  # rad


class RoadSignal(NamedTuple):
    """A signal and the lanes of a road that it stops."""

    signal_id: str
    name: str
    s: float  # m, of the stop line
    t: float  # m, of the pole
    is_along: bool  # whether its traffic drives towards larger s
    lanes: tuple[tuple[int, int], ...]  # ranges of lane ids
    foot: Foot
    kind: str = LIGHT_TYPE


def decimal(value: float) -> str:
    """A number as it is written into a document."""
    return f"{value + 0.0:.9g}"


def add_signal(road: ET.Element, signal: RoadSignal) -> None:
    """Add a signal to its road."""
    element = ET.Element(
        "signal",
        name=signal.name,
        id=signal.signal_id,
        s=decimal(signal.s),
        t=decimal(signal.t),
        zOffset="0",
        hOffset="0" if signal.is_along else decimal(math.pi),
        roll="0",
        pitch="0",
        orientation="+" if signal.is_along else "-",
        dynamic="yes" if signal.kind == LIGHT_TYPE else "no",
        country="OpenDRIVE",
        type=signal.kind,
        subtype="-1",
        value="-1",
        text="",
        height="1.16",
        width="0.52",
    )
    for low, high in signal.lanes:
        ET.SubElement(element, "validity", fromLane=str(low), toLane=str(high))
    foot = signal.foot
    position = {"x": foot.x, "y": foot.y, "z": foot.z, "hdg": foot.heading}
    texts = {name: decimal(value) for name, value in position.items()}
    ET.SubElement(element, "positionInertial", texts | {"pitch": "0", "roll": "0"})
    signals = road.find("signals")
    if signals is None:
        signals = ET.SubElement(road, "signals")
    signals.append(element)


def add_controllers(
    controllers: ET.Element, junction: ET.Element, first_id: int, phases: Sequence[Sequence[str]]
) -> None:
    """Name the signals of a junction that are green together, one controller for each phase.

    Args:
        controllers: what collects the controllers of the document.
        junction: that the signals guard.
        first_id: of its controllers.
        phases: ids of the signals.
    """
    for sequence, phase in enumerate(phases):
        text = str(first_id + sequence)
        controller = ET.SubElement(controllers, "controller", id=text)
        controller.set("name", f"ctrl{text}")
        controller.set("sequence", str(sequence))
        for signal_id in phase:
            ET.SubElement(controller, "control", signalId=signal_id, type="")
        ET.SubElement(junction, "controller", id=text, type="0", sequence=str(sequence))
