"""Traffic lights: groups that give one phase after the other its green, as CARLA's do."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from simulator.types import Pose, SignalSpec

GREEN_S = 10.0  # CARLA's defaults, TrafficLightController 0.9.16
YELLOW_S = 3.0
RED_S = 2.0  # all red, after each yellow
LONGEST_S = 1e6  # of one stage
GOVERNED_M = 14.0  # how far before its stop line a light governs a vehicle
_BEYOND_M = 1.5
_STAYS_GREEN_M = 1.0  # from the bumper to the line; see `governing`
_STOPPING_MPS2 = 6.0
_HALF_LANE_M = 1.75
_MIN_HEADING_COS = math.cos(math.radians(50.0))
_CELL_M = 16.0
_BOX_HALF_M = 1.5
_EPS_S = 1e-6


_Vector = tuple[float, float, float]


class LightState(IntEnum):
    """carla::rpc::TrafficLightState."""

    RED = 0
    YELLOW = 1
    GREEN = 2
    OFF = 3
    UNKNOWN = 4


class LightStatus(NamedTuple):
    """What the world-state record of a light carries."""

    state: LightState
    elapsed_s: float  # since the last change of state
    green_s: float
    yellow_s: float
    red_s: float
    frozen: bool
    group: int


class _Line(NamedTuple):
    light: int
    x: float
    y: float
    cos: float
    sin: float


@dataclass
class _Group:
    phases: list[list[int]]
    phase: int = 0
    stage: LightState = LightState.GREEN
    elapsed_s: float = 0.0
    limit_s: float = 0.0  # of the stage
    frozen: bool = False


_NEXT_STAGE = {
    LightState.GREEN: LightState.YELLOW,
    LightState.YELLOW: LightState.RED,
    LightState.RED: LightState.GREEN,
}


class TrafficLights:
    """All lights of a town; an index is the position in `signals`."""

    def __init__(self, signals: Sequence[SignalSpec]) -> None:
        members: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        for i, signal in enumerate(signals):
            members[signal.group][signal.phase].append(i)
        self._signals = tuple(signals)
        self._groups = {
            group: _Group([phases[phase] for phase in sorted(phases)])
            for group, phases in members.items()
        }
        self._cells = _index_lines(signals)
        self._states: list[LightStatus] = []
        self.reset()

    @property
    def states(self) -> list[LightStatus]:
        """The status of each light, in the order of the signals."""
        return list(self._states)

    def reset(self) -> None:
        """Begin anew: first phases green, default times, nothing frozen."""
        self._states = [
            LightStatus(LightState.RED, 0.0, GREEN_S, YELLOW_S, RED_S, False, signal.group)
            for signal in self._signals
        ]
        for group in self._groups.values():
            group.frozen = False
            self._restart(group)

    def reset_group(self, index: int) -> None:
        """Restart the cycle of the group that the light belongs to; times are kept."""
        self._restart(self._group_of(index))

    def group(self, index: int) -> list[int]:
        """Indices of all lights in the light's group, itself included."""
        return sorted(i for phase in self._group_of(index).phases for i in phase)

    def set_state(self, index: int, state: LightState | int) -> None:
        """Switch one light; unless it is frozen, the group's next change takes over again."""
        self._switch(index, LightState(state))

    def set_times(
        self,
        index: int,
        *,
        green_s: float | None = None,
        yellow_s: float | None = None,
        red_s: float | None = None,
    ) -> None:
        """Change the times of one light; a phase lasts as long as its longest light."""
        status = self._states[index]
        self._states[index] = status._replace(
            green_s=_duration("green_s", green_s, status.green_s),
            yellow_s=_duration("yellow_s", yellow_s, status.yellow_s),
            red_s=_duration("red_s", red_s, status.red_s),
        )
        group = self._group_of(index)
        group.limit_s = self._stage_s(group)

    def freeze(self, index: int, frozen: bool) -> None:
        """Stop or continue the light's group; CARLA freezes whole groups, too."""
        group = self._group_of(index)
        group.frozen = frozen
        for i in self.group(index):
            self._states[i] = self._states[i]._replace(frozen=frozen)

    def advance(self, dt: float) -> None:
        """Let `dt` seconds of simulation pass."""
        for group in self._groups.values():
            if not group.frozen:
                self._advance_group(group, dt)

    def governing(
        self, x: float, y: float, yaw: float, *, front_m: float, speed_mps: float
    ) -> int | None:
        """The light that a vehicle has to regard; a green one only where it cannot stop any more.

        CARLA's Traffic Manager lets a vehicle go that has once been told of a green light, whatever
        comes after (SimulationState::UpdateTrafficLightState): a queue that was told from afar
        would pass at red.

        Args:
            x: position of the vehicle's centre, m.
            y: position of the vehicle's centre, m.
            yaw: heading, degrees.
            front_m: from the centre to the bumper, m.
            speed_mps: m/s.
        """
        found = self._line_ahead(x, y, yaw)
        if found is None:
            return None
        index, distance_m = found
        passes_m = front_m + _STAYS_GREEN_M + speed_mps * speed_mps / (2.0 * _STOPPING_MPS2)
        is_green = self._states[index].state is LightState.GREEN
        return None if is_green and distance_m > passes_m else index

    def light_ahead(self, x: float, y: float, yaw: float) -> int | None:
        """The light whose stop line is at most `GOVERNED_M` ahead in the lane at (x, y).

        Args:
            x: position of the vehicle's centre, m.
            y: position of the vehicle's centre, m.
            yaw: heading, degrees.
        """
        found = self._line_ahead(x, y, yaw)
        return None if found is None else found[0]

    def _line_ahead(self, x: float, y: float, yaw: float) -> tuple[int, float] | None:
        """The light of the next stop line in the lane, and how far ahead it is."""
        lines = self._cells.get((math.floor(x / _CELL_M), math.floor(y / _CELL_M)))
        if not lines:
            return None
        heading_cos, heading_sin = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
        best: tuple[int, float] | None = None
        for line in lines:
            dx, dy = line.x - x, line.y - y
            distance = line.cos * dx + line.sin * dy
            if (
                -_BEYOND_M <= distance <= GOVERNED_M
                and (best is None or distance < best[1])
                and abs(line.cos * dy - line.sin * dx) <= _HALF_LANE_M
                and line.cos * heading_cos + line.sin * heading_sin >= _MIN_HEADING_COS
            ):
                best = (line.light, distance)
        return best

    def _group_of(self, index: int) -> _Group:
        return self._groups[self._signals[index].group]

    def _restart(self, group: _Group) -> None:
        group.phase, group.elapsed_s = 0, 0.0
        self._show(group, LightState.GREEN, restart=True)

    def _advance_group(self, group: _Group, dt: float) -> None:
        for phase in group.phases:
            for i in phase:
                status = self._states[i]
                self._states[i] = LightStatus(status[0], status[1] + dt, *status[2:])
        group.elapsed_s += dt
        # at most one cycle: a group whose times are all zero must not loop for ever
        for _ in range(3 * len(group.phases)):
            if group.elapsed_s < group.limit_s - _EPS_S:
                break
            group.elapsed_s = max(group.elapsed_s - group.limit_s, 0.0)
            if group.stage is LightState.RED:
                group.phase = (group.phase + 1) % len(group.phases)
            self._show(group, _NEXT_STAGE[group.stage])

    def _stage_s(self, group: _Group) -> float:
        lights = [self._states[i] for i in group.phases[group.phase]]
        if group.stage is LightState.GREEN:
            return max(light.green_s for light in lights)
        if group.stage is LightState.YELLOW:
            return max(light.yellow_s for light in lights)
        return max(light.red_s for light in lights)

    def _show(self, group: _Group, stage: LightState, *, restart: bool = False) -> None:
        """Give the current phase the stage's colour and all others red."""
        group.stage = stage
        group.limit_s = self._stage_s(group)
        for number, phase in enumerate(group.phases):
            state = stage if number == group.phase else LightState.RED
            for i in phase:
                if restart or self._states[i].state is not state:
                    self._switch(i, state, elapsed_s=group.elapsed_s)

    def _switch(self, index: int, state: LightState, elapsed_s: float = 0.0) -> None:
        self._states[index] = self._states[index]._replace(state=state, elapsed_s=elapsed_s)


