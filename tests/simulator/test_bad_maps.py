"""Broken OpenDRIVE: one line that names file, line and reason; never a crash, never a hang."""

import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import carla
import pytest

from simulator.maps import MapError, load_town
from simulator.maps.loading import AUTHORED
from simulator.maps.opendrive import write_opendrive

ROOT = Path(__file__).parents[2]


@cache
def good() -> str:
    return write_opendrive(AUTHORED["Town02"]())


def first(pattern: str, new: str) -> Callable[[str], str]:
    """Replace the first match."""
    return lambda text: re.sub(pattern, new, text, count=1, flags=re.DOTALL)


def every(pattern: str, new: str) -> Callable[[str], str]:
    return lambda text: re.sub(pattern, new, text, flags=re.DOTALL)


ROAD_LENGTH = r'(<road name="[^"]*" length=)"[^"]*"'
GEOMETRY = r'(<geometry [^>]*\b{}=)"[^"]*"'
CASES = {
    "empty": (lambda _: "", "it is empty"),
    "blank": (lambda _: " \n", "it is empty"),
    "text": (lambda _: "Town02", "not XML: syntax error: line 1"),
    "cut off": (lambda text: text[: len(text) // 2], r"not XML: .* line \d+"),
    "web page": (lambda _: "<html></html>", "root element is <html>"),
    "no roads": (lambda _: "<OpenDRIVE/>", "no driving lanes in its 0 roads"),
    "no lanes": (every('type="driving"', 'type="none"'), r"no driving lanes in its \d+ roads"),
    "entities": (
        lambda text: '<!DOCTYPE a [<!ENTITY b "c">]>' + text.split("\n", 1)[1],
        "XML with entities or a DTD is not accepted",
    ),
    "deep": (lambda _: "<a>" * 999 + "</a>" * 999, "nested deeper than 64"),
    "zero-length road": (first(ROAD_LENGTH, r'\1"0"'), "line 6: road 0: its length is '0'"),
    "infinite road": (first(ROAD_LENGTH, r'\1"inf"'), "line 6: road 0: its length is 'inf'"),
    "wrong length": (first(ROAD_LENGTH, r'\1"999"'), "its length is 999 m, but its geometries are"),
    "zero-length piece": (
        first(GEOMETRY.format("length"), r'\1"0"'),
        "line 15: road 0: geometry has length='0', expected a number above 0",
    ),
    "late piece": (first(GEOMETRY.format("s"), r'\1"1"'), "geometry is at s=1, expected 0.000"),
    "far away": (
        every(GEOMETRY.format("x"), r'\1"5e6"'),
        "line 15: road 0: geometry has x=5e6, expected at most 100000 m from the origin",
    ),
    "one road far away": (
        first(GEOMETRY.format("x"), r'\1"50000"'),
        r"line 15: the roads spread over 50\d\d\d m by \d+ m",
    ),
    "not a number": (first(GEOMETRY.format("y"), r'\1"nan"'), "geometry has y='nan'"),
    "unknown shape": (
        first("<line ?/>", "<clothoid/>"),
        "unknown geometry <clothoid>; known: line",
    ),
    "tight arc": (
        first('<arc curvature="[^"]*"', '<arc curvature="1e6"'),
        "curvature=1e6, at most",
    ),
    "negative width": (first('(sOffset="0" a=)"3.5"', r'\1"-3.5"'), "lane 1 has the width -3.5"),
    "same lane twice": (every('<lane id="-2"', '<lane id="-1"'), "two lanes of a laneSection"),
    "huge lane": (first('<lane id="-1"', '<lane id="-99999999999"'), "a lane has the id '-99999"),
    "no center": (first("<center>.*?</center>", ""), "line 31: road 0: laneSection at s=0 has no"),
    "steep": (
        first('(<elevation s="0" a=)"0"', r'\1"1e9"'),
        "line 26: road 0: its height reaches 1e",
    ),
    "steeper and steeper": (
        first('(<elevation s="0".*? d=)"0"', r'\1"1e12"'),
        r"line 26: road 0: its height reaches \d\S+ m, expected",
    ),
    "wider and wider": (
        first('(<width sOffset="0" a="[^"]*" b=)"0"', r'\1"1e9"'),
        r"line \d+: road 0: its width reaches \d\S+ m, expected at most 100 m",
    ),
    "signal off the road": (
        first('(<signal [^>]* s=)"[^"]*"', r'\1"1e5"'),
        "is at s=1e5, expected",
    ),
    "endless validity": (first('fromLane="[^"]*"', 'fromLane="-99999999"'), "<validity> has fromL"),
    "connecting roads without links": (
        every('<link>\\s*<predecessor elementType="road".*?</link>', ""),
        "road 1000: it belongs to junction 10000 and has no predecessor",
    ),
    "junctions without connections": (
        every("<connection .*?</connection>", ""),
        "road 1000: it belongs to junction 10000, which has no connection with it",
    ),
    "no junctions": (
        every("<junction .*?</junction>", ""),
        "road 1000: it belongs to junction 10000, which does not exist",
    ),
    "links of unknown lanes": (
        every('<laneLink from="[^"]*"', '<laneLink from="9"'),
        "junction 10000: a laneLink is from lane 9 of road 0, which does not exist",
    ),
    "unknown contact point": (
        every('contactPoint="start"', 'contactPoint="middle"'),
        "its predecessor has contactPoint='middle', expected start or end",
    ),
}


OSM = """<osm version="0.6"><node id="1" lat="41.0" lon="2.0"/>
<node id="2" lat="41.001" lon="2.001"/>
<node id="3" lat="41.002" lon="2.001"/><node id="4" lat="41.001" lon="2.002"/>
<way id="5"><nd ref="1"/><nd ref="2"/><tag k="highway" v="residential"/></way>
<way id="6"><nd ref="2"/><nd ref="3"/><tag k="highway" v="residential"/></way>
<way id="7"><nd ref="2"/><nd ref="4"/><tag k="highway" v="residential"/></way></osm>"""
REASONS = {"random:x": "expected random:SEED", "Town99": "unknown town 'Town99'; known: Town01"}


@pytest.mark.parametrize("name", CASES)
def test_a_broken_map_is_one_line_with_the_reason(name: str, tmp_path: Path) -> None:
    change, reason = CASES[name]
    text = change(good())
    assert text != good()
    (tmp_path / "Broken.xodr").write_text(text)
    with pytest.raises(MapError, match=r"Broken\.xodr: " + f".*{reason}") as caught:
        load_town("Broken", tmp_path)
    assert "\n" not in str(caught.value)


def test_roads_without_heights_are_flat(tmp_path: Path) -> None:
    (tmp_path / "Flat.xodr").write_text(re.sub("<elevation [^>]*/>", "", good()))
    assert len(load_town("Flat", tmp_path).spawn_points) > 100


def test_streets_of_openstreetmap_are_a_town(tmp_path: Path) -> None:
    made = carla.Osm2Odr.convert(OSM, carla.Osm2OdrSettings())
    (tmp_path / "Osm.xodr").write_text(made)  # its dead ends name junctions that are not written
    assert len(load_town("Osm", tmp_path).spawn_points) > 3


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", "UTF-8"),
        ("latin-1", "ISO-8859-1"),
        ("cp1252", "windows-1252"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("utf-16", "UTF-8"),  # a byte order mark is right, whatever is declared
    ],
)
def test_a_map_is_read_in_its_encoding_and_served_as_utf_8(
    tmp_path: Path, encoding: str, declared: str
) -> None:
    text = good().replace("<OpenDRIVE>", "<OpenDRIVE><!-- Straße -->", 1)
    given = text.replace('encoding="UTF-8"', f'encoding="{declared}"')
    (tmp_path / "Street.xodr").write_bytes(given.replace("\n", "\r\n").encode(encoding))
    assert load_town("Street", tmp_path).xodr == text


@pytest.mark.parametrize(
    ("declared", "reason"),
    [("UTF-8", "not UTF-8.*byte 59 is 0xdf"), ("KLINGON", "unknown encoding 'KLINGON'")],
)
def test_a_map_in_another_encoding_than_it_declares_is_refused(
    tmp_path: Path, declared: str, reason: str
) -> None:
    text = good().replace("<OpenDRIVE>", "<OpenDRIVE><!-- Straße -->", 1)
    given = text.replace('encoding="UTF-8"', f'encoding="{declared}"')
    (tmp_path / "Broken.xodr").write_bytes(given.encode("latin-1"))
    with pytest.raises(MapError, match=rf"Broken\.xodr: {reason}"):
        load_town("Broken", tmp_path)


@pytest.mark.server
def test_a_server_starts_with_no_broken_map(tmp_path: Path) -> None:
    (tmp_path / "Broken.xodr").write_text("")
    command = [sys.executable, "-m", "simulator", "--port", "0", "--town", "Broken"]
    ended = subprocess.run(
        [*command, "--maps", str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [f"simulator: {tmp_path / 'Broken.xodr'}: it is empty"]


def test_a_server_goes_on_after_a_broken_map(launch_server, tmp_path: Path) -> None:
    for name in ("zero-length road", "no lanes", "far away"):
        (tmp_path / f"{name}.xodr").write_text(CASES[name][0](good()))
    server = launch_server("--town", "Town02", "--maps", str(tmp_path))
    try:
        client = carla.Client(*server.address)
        client.set_timeout(60.0)
        before = client.get_world().id
        for name in ("zero-length road", "no lanes", "far away", "random:x", "Town99"):
            with pytest.raises(RuntimeError, match=REASONS.get(name, CASES.get(name, ("", ""))[1])):
                client.load_world(name)
        assert client.get_world().id == before
        assert client.get_world().get_map().name == "Carla/Maps/Town02"
        world = client.load_world("random:7")
        assert world.get_map().name == "Carla/Maps/random:7"
        assert "/Game/Carla/Maps/random:7" in client.get_available_maps()
    finally:
        server.stop()


@pytest.mark.slow
def test_changed_maps_never_crash_or_hang() -> None:
    command = [sys.executable, "-m", "tests.simulator.map_mutations", "200", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=ROOT)
    assert ended.returncode == 0, ended.stdout[-500:] + ended.stderr[-500:]
