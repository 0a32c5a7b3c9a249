"""Turns the description of an authored town into OpenDRIVE 1.4 text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from xml.etree import ElementTree as ET

from simulator.maps import paths
from simulator.maps.junctions import Arm, Border, Link, MouthLane, link_lanes, turn_angle
from simulator.maps.layout import Crossing, Layout, Profile, Street
from simulator.maps.signal_xml import Foot, RoadSignal, add_controllers, add_signal, decimal

GEO_REFERENCE = "+proj=tmerc +lat_0=0 +lon_0=0 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs"
STOP_LINE_SETBACK_M = 4.0  # from the crossing's mouth back into the street
ZEBRA_M = (0.4, 3.2)  # where zebra crossings begin and end, measured as the stop line
POLE_ADVANCE_M = 1.5  # poles stand in the near right corner, a little past the mouth
POLE_OUTSIDE_KERB_M = 0.7
_TURNING_MARK = ("solid broken", "yellow", "none")
_JUNCTION_IDS_FROM = 10_000
_CONNECTION_IDS_FROM = 1_000
_SIGNAL_IDS_FROM = 20_000
_CONTROLLER_IDS_FROM = 30_000


class _Lane(NamedTuple):
    lane_id: int
    kind: str
    width: float
    width_end: float
    mark: tuple[str, str, str] = ("none", "white", "none")  # type, colour, lane change


@dataclass(frozen=True)
class _Road:
    road_id: int
    street: Street
    path: paths.Path
    element: ET.Element


def write_opendrive(layout: Layout) -> str:
    """The town as OpenDRIVE text; the same layout gives the same bytes."""
    root = ET.Element("OpenDRIVE")
    _header(root, layout)
    roads = [_street(root, i, street, layout) for i, street in enumerate(layout.streets)]
    controllers, junctions = ET.Element("controllers"), ET.Element("junctions")
    next_id = _CONNECTION_IDS_FROM
    for index, (name, crossing) in enumerate(layout.crossings.items()):
        arms = _arms(name, roads)
        junction = ET.SubElement(
            junctions, "junction", id=str(_JUNCTION_IDS_FROM + index), name=name
        )
        for link in link_lanes(arms):
            _connecting_road(root, next_id, link, crossing, junction)
            next_id += 1
        if crossing.has_lights:
            _lights(controllers, junction, arms, roads, crossing.z)
    root.extend(controllers)
    root.extend(junctions)
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _header(root: ET.Element, layout: Layout) -> None:
    xs = [crossing.x for crossing in layout.crossings.values()]
    ys = [crossing.y for crossing in layout.crossings.values()]
    bounds = {"north": max(ys), "south": min(ys), "east": max(xs), "west": min(xs)}
    header = ET.SubElement(
        root, "header", revMajor="1", revMinor="4", name=layout.name, version="1"
    )
    header.set("vendor", "FusionDrive")  # by which clients tell authored towns from CARLA's
    for side, value in bounds.items():
        header.set(side, decimal(value))
    ET.SubElement(header, "geoReference").text = GEO_REFERENCE


def _street(root: ET.Element, road_id: int, street: Street, layout: Layout) -> _Road:
    start, end = layout.crossings[street.start], layout.crossings[street.end]
    if street.circle_radius_m is not None:
        whole = paths.left_arc((start.x, start.y), (end.x, end.y), street.circle_radius_m)
    else:
        points = [(start.x, start.y), *street.via, (end.x, end.y)]
        whole = paths.polyline(points, street.corner_radius_m)
    path = paths.trim(whole, start.reach_m, end.reach_m)
    road = _road(root, road_id, street.name or f"{street.start} to {street.end}", path, "-1")
    link = ET.SubElement(road, "link")
    names = list(layout.crossings)
    for tag, crossing in (("predecessor", street.start), ("successor", street.end)):
        number = str(_JUNCTION_IDS_FROM + names.index(crossing))
        ET.SubElement(link, tag, elementType="junction", elementId=number)
    _finish_road(road, path, (start.z, end.z), street.profile)
    left, right = _street_lanes(street.profile)
    centre = (street.profile.centre, "yellow", "none")
    offset = -street.profile.turning_m / 2.0  # lanes from -1 on lie right of the turning lane
    _lanes(road, left, right, centre, (offset, offset), path)
    return _Road(road_id, street, path, road)


def _road(root: ET.Element, road_id: int, name: str, path: paths.Path, junction: str) -> ET.Element:
    length = decimal(paths.path_length(path))
    return ET.SubElement(
        root, "road", name=name, length=length, id=str(road_id), junction=junction, rule="RHT"
    )


def _finish_road(
    road: ET.Element, path: paths.Path, heights: tuple[float, float], profile: Profile
) -> None:
    """Add type, plan view and elevation, in the order of the standard's schema."""
    kind = ET.SubElement(road, "type", s="0", type=profile.road_type)
    ET.SubElement(kind, "speed", max=str(profile.speed_kmh), unit="km/h")
    plan = ET.SubElement(road, "planView")
    s = 0.0
    for piece in path:
        geometry = ET.SubElement(
            plan,
            "geometry",
            s=decimal(s),
            x=decimal(piece.start.x),
            y=decimal(piece.start.y),
            hdg=decimal(piece.start.heading),
            length=decimal(piece.length),
        )
        if piece.curvature == 0.0:
            ET.SubElement(geometry, "line")
        else:
            ET.SubElement(geometry, "arc", curvature=decimal(piece.curvature))
        s += piece.length
    rise, length = heights[1] - heights[0], paths.path_length(path)
    # a smooth step: level at both ends, so that streets meet their crossings without a kink
    _cubic(
        ET.SubElement(road, "elevationProfile"),
        "elevation",
        (heights[0], 0.0, 3.0 * rise / length**2, -2.0 * rise / length**3),
    )
    ET.SubElement(road, "lateralProfile")


