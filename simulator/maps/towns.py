"""The towns that ship with the package, in plan coordinates (x east, y north, metres)."""

from __future__ import annotations

from simulator.maps.layout import Crossing, Layout, Profile, Street

_LANE = Profile((3.5,), (3.5,), 2.5, 2.5, 30)
_MAIN = Profile((4.0,), (4.0,), 3.0, 3.0, 50)
_STREET = Profile((4.0,), (4.0,), 3.0, 3.0, 40)
_RING_ROAD = Profile((4.0,), (4.0,), 3.0, 3.0, 60)


def town01() -> Layout:
    """A town of two-lane streets and T-junctions only; blocks of 55-300 m inside a long ring."""
    lit = True
    crossings = {
        "harbour": Crossing(95, 0, has_lights=lit),
        "station": Crossing(310, 0, has_lights=lit),
        "east": Crossing(400, 155, has_lights=lit),
        "brewery": Crossing(310, 320, has_lights=lit),
        "north": Crossing(250, 320),
        "castle": Crossing(95, 320, has_lights=lit),
        "west": Crossing(0, 145),
        "smithy": Crossing(95, 85, has_lights=lit),
        "chapel": Crossing(95, 145, has_lights=lit),
        "garden": Crossing(95, 225, has_lights=lit),
        "bakery": Crossing(310, 85, has_lights=lit),
        "theatre": Crossing(310, 155, has_lights=lit),
        "library": Crossing(310, 225, has_lights=lit),
        "fountain": Crossing(195, 85, has_lights=lit),
        "museum": Crossing(195, 225, has_lights=lit),
        "arcade": Crossing(250, 225, has_lights=lit),
    }
    streets = (
        # the ring, counter-clockwise from the south
        Street("harbour", "station", _RING_ROAD),
        Street("station", "east", _RING_ROAD, via=((400, 0),), corner_radius_m=20.0),
        Street("east", "brewery", _RING_ROAD, via=((400, 320),), corner_radius_m=20.0),
        Street("brewery", "north", _RING_ROAD),
        Street("north", "castle", _RING_ROAD),
        Street("castle", "west", _RING_ROAD, via=((0, 320),), corner_radius_m=20.0),
        Street("west", "harbour", _RING_ROAD, via=((0, 0),), corner_radius_m=20.0),
        # two streets from south to north
        Street("harbour", "smithy", _STREET),
        Street("smithy", "chapel", _STREET),
        Street("chapel", "garden", _STREET),
        Street("garden", "castle", _STREET),
        Street("station", "bakery", _STREET),
        Street("bakery", "theatre", _STREET),
        Street("theatre", "library", _STREET),
        Street("library", "brewery", _STREET),
        # two between these, and what leads to the ring
        Street("smithy", "fountain", _LANE),
        Street("fountain", "bakery", _LANE),
        Street("garden", "museum", _LANE),
        Street("museum", "arcade", _LANE),
        Street("arcade", "library", _LANE),
        Street("fountain", "museum", _LANE),
        Street("arcade", "north", _LANE),
        Street("chapel", "west", _LANE),
        Street("theatre", "east", _LANE),
    )
    return Layout("Town01", crossings, streets)


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


_AVENUE = Profile((3.5, 3.5), (3.5, 3.5), 3.0, 3.0, 50, centre="solid solid")
_BOULEVARD = Profile((3.75, 3.75), (3.75, 3.75), 3.0, 3.0, 60, centre="solid solid")
_NARROW = Profile((3.25,), (3.25,), 2.0, 2.0, 30)
_RING = Profile((5.0,), (), 3.0, 0.0, 30, centre="none")
_RING_RADIUS_M = 24.0
_HILL_M = 5.0


