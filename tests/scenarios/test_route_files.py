import math
from pathlib import Path

import pytest

from harness.errors import MapError
from harness.types import Pose
from scenarios.route_files import RouteSpec, load_routes, read_nocrash, read_route_xml
from scenarios.route_files import write_route_xml as write

SHARED = Path(__file__).parents[2].parent / "shared/routes"


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


@pytest.mark.skipif(not SHARED.is_dir(), reason="sample route files are not at hand")
def test_sample_files_are_read() -> None:
    for path in sorted(SHARED.rglob("*.xml")):
        assert all(len(route.keypoints) >= 2 for route in read_route_xml(path))