def _cubic(parent: ET.Element, tag: str, terms: tuple[float, ...], s_name: str = "s") -> None:
    names = ("a", "b", "c", "d")
    ET.SubElement(
        parent, tag, {s_name: "0", **{n: decimal(v) for n, v in zip(names, terms, strict=True)}}
    )


def _street_lanes(profile: Profile) -> tuple[list[_Lane], list[_Lane]]:
    right, left = _borders(profile)
    width = profile.turning_m
    turning = [_Lane(1, "bidirectional", width, width, _TURNING_MARK)] if width else []
    backward = _side(profile.backward, left, _first_backward(profile))
    return turning + backward, _side(profile.forward, right, -1)


def _first_backward(profile: Profile) -> int:
    """Id of the lane driven backwards that lies next to the middle."""
    return 2 if profile.turning_m else 1


def _borders(profile: Profile) -> tuple[Border, Border]:
    """What lies to the right of the forward lanes and to the left of the backward ones."""
    sides = profile.sidewalk_right_m, profile.sidewalk_left_m
    right, left = (Border(profile.shoulder_m, side, profile.parking_m) for side in sides)
    return right, left


def _side(widths: tuple[float, ...], border: Border, first: int) -> list[_Lane]:
    """Lanes from the one with the id `first` outwards, on the side that its sign tells."""
    sign = 1 if first > 0 else -1
    lanes = []
    for i, width in enumerate(widths):
        edge = ("solid", "white", "none")
        mark = edge if i == len(widths) - 1 else ("broken", "white", "both")
        lanes.append(_Lane(first + sign * i, "driving", width, width, mark))
    return lanes + _border_lanes((border, border), sign, abs(first) + len(widths))


def _border_lanes(borders: tuple[Border, Border], sign: int, first: int) -> list[_Lane]:
    begin, end = borders
    curb = ("curb", "white", "none")
    lanes = []
    if begin.parking or end.parking:
        lanes.append(_Lane(sign * first, "parking", begin.parking, end.parking))
    lanes.append(_Lane(sign * (first + len(lanes)), "shoulder", begin.shoulder, end.shoulder, curb))
    if begin.sidewalk or end.sidewalk:
        lane_id = sign * (first + len(lanes))
        lanes.append(_Lane(lane_id, "sidewalk", begin.sidewalk, end.sidewalk))
    return lanes