def _crossings_town03() -> dict[str, Crossing]:
    lit, wide = True, 17.0
    ring, hill = _RING_RADIUS_M, _HILL_M
    return {
        "b1": Crossing(95, 0, 0, lit, wide),
        "b2": Crossing(200, 0, 0, lit, wide),
        "r1": Crossing(400, 100, 0, lit, wide),
        "r2": Crossing(400, 200, 0, lit, wide),
        "r3": Crossing(400, 300, 0, lit, wide),
        "t3": Crossing(300, 420, hill, lit, wide),
        "t2": Crossing(200, 420, hill, lit, wide),
        "t1": Crossing(95, 420, hill, lit, wide),
        "l3": Crossing(0, 300, 0, lit, wide),
        "l2": Crossing(0, 200, 0, lit, wide),
        "l1": Crossing(0, 100, 0, lit, wide),
        "a1": Crossing(95, 100, 0, lit, wide),
        "a2": Crossing(200, 100, 0, lit, wide),
        "a3": Crossing(300, 100, 0, lit, wide),
        "c1": Crossing(95, 200, reach_m=12.0),
        "c3": Crossing(300, 200, 0, lit, 12.0),
        "d1": Crossing(95, 300, reach_m=12.0),
        "d2": Crossing(200, 300, 0, lit, 12.0),
        "d3": Crossing(300, 300, 0, lit, 12.0),
        "east": Crossing(200 + ring, 200, reach_m=13.0),
        "north": Crossing(200, 200 + ring, reach_m=13.0),
        "west": Crossing(200 - ring, 200, reach_m=13.0),
        "south": Crossing(200, 200 - ring, reach_m=13.0),
    }


def _circle(start: str, end: str) -> Street:
    return Street(start, end, _RING, "roundabout", circle_radius_m=_RING_RADIUS_M)


def _round(start: str, end: str, corner: tuple[float, float]) -> Street:
    return Street(start, end, _BOULEVARD, "boulevard", (corner,), corner_radius_m=40.0)


def town03() -> Layout:
    """A larger town: boulevard, avenue, roundabout, crossings, a northern row on a hill."""
    streets = (
        # the boulevard, counter-clockwise from the south
        Street("b1", "b2", _BOULEVARD, "boulevard"),
        _round("b2", "r1", (400, 0)),
        Street("r1", "r2", _BOULEVARD, "boulevard"),
        Street("r2", "r3", _BOULEVARD, "boulevard"),
        _round("r3", "t3", (400, 420)),
        Street("t3", "t2", _BOULEVARD, "boulevard"),
        Street("t2", "t1", _BOULEVARD, "boulevard"),
        _round("t1", "l3", (0, 420)),
        Street("l3", "l2", _BOULEVARD, "boulevard"),
        Street("l2", "l1", _BOULEVARD, "boulevard"),
        _round("l1", "b1", (0, 0)),
        Street("r1", "r3", _STREET, "quay", ((470, 100), (470, 300)), corner_radius_m=25.0),
        # the avenue
        Street("l1", "a1", _AVENUE, "avenue"),
        Street("a1", "a2", _AVENUE, "avenue"),
        Street("a2", "a3", _AVENUE, "avenue"),
        Street("a3", "r1", _AVENUE, "avenue"),
        # the roundabout and its arms
        _circle("east", "north"),
        _circle("north", "west"),
        _circle("west", "south"),
        _circle("south", "east"),
        Street("east", "c3", _STREET),
        Street("north", "d2", _STREET),
        Street("west", "c1", _STREET),
        Street("south", "a2", _STREET),
        # streets
        Street("b2", "a2", _STREET),
        Street("c3", "r2", _STREET),
        Street("c1", "l2", _STREET),
        Street("a3", "c3", _STREET),
        Street("c3", "d3", _STREET),
        Street("d3", "r3", _STREET),
        Street("d2", "d3", _STREET),
        Street("b1", "a1", _NARROW),
        Street("a1", "c1", _NARROW),
        Street("l3", "d1", _NARROW),
        Street("d1", "d2", _NARROW, via=((125, 300), (150, 318), (175, 300)), corner_radius_m=20.0),
        # up the hill
        Street("d1", "t1", _NARROW),
        Street("d2", "t2", _STREET),
        Street("d3", "t3", _STREET),
    )
    return Layout("Town03", _crossings_town03(), streets)


_TRACK = Profile((3.5,), (3.5,), 3.0, 3.0, 80, parking_m=2.5)
_TRACK_LOOP = Profile((3.5,), (3.5,), 2.5, 2.5, 50)
_TRACK_M = 700.0


def track() -> Layout:
    """A proving ground for braking tests: a straight road of 680 m with a way back on either side.

    Two lanes with kerbs, pavements and lanes for parked cars, which are actors where a test wants
    them. The ways back let traffic go round.
    """
    crossings = {"west": Crossing(0, 0), "east": Crossing(_TRACK_M, 0)}
    streets = (
        Street("west", "east", _TRACK, "straight"),
        *(
            Street("west", "east", _TRACK_LOOP, "loop", ((0, y), (_TRACK_M, y)))
            for y in (90.0, -90.0)
        ),
    )
    return Layout("track", crossings, streets)
