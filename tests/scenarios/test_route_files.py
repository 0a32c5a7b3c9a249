import math
from pathlib import Path

import pytest

from fusiondrive.errors import MapError
from fusiondrive.types import Pose
from scenarios.route_files import load_routes, read_nocrash, read_route_xml
from scenarios.route_files import write_route_xml as write
from scenarios.spec import RouteSpec


def test_written_routes_are_read_back(tmp_path: Path) -> None:
    spec = RouteSpec("7", "Town02", (Pose(1.0, 2.0, 0.5, yaw=90.0), Pose(3.0, 4.0, yaw=0.0)))
    write(tmp_path / "r.xml", [spec], {"seed": "1"})
    assert load_routes("Carla/Maps/Town02_Opt", "unused", tmp_path / "r.xml") == (spec,)


def test_leaderboard_2_positions_have_no_yaw(tmp_path: Path) -> None:
    body = "<waypoints><position x='1' y='2' z='0'/><position x='9' y='2' z='0'/></waypoints>"
    path = tmp_path / "r.xml"
    path.write_text(f"<routes><route id='0' town='Town02'>{body}</route></routes>")
    (route,) = read_route_xml(path)
    assert math.isnan(route.keypoints[0].yaw)
    assert route.keypoints[1].x == 9.0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<routes><route id='0'", r"r\.xml:1: broken XML"),
        ("<scenarios/>", "expected a <routes> file, found <scenarios>"),
        ("<routes/>", "no <route> in it"),
        ("<routes><route id='0' town='T'><waypoint x='1' y='2'/></route></routes>", "1 waypoints"),
        (
            "<routes><route id='0' town='T'><waypoint x='a' y='2'/><waypoint x='1' y='2'/>"
            "</route></routes>",
            "route '0', waypoint 0: x='a' is not a number",
        ),
        (
            "<!DOCTYPE r [<!ENTITY a 'b'>]><routes>&a;</routes>",
            "refused XML feature",
        ),
    ],
)
def test_broken_file_is_named_with_its_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "r.xml"
    path.write_text(text)
    with pytest.raises(MapError, match=reason):
        read_route_xml(path)


def test_nocrash_pairs_index_spawn_points(tmp_path: Path) -> None:
    spawns = [Pose(float(i), 0.0) for i in range(5)]
    (tmp_path / "pairs.txt").write_text("0 4\n\n3 1\n")
    routes = read_nocrash(tmp_path / "pairs.txt", "Town02", spawns)
    assert [r.keypoints for r in routes] == [(spawns[0], spawns[4]), (spawns[3], spawns[1])]
    (tmp_path / "pairs.txt").write_text("0 4\n3 9\n")
    with pytest.raises(MapError, match=r"pairs\.txt:2: spawn index 9 is out of range"):
        read_nocrash(tmp_path / "pairs.txt", "Town02", spawns)


def test_sample_files_are_read(shared_routes: Path) -> None:
    for path in sorted(shared_routes.rglob("*.xml")):
        assert all(len(route.keypoints) >= 2 for route in read_route_xml(path)), path.name


ROUTE = (
    "<routes><route id='Straße' town='T'><waypoint x='1' y='2'/><waypoint x='3' y='2'/>"
    "</route></routes>"
)


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-8", "UTF-8"),
        ("latin-1", "ISO-8859-1"),
        ("cp1252", "windows-1252"),
        ("utf-16", None),
        ("utf-16-le", "UTF-16"),
        ("utf-16-be", "UTF-16"),
    ],
)
def test_a_file_is_read_in_the_encoding_it_declares(
    tmp_path: Path, encoding: str, declared: str | None
) -> None:
    head = "" if declared is None else f'<?xml version="1.0" encoding="{declared}"?>\n'
    (tmp_path / "r.xml").write_bytes((head + ROUTE).encode(encoding))
    (route,) = read_route_xml(tmp_path / "r.xml")
    assert route.route_id == "Straße"


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ('<?xml version="1.0" encoding="UTF-8"?>', "not UTF-8 .*byte 61 is 0xdf"),
        ('<?xml version="1.0" encoding="KLINGON"?>', "unknown encoding 'KLINGON'"),
        ("", "not utf-8 .*byte 23 is 0xdf"),
    ],
)
def test_a_wrong_declaration_is_named_with_the_byte(tmp_path: Path, head: str, reason: str) -> None:
    (tmp_path / "r.xml").write_bytes((head + ROUTE).encode("latin-1"))
    with pytest.raises(MapError, match=reason) as caught:
        read_route_xml(tmp_path / "r.xml")
    assert "\n" not in str(caught.value)


def test_an_id_twice_in_a_town_is_an_error(tmp_path: Path) -> None:
    text = ROUTE.replace("</routes>", "") + ROUTE.replace("<routes>", "")
    (tmp_path / "r.xml").write_text(text, encoding="utf-8")
    with pytest.raises(MapError, match="route id 'Straße' stands twice for T"):
        read_route_xml(tmp_path / "r.xml")


def test_ids_with_marks_of_xml_are_written_and_read_back(tmp_path: Path) -> None:
    spec = RouteSpec("a<b>&'\"", "Town02", (Pose(1.0, 2.0, yaw=90.0), Pose(3.0, 4.0, yaw=0.0)))
    write(tmp_path / "r.xml", [spec], {"note": '"&"'})
    assert load_routes("Town02", "unused", tmp_path / "r.xml") == (spec,)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_keypoint_that_is_nowhere_is_named(tmp_path: Path, value: str) -> None:
    (tmp_path / "r.xml").write_text(ROUTE.replace("x='3'", f"x='{value}'"), encoding="utf-8")
    with pytest.raises(MapError, match=r"waypoint 1: x='.*' is not finite"):
        read_route_xml(tmp_path / "r.xml")
