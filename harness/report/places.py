"""Where drives ended: on a map of the town where traces tell the streets, and along each route."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup, escape

from harness.report import svg
from harness.report.alignment import F64, Along
from harness.report.palette import style_of
from harness.report.runs import Drive, Material
from harness.report.svg import Scale
from results.cells import InputSetting, Setting, input_of, setting_of

MARGIN = 0.04  # of the map's width, around the streets
STREET_STEP_M = 4.0


class End(NamedTuple):
    """Where a drive ended that did not succeed."""

    identity: str
    setting: Setting
    arm: InputSetting
    route_m: float
    point: tuple[float, float] | None  # in the town, metres; None where no trace tells
    text: str


class TownMap(NamedTuple):
    """The map of one town."""

    title: str
    picture: Markup


class Strip(NamedTuple):
    """A route as a line, with the ends of its drives."""

    setting: Setting
    label: str
    picture: Markup


def ends_of(
    material: Material, aligned: Mapping[str, Along], names: Mapping[InputSetting, str]
) -> list[End]:
    """The ends of all driven episodes but successes.

    A drive without a trace ends on the longest trace of its route, at the same route position.
    """
    paths = _paths(material, aligned)
    found = []
    for identity, drive in material.drives.items():
        row = drive.row
        if not row.is_driven or row.outcome == "success":
            continue
        route_m = ended_m(drive, aligned.get(identity))
        path = aligned.get(identity, paths.get(_route(drive)))
        point = None if path is None else _point(path, route_m)
        arm = input_of(row)
        text = (
            f"route {row.route_id}, {row.weather}, {names[arm]}: {row.outcome} at {route_m:.0f} m"
        )
        found.append(End(identity, setting_of(row), arm, route_m, point, text))
    return found


def ended_m(drive: Drive, path: Along | None) -> float:
    """The route position at which a drive ended, from its trace or its completion."""
    if path is not None:
        return float(path.position_m[-1])
    return (drive.row.completion or 0.0) * drive.row.route_length_m


def town_maps(
    material: Material,
    aligned: Mapping[str, Along],
    ends: Sequence[End],
    cases: Mapping[str, str],
    cells: Mapping[Setting, str],
) -> list[TownMap]:
    """A map for each town of which there are traces.

    Args:
        material: the drives.
        aligned: traces by route position.
        ends: marks on the map.
        cases: the id of a case of a drive, by its identity: what a mark leads to.
        cells: the id of each setting, by which the page filters marks.
    """
    streets: dict[tuple[str, str], dict[tuple[str, str, str, str], Along]] = {}
    hazards: dict[tuple[str, str], dict[tuple[float, float], str]] = {}
    paths = _paths(material, aligned)
    for drive in material.drives.values():
        town, path = (drive.row.town, drive.row.map), paths.get(_route(drive))
        if path is None:
            continue
        streets.setdefault(town, {})[_route(drive)] = path
        for item in drive.hazards:
            hazards.setdefault(town, {})[_point(path, item.route_m)] = item.kind
    return [
        TownMap(
            f"{town[0]} ({town[1]})",
            _map(
                list(routes.values()),
                hazards.get(town, {}),
                [end for end in ends if (end.setting.town, end.setting.map) == town],
                cases,
                cells,
            ),
        )
        for town, routes in streets.items()
    ]


def strips(
    material: Material, ends: Sequence[End], cases: Mapping[str, str], cells: Mapping[Setting, str]
) -> tuple[list[Strip], Markup]:
    """Every route of every setting as a line with the ends of its drives, and their axis."""
    lengths = {
        (setting_of(drive.row), drive.row.route_id): drive.row.route_length_m
        for drive in material.drives.values()
        if drive.row.is_driven
    }
    scale = Scale(0.0, max(lengths.values(), default=1.0))
    by_route: dict[tuple[Setting, str], list[End]] = {}
    for end in ends:
        route_id = material.drives[end.identity].row.route_id
        by_route.setdefault((end.setting, route_id), []).append(end)
    found = []
    for (setting, route_id), length_m in sorted(
        lengths.items(), key=lambda item: (list(cells).index(item[0][0]), item[0][1])
    ):
        group = by_route.get((setting, route_id), [])
        marks = [
            _linked(svg.mark(style_of(end.arm), scale.at(end.route_m), end.text), end, cases, cells)
            for end in group
        ]
        road = Markup(f'<line class="road" x1="0" x2="{scale.at(length_m)}%" y1="13" y2="13"/>')
        label = f"route {route_id}: {len(group)} drives ended before the goal"
        found.append(Strip(setting, route_id, svg.row(road, *marks, label=label)))
    return found, svg.axis(scale, " m")


def _map(
    paths: Sequence[Along],
    hazards: Mapping[tuple[float, float], str],
    ends: Sequence[End],
    cases: Mapping[str, str],
    cells: Mapping[Setting, str],
) -> Markup:
    points = np.concatenate([_street(path) for path in paths])  # (N, 2)
    low, high = points.min(axis=0), points.max(axis=0)
    width = float(max(high[0] - low[0], 60.0))
    pad, size = MARGIN * width, width / 900.0  # metres of the town a pixel of a wide screen
    box = (low[0] - pad, low[1] - pad, width + 2 * pad, high[1] - low[1] + 2 * pad)
    roads = "".join(f'<polyline class="street" points="{_text(_street(path))}"/>' for path in paths)
    kinds = "".join(
        f'<g transform="translate({x:.1f} {y:.1f}) scale({size:.3f})"><title>{escape(kind)}</title>'
        f'<path class="hazard" d="M0-7L7 0 0 7-7 0z"/></g>'
        for (x, y), kind in hazards.items()
    )
    marks = Markup("").join(
        _linked(_map_mark(end, size), end, cases, cells) for end in ends if end.point is not None
    )
    view = " ".join(f"{value:.1f}" for value in box)
    return Markup(
        f'<svg class="map" viewBox="{view}" role="group" aria-label="map of the drives\' ends">'
        f"{roads}{kinds}{marks}</svg>"
    )


def _linked(
    mark: Markup, end: End, cases: Mapping[str, str], cells: Mapping[Setting, str]
) -> Markup:
    """A mark that leads to a case of its drive, where there is one."""
    data = f'class="end" data-cell="{cells[end.setting]}" data-drive="{end.identity}"'
    if end.identity not in cases:
        return Markup(f"<g {data}>{mark}</g>")
    label = f'aria-label="{escape(end.text)}"'
    return Markup(f'<a {data} {label} href="#case/{cases[end.identity]}">{mark}</a>')


def _map_mark(end: End, size: float) -> Markup:
    assert end.point is not None  # ends without a place are not on the map
    x, y = end.point
    return Markup(
        f'<g transform="translate({x:.1f} {y:.1f}) scale({1.6 * size:.3f})">'
        f"<title>{escape(end.text)}</title>{svg.shape(style_of(end.arm))}</g>"
    )


def _route(drive: Drive) -> tuple[str, str, str, str]:
    row = drive.row
    return row.town, row.map, row.route_id, row.route_digest


def _paths(
    material: Material, aligned: Mapping[str, Along]
) -> dict[tuple[str, str, str, str], Along]:
    """The longest trace of each route."""
    found: dict[tuple[str, str, str, str], Along] = {}
    for identity, path in aligned.items():
        route = _route(material.drives[identity])
        if route not in found or path.position_m[-1] > found[route].position_m[-1]:
            found[route] = path
    return found


def _point(path: Along, route_m: float) -> tuple[float, float]:
    side = path.at(np.array([route_m]))
    return round(float(side["x"][0]), 1), round(float(side["y"][0]), 1)


def _street(path: Along) -> F64:
    side = path.at(np.arange(path.position_m[0], path.position_m[-1], STREET_STEP_M))
    return np.stack([side["x"], side["y"]], axis=1)


def _text(points: F64) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