def _lanes(
    road: ET.Element,
    left: list[_Lane],
    right: list[_Lane],
    centre: tuple[str, str, str],
    offsets: tuple[float, float],
    path: paths.Path,
    links: dict[int, tuple[int, int]] | None = None,
) -> None:
    length = paths.path_length(path)
    lanes = ET.SubElement(road, "lanes")
    slope = (offsets[1] - offsets[0]) / length
    _cubic(lanes, "laneOffset", (offsets[0], slope, 0.0, 0.0))
    section = ET.SubElement(lanes, "laneSection", s="0")
    if left:
        side = ET.SubElement(section, "left")
        for lane in sorted(left, reverse=True):
            _lane(side, lane, length, links)
    middle = ET.SubElement(ET.SubElement(section, "center"), "lane", id="0", type="none")
    middle.set("level", "false")
    _mark(middle, centre)
    if right:
        side = ET.SubElement(section, "right")
        for lane in sorted(right, reverse=True):
            _lane(side, lane, length, links)


def _lane(
    side: ET.Element, lane: _Lane, length: float, links: dict[int, tuple[int, int]] | None
) -> None:
    element = ET.SubElement(side, "lane", id=str(lane.lane_id), type=lane.kind, level="false")
    link = ET.SubElement(element, "link")
    if links and lane.lane_id in links:
        predecessor, successor = links[lane.lane_id]
        ET.SubElement(link, "predecessor", id=str(predecessor))
        ET.SubElement(link, "successor", id=str(successor))
    slope = (lane.width_end - lane.width) / length
    _cubic(element, "width", (lane.width, slope, 0.0, 0.0), "sOffset")
    _mark(element, lane.mark)


def _mark(lane: ET.Element, mark: tuple[str, str, str]) -> None:
    kind, color, change = mark
    ET.SubElement(
        lane,
        "roadMark",
        sOffset="0",
        type=kind,
        weight="standard",
        color=color,
        material="standard",
        width="0.15",
        laneChange=change,
    )


def _arms(name: str, roads: list[_Road]) -> list[Arm]:
    arms = []
    for road in roads:
        if road.street.start == name:
            arms.append(_arm(road, road.path[0].start, is_start=True))
        if road.street.end == name:
            arms.append(_arm(road, paths.path_end(road.path), is_start=False))
    return arms


def _arm(road: _Road, mouth: paths.PlanPose, *, is_start: bool) -> Arm:
    """The street's end; `mouth` lies on the reference line and looks along the street."""
    profile = road.street.profile
    inner = profile.turning_m / 2.0
    forward = _mouth_lanes(profile.forward, mouth, -1, inner)
    backward = _mouth_lanes(profile.backward, mouth, _first_backward(profile), inner)
    border_right, border_left = _borders(profile)
    if is_start:
        return Arm(
            road.road_id, "start", mouth.heading, backward, forward, border_left, border_right
        )
    heading = mouth.reversed().heading
    return Arm(road.road_id, "end", heading, forward, backward, border_right, border_left)


def _mouth_lanes(
    widths: tuple[float, ...], mouth: paths.PlanPose, first: int, inner: float
) -> tuple[MouthLane, ...]:
    """Lanes from the right; the lane `first` begins `inner` metres beside the middle."""
    sign = 1 if first > 0 else -1
    lanes = []
    for i, width in enumerate(widths):
        centre = mouth.moved(0.0, sign * (inner + width / 2.0))
        lane_id = first + sign * i
        lanes.append(MouthLane(lane_id, width, centre if sign < 0 else centre.reversed()))
        inner += width
    return tuple(reversed(lanes))


def _connecting_road(
    root: ET.Element, road_id: int, link: Link, crossing: Crossing, junction: ET.Element
) -> None:
    """One lane through a crossing; its reference line is the middle of the lane."""
    source, target = link.source.incoming[link.source_lane], link.target.outgoing[link.target_lane]
    path = paths.connect(source.pose, target.pose)
    road = _road(root, road_id, "", path, str(junction.get("id")))
    ends = ET.SubElement(road, "link")
    for tag, arm in (("predecessor", link.source), ("successor", link.target)):
        element = ET.SubElement(ends, tag, elementType="road", elementId=str(arm.road))
        element.set("contactPoint", arm.contact)
    speed = Profile((), (), 0.0, 0.0, 30)
    _finish_road(road, path, (crossing.z, crossing.z), speed)
    right = [_Lane(-1, "driving", source.width, target.width)]
    right += _border_lanes(link.right, -1, 2) if link.right else []
    left = _border_lanes(link.left, 1, 1) if link.left else []
    links = {-1: (source.lane_id, target.lane_id)}
    offsets = (source.width / 2.0, target.width / 2.0)
    _lanes(road, left, right, ("none", "white", "none"), offsets, path, links)
    connection = ET.SubElement(
        junction, "connection", id=str(len(junction)), incomingRoad=str(link.source.road)
    )
    connection.set("connectingRoad", str(road_id))
    connection.set("contactPoint", "start")
    ET.SubElement(connection, "laneLink", {"from": str(source.lane_id), "to": "-1"})


