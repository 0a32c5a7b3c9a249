"""Plan-view geometry of roads: chains of lines and arcs in OpenDRIVE's right-handed plane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

_EPS = 1e-6


class PlanPose(NamedTuple):
    """A point with a heading, metres and radians, counter-clockwise."""

    x: float
    y: float
    heading: float

    def moved(self, forward: float, left: float = 0.0) -> PlanPose:
        """The pose shifted in its own frame."""
        c, s = math.cos(self.heading), math.sin(self.heading)
        return PlanPose(
            self.x + c * forward - s * left, self.y + s * forward + c * left, self.heading
        )

    def reversed(self) -> PlanPose:
        """The pose turned around."""
        return PlanPose(self.x, self.y, wrap(self.heading + math.pi))


class Piece(NamedTuple):
    """A line (curvature 0) or an arc."""

    start: PlanPose
    length: float
    curvature: float

    def at(self, s: float) -> PlanPose:
        """The pose after `s` metres."""
        if abs(self.curvature) < _EPS:
            return self.start.moved(s)
        angle = self.curvature * s
        radius = 1.0 / self.curvature
        shifted = self.start.moved(radius * math.sin(angle), radius * (1.0 - math.cos(angle)))
        return shifted._replace(heading=wrap(self.start.heading + angle))


Path = tuple[Piece, ...]


def wrap(angle: float) -> float:
    """The angle in (-pi, pi]."""
    return math.pi - (math.pi - angle) % (2.0 * math.pi)


def path_length(path: Path) -> float:
    """Length in metres."""
    return sum(piece.length for piece in path)


def path_end(path: Path) -> PlanPose:
    """The pose at the end."""
    return path[-1].at(path[-1].length)


def chain(start: PlanPose, steps: Sequence[tuple[float, float]]) -> Path:
    """Lay (length, curvature) steps one after the other, leaving out empty ones."""
    pieces: list[Piece] = []
    for length, curvature in steps:
        if length > _EPS:
            pieces.append(Piece(start, length, curvature))
            start = pieces[-1].at(length)
    return tuple(pieces)


def polyline(points: Sequence[tuple[float, float]], radius: float) -> Path:
    """Straight lines through `points` with corners rounded by arcs of `radius`."""
    headings = [math.atan2(b[1] - a[1], b[0] - a[0]) for a, b in pairwise(points)]
    lengths = [math.dist(a, b) for a, b in pairwise(points)]
    turns = [wrap(b - a) for a, b in pairwise(headings)]
    tangents = [0.0, *(radius * math.tan(abs(turn) / 2.0) for turn in turns), 0.0]
    steps: list[tuple[float, float]] = []
    for i, length in enumerate(lengths):
        straight = length - tangents[i] - tangents[i + 1]
        if straight < -_EPS:
            raise ValueError(f"corner radius {radius} m is too wide near {points[i]}")
        steps.append((straight, 0.0))
        if i < len(turns) and abs(turns[i]) > _EPS:
            steps.append((radius * abs(turns[i]), math.copysign(1.0 / radius, turns[i])))
    return chain(PlanPose(*points[0], headings[0]), steps)


def left_arc(start: tuple[float, float], end: tuple[float, float], radius: float) -> Path:
    """The short arc that turns left from `start` to `end`."""
    chord = math.dist(start, end)
    half = math.asin(chord / (2.0 * radius))
    heading = math.atan2(end[1] - start[1], end[0] - start[0]) - half
    return chain(PlanPose(*start, wrap(heading)), [(2.0 * half * radius, 1.0 / radius)])


def trim(path: Path, head: float, tail: float) -> Path:
    """Cut `head` metres off the start and `tail` metres off the end."""
    stop = path_length(path) - tail
    pieces: list[Piece] = []
    done = 0.0
    for piece in path:
        low, high = max(head - done, 0.0), min(stop - done, piece.length)
        if high - low > _EPS:
            pieces.append(Piece(piece.at(low), high - low, piece.curvature))
        done += piece.length
    return tuple(pieces)


def connect(start: PlanPose, end: PlanPose) -> Path:
    """A smooth way between two poses: line and arc where they fit, otherwise two arcs."""
    turn = wrap(end.heading - start.heading)
    dx, dy = end.x - start.x, end.y - start.y
    c, s = math.cos(start.heading), math.sin(start.heading)
    forward, left = c * dx + s * dy, -s * dx + c * dy
    if abs(turn) < 1e-4 and abs(left) < 1e-3:
        return chain(start, [(math.hypot(dx, dy), 0.0)])
    if 0.1 < abs(turn) < math.pi - 0.1:
        exit_leg = left / math.sin(turn)
        entry_leg = forward - exit_leg * math.cos(turn)
        if min(entry_leg, exit_leg) > 1.0:
            return _line_arc_line(start, entry_leg, exit_leg, turn)
    return _two_arcs(start, end)


def _line_arc_line(start: PlanPose, entry_leg: float, exit_leg: float, turn: float) -> Path:
    tangent = min(entry_leg, exit_leg)
    radius = tangent / math.tan(abs(turn) / 2.0)
    arc = (radius * abs(turn), math.copysign(1.0 / radius, turn))
    return chain(start, [(entry_leg - tangent, 0.0), arc, (exit_leg - tangent, 0.0)])


def _two_arcs(start: PlanPose, end: PlanPose) -> Path:
    """Biarc with equal tangent lengths."""
    vx, vy = end.x - start.x, end.y - start.y
    ax, ay = math.cos(start.heading), math.sin(start.heading)
    bx, by = math.cos(end.heading), math.sin(end.heading)
    v_t = vx * (ax + bx) + vy * (ay + by)
    v_v = vx * vx + vy * vy
    slack = 2.0 * (1.0 - (ax * bx + ay * by))
    leg = v_v / (2.0 * v_t) if slack < 1e-9 else (math.sqrt(v_t**2 + slack * v_v) - v_t) / slack
    middle = (
        (start.x + end.x + leg * (ax - bx)) / 2.0,
        (start.y + end.y + leg * (ay - by)) / 2.0,
    )
    steps = [_arc_step(start, middle)]
    joint = path_end(chain(start, steps))
    return chain(start, [*steps, _arc_step(joint, (end.x, end.y))])


def _arc_step(start: PlanPose, target: tuple[float, float]) -> tuple[float, float]:
    """Length and curvature of the arc that leaves `start` and ends in `target`."""
    chord = math.dist((start.x, start.y), target)
    half = wrap(math.atan2(target[1] - start.y, target[0] - start.x) - start.heading)
    if abs(half) < 1e-7:
        return chord, 0.0
    curvature = 2.0 * math.sin(half) / chord
    return 2.0 * half / curvature, curvature
