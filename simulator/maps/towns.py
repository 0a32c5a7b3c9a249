"""The towns that ship with the package, in plan coordinates (x east, y north, metres)."""

from __future__ import annotations

from simulator.maps.layout import Crossing, Layout, Profile, Street

_LANE = Profile((3.5,), (3.5,), 2.5, 2.5, 30)
_MAIN = Profile((4.0,), (4.0,), 3.0, 3.0, 50)


def town02() -> Layout:
    """A small town of two-lane streets: T-junctions, right-angle curves, blocks of 50-100 m."""
    lit = True
    crossings = {
        "west": Crossing(0, 75),
        "northwest": Crossing(0, 145, has_lights=lit),
        "south": Crossing(85, 0),
        "southeast": Crossing(205, 0, has_lights=lit),
        "east": Crossing(265, 75, has_lights=lit),
        "northeast": Crossing(265, 145),
        "north": Crossing(75, 215),
        "market": Crossing(205, 215, has_lights=lit),
        "mill": Crossing(85, 75, has_lights=lit),
        "church": Crossing(150, 75, has_lights=lit),
        "school": Crossing(205, 75, has_lights=lit),
        "well": Crossing(75, 145, has_lights=lit),
        "square": Crossing(150, 145, has_lights=lit),
        "oak": Crossing(205, 145, has_lights=lit),
    }
    streets = (
        # the ring, counter-clockwise from the south-west corner
        Street("west", "south", _MAIN, via=((0, 0),)),
        Street("south", "southeast", _MAIN),
        Street("southeast", "east", _MAIN, via=((265, 0),)),
        Street("east", "northeast", _MAIN),
        Street("northeast", "market", _MAIN, via=((265, 215),)),
        Street("market", "north", _MAIN),
        Street("north", "northwest", _MAIN, via=((0, 215),)),
        Street("northwest", "west", _MAIN),
        # lower cross street
        Street("west", "mill", _LANE),
        Street("mill", "church", _LANE),
        Street("church", "school", _LANE),
        Street("school", "east", _LANE),
        # upper cross street
        Street("northwest", "well", _LANE),
        Street("well", "square", _LANE),
        Street("square", "oak", _LANE),
        Street("oak", "northeast", _LANE),
        # between them
        Street("south", "mill", _LANE),
        Street("southeast", "school", _LANE),
        Street("church", "square", _LANE),
        Street("north", "well", _LANE),
        Street("market", "oak", _LANE),
    )
    return Layout("Town02", crossings, streets)