def trigger_box(foot: Pose, lines: Sequence[Pose]) -> tuple[_Vector, _Vector, _Vector]:
    """The box over the stop lines of a light: centre, half extents and rotation in its frame.

    Its x axis crosses the lanes, one half lane beyond the outer lines: LibCarla's
    `TrafficLight::GetStopWaypoints` walks along it.
    """
    yaw = lines[0].yaw + 90.0
    across = (math.cos(math.radians(yaw)), math.sin(math.radians(yaw)))
    offsets = [line.x * across[0] + line.y * across[1] for line in lines]
    x, y, z = (sum(line[i] for line in lines) / len(lines) for i in range(3))
    middle = 0.5 * (min(offsets) + max(offsets)) - (x * across[0] + y * across[1])
    x, y = x + middle * across[0], y + middle * across[1]
    local = foot.rotation_matrix().T @ (x - foot.x, y - foot.y, z - foot.z)
    half = (0.5 * (max(offsets) - min(offsets)) + _BOX_HALF_M, _BOX_HALF_M, 1.0)
    turn = (yaw - foot.yaw + 180.0) % 360.0 - 180.0
    return (float(local[0]), float(local[1]), float(local[2]) + 1.0), half, (0.0, turn, 0.0)


def _duration(name: str, wanted: float | None, current: float) -> float:
    if wanted is None:
        return current
    if not 0.0 <= wanted <= LONGEST_S:
        raise ValueError(f"{name} must be a time of 0 to {LONGEST_S:g} s, found {wanted}")
    return float(wanted)


def _index_lines(signals: Sequence[SignalSpec]) -> dict[tuple[int, int], tuple[_Line, ...]]:
    """Stop lines by the grid cells from which they can govern a vehicle."""
    cells: dict[tuple[int, int], list[_Line]] = defaultdict(list)
    for light, signal in enumerate(signals):
        for pose in signal.stop_lines:
            yaw = math.radians(pose.yaw)
            line = _Line(light, pose.x, pose.y, math.cos(yaw), math.sin(yaw))
            for cell in _cells_before(line):
                cells[cell].append(line)
    return {cell: tuple(lines) for cell, lines in cells.items()}


def _cells_before(line: _Line) -> set[tuple[int, int]]:
    corners = [
        (line.x - a * line.cos - b * line.sin, line.y - a * line.sin + b * line.cos)
        for a in (-_BEYOND_M, GOVERNED_M)
        for b in (-_HALF_LANE_M, _HALF_LANE_M)
    ]
    xs = [math.floor(x / _CELL_M) for x, _ in corners]
    ys = [math.floor(y / _CELL_M) for _, y in corners]
    return {(i, j) for i in range(min(xs), max(xs) + 1) for j in range(min(ys), max(ys) + 1)}
