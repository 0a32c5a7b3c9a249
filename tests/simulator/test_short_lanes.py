"""Pieces of lanes without length, at which a route planner fails, are repaired when read."""

from __future__ import annotations

import hashlib
import logging

import carla
import pytest

from simulator.maps.loading import build_town
from simulator.maps.short_lanes import pieces_without_length

CENTER = '<center><lane id="0" type="none"/></center>'


def lanes(*numbers: int, before: bool = False, after: bool = False) -> str:
    """Driving lanes that are joined to those of the same number before and after them."""
    text = ""
    for number in numbers:
        link = f'<predecessor id="{number}"/>' if before else ""
        link += f'<successor id="{number}"/>' if after else ""
        text += f'<lane id="{number}" type="driving"><link>{link}</link>'
        text += '<width sOffset="0" a="3.5" b="0" c="0" d="0"/></lane>'
    return text


def section(s: float, *, before: bool = False, after: bool = False) -> str:
    own = lanes(-1, -2, before=before, after=after)
    return f'<laneSection s="{s!r}">{CENTER}<right>{own}</right></laneSection>'


def road(number: int, x: float, length: float, link: str, sections: str) -> str:
    return (
        f'<road name="{number}" id="{number}" junction="-1" length="{length!r}"><link>{link}</link>'
        f'<planView><geometry s="0" x="{x!r}" y="50" hdg="0" length="{length!r}"><line/></geometry>'
        f"</planView><lanes>{sections}</lanes></road>"
    )


def document(*roads: str) -> str:
    head = '<header revMajor="1" revMinor="4" name="é"><geoReference>+proj=tmerc</geoReference>'
    return f"<OpenDRIVE>{head}</header>{''.join(roads)}</OpenDRIVE>"


def successor(number: int) -> str:
    return f'<successor elementType="road" elementId="{number}" contactPoint="start"/>'


def predecessor(number: int) -> str:
    return f'<predecessor elementType="road" elementId="{number}" contactPoint="end"/>'


SPLIT = document(
    road(
        1, 0.0, 100.0, "",
        section(0.0, after=True) + section(40.0, before=True, after=True)
        + section(40.0 + 2e-7, before=True, after=True) + section(100.0 - 1e-7, before=True),
    )
)  # fmt: skip
FIRST = road(1, 0.0, 100.0, successor(2), section(0.0, after=True))
LAST = road(3, 100.0, 100.0, predecessor(2), section(0.0, before=True))
TINY = road(
    2, 100.0, 1e-7, predecessor(1) + successor(3), section(0.0, before=True, after=True)
)  # fmt: skip
TINY_SPLIT = TINY.replace("</lanes>", section(5e-8, before=True, after=True) + "</lanes>")
TINY_ROAD, SPLIT_ROAD = (document(FIRST, one, LAST) for one in (TINY, TINY_SPLIT))
SOUND = document(FIRST.replace('"2"', '"3"'), LAST.replace('"2"', '"1"'))
STUB = f'<laneSection s="0"><left>{lanes(1)}</left>{CENTER}</laneSection>'
DEAD_END = SOUND.replace("</OpenDRIVE>", road(2, 300.0, 1e-3, "", STUB) + "</OpenDRIVE>")


def directions(carla_map: carla.Map) -> int:
    """What CARLA's GlobalRoutePlanner asks of each segment; raises where there is no direction."""
    segments = carla_map.get_topology()
    for begin, end in segments:
        (end.transform.location - begin.transform.location).make_unit_vector()
    return len(segments)


@pytest.mark.parametrize("text", [SPLIT, TINY_ROAD, SPLIT_ROAD], ids=["sections", "road", "both"])
def test_a_route_planner_gets_a_direction_for_every_segment(text):
    faulty = carla.Map("Town", text)
    assert len(pieces_without_length(faulty)) >= 2
    with pytest.raises(RuntimeError):
        directions(faulty)
    town = build_town("Town", "carla", text, "Town.xodr")
    assert directions(carla.Map("Town", town.xodr)) == len(faulty.get_topology())


def test_the_lanes_stay_where_they_were():
    before = carla.Map("Town", SPLIT)
    after = carla.Map("Town", build_town("Town", "carla", SPLIT, "Town.xodr").xodr)
    for s in (10.0, 39.9, 40.5, 99.0):
        one, two = (m.get_waypoint_xodr(1, -2, s).transform for m in (before, after))
        assert one.location.distance(two.location) < 1e-3
    ahead = after.get_waypoint_xodr(1, -1, 30.0).next(40.0)
    assert [round(waypoint.s) for waypoint in ahead] == [70]


def test_the_hash_is_that_of_the_text_which_is_served_and_the_log_says_so(caplog):
    with caplog.at_level(logging.WARNING):
        town = build_town("Town", "carla", SPLIT, "Town.xodr")
    assert town.unrepaired == SPLIT != town.xodr
    assert town.digest == hashlib.sha256(town.xodr.encode()).hexdigest()[:12]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("Town.xodr: ")
    assert "(roads 1)" in line
    assert "é" in town.xodr


def test_a_sound_map_is_served_as_it_is(caplog):
    town = build_town("Town", "carla", SOUND, "Town.xodr")
    assert (town.xodr, town.unrepaired) == (SOUND, "")
    assert not caplog.records


def test_a_lane_of_a_millimetre_that_leads_nowhere_is_closed():
    with pytest.raises(RuntimeError):
        directions(carla.Map("Town", DEAD_END))
    town = build_town("Town", "carla", DEAD_END, "Town.xodr")
    assert directions(carla.Map("Town", town.xodr)) == directions(carla.Map("Town", SOUND))