def _lights(
    controllers: ET.Element,
    junction: ET.Element,
    arms: list[Arm],
    roads: list[_Road],
    height_m: float,
) -> None:
    """One light for each approach; opposite approaches share a controller."""
    index = int(str(junction.get("id"))) - _JUNCTION_IDS_FROM
    phases: list[list[tuple[Arm, int]]] = []
    for number, arm in enumerate(a for a in arms if a.incoming):
        signal_id = _SIGNAL_IDS_FROM + index * 10 + number
        _zebra(roads[arm.road], arm, signal_id)
        _signal(roads[arm.road], arm, signal_id, height_m)
        opposite = next((p for p in phases if abs(turn_angle(p[0][0], arm)) < 0.6), None)
        if opposite is None:
            phases.append(opposite := [])
        opposite.append((arm, signal_id))
    first_id = _CONTROLLER_IDS_FROM + index * 10
    named = [[str(signal_id) for _, signal_id in phase] for phase in phases]
    add_controllers(controllers, junction, first_id, named)


def _zebra(road: _Road, arm: Arm, object_id: int) -> None:
    """A crosswalk over the whole carriageway; its outline is local: u along the street."""
    near, far = ZEBRA_M
    middle = (near + far) / 2.0
    s = paths.path_length(road.path) - middle if arm.contact == "end" else middle
    profile = road.street.profile
    beside = profile.turning_m / 2.0 + profile.parking_m
    right, left = (sum(lanes) + beside for lanes in (profile.forward, profile.backward))
    half = (far - near) / 2.0
    objects = road.element.find("objects")
    if objects is None:
        objects = ET.SubElement(road.element, "objects")
    zebra = ET.SubElement(
        objects,
        "object",
        id=str(object_id),
        name="SimpleCrosswalk",
        type="crosswalk",
        s=decimal(s),
        t="0",
        zOffset="0",
        orientation="none",
        hdg="0",
        pitch="0",
        roll="0",
        length=decimal(2.0 * half),
        width=decimal(left + right),
    )
    outline = ET.SubElement(zebra, "outline")
    corners = [(-half, -right), (half, -right), (half, left), (-half, left), (-half, -right)]
    for u, v in corners:
        ET.SubElement(outline, "cornerLocal", u=decimal(u), v=decimal(v), z="0", height="0")


def _signal(road: _Road, arm: Arm, signal_id: int, height_m: float) -> None:
    """A light whose `s` is the stop line and whose inertial position is the pole's foot."""
    length = paths.path_length(road.path)
    is_end = arm.contact == "end"
    s = length - STOP_LINE_SETBACK_M if is_end else STOP_LINE_SETBACK_M
    outer = arm.incoming[0]
    kerb_m = arm.border_in.parking + arm.border_in.shoulder
    lateral = outer.width / 2.0 + kerb_m + POLE_OUTSIDE_KERB_M
    middle = road.street.profile.turning_m / 2.0
    reach = middle + sum(lane.width for lane in arm.incoming) + lateral - outer.width / 2.0
    pole = outer.pose.moved(POLE_ADVANCE_M, -lateral)
    ids = [lane.lane_id for lane in arm.incoming]
    signal = RoadSignal(
        signal_id=str(signal_id),
        name=f"Signal_3Light_{road.street.start}_{road.street.end}",
        s=s,
        t=-reach if is_end else reach,
        is_along=is_end,
        lanes=((min(ids), max(ids)),),
        foot=Foot(pole.x, pole.y, height_m, pole.heading),
    )
    add_signal(road.element, signal)
