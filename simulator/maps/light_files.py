"""Reads the stop lines and light groups that may lie beside a map without signals.

`carla_TownXX_stoplines.json` and `carla_TownXX_traffic_light_controller.json`, as TorchDriveSim
publishes them for CARLA's towns, in CARLA's frame. What a controller says about the order and the
duration of its phases is not taken: a town's lights follow CARLA's own rules.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from simulator.maps.checks import MapError

LIGHT, STOP_SIGN = "traffic_light", "stop_sign"
_STATES = ("red", "yellow", "green", "off")
_MAX_BYTES = 4 * 2**20
_FARTHEST_M = 1e5  # as `extent_problems` has it for roads


class StopMark(NamedTuple):
    """Where one lane stops, in CARLA's frame."""

    actor_id: int
    kind: str  # traffic_light | stop_sign
    x: float  # m
    y: float  # m
    yaw_deg: float  # driving direction
    entry: str  # what errors call it: file and number


class LightPlan(NamedTuple):
    """All that two files say about a town."""

    marks: tuple[StopMark, ...]
    groups: tuple[tuple[int, ...], ...]  # actor ids of the lights of one junction
    source: str  # the file of the groups, for errors


def light_plan(directory: Path, town: str) -> LightPlan | None:
    """The plan that lies beside a town's map; None where there is none.

    Raises:
        MapError: one of the two files is missing or broken; names file and reason.
    """
    lines = directory / f"carla_{town}_stoplines.json"
    groups = directory / f"carla_{town}_traffic_light_controller.json"
    present = [path for path in (lines, groups) if path.is_file()]
    if not present:
        return None
    if len(present) == 1:
        absent = lines if present[0] == groups else groups
        raise MapError(f"{absent}: missing; {present[0].name} needs it (or remove both)")
    marks = _marks(_load(lines), str(lines))
    return LightPlan(marks, _groups(_load(groups), str(groups), marks), str(groups))


def _load(path: Path) -> Any:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise MapError(f"{path}: larger than {_MAX_BYTES // 2**20} MB")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError) as err:
        raise MapError(f"{path}: cannot be read: {err}") from err
    except json.JSONDecodeError as err:
        raise MapError(f"{path}: line {err.lineno}: not JSON: {err.msg}") from err


def _marks(value: Any, source: str) -> tuple[StopMark, ...]:
    if not isinstance(value, list):
        raise MapError(f"{source}: expected a list of stop lines, found {_kind(value)}")
    marks = [_mark(item, f"{source}: stop line {i}") for i, item in enumerate(value)]
    ids = [mark.actor_id for mark in marks]
    for i, mark in enumerate(marks):
        if mark.actor_id in ids[:i]:
            raise MapError(f"{mark.entry}: actor_id {mark.actor_id} stands twice")
    return tuple(marks)


def _mark(value: Any, entry: str) -> StopMark:
    if not isinstance(value, dict):
        raise MapError(f"{entry}: expected an object, found {_kind(value)}")
    actor_id, kind = value.get("actor_id"), value.get("agent_type")
    if not isinstance(actor_id, int) or isinstance(actor_id, bool) or actor_id < 0:
        raise MapError(f"{entry}: actor_id={actor_id!r}, expected a whole number from 0")
    if kind not in (LIGHT, STOP_SIGN):
        raise MapError(f"{entry}: agent_type={kind!r}, expected {LIGHT} or {STOP_SIGN}")
    x, y, yaw = (_coordinate(value.get(name), name, entry) for name in ("x", "y", "orientation"))
    return StopMark(actor_id, kind, x, y, math.degrees(yaw), entry)


def _coordinate(value: Any, name: str, entry: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) <= _FARTHEST_M:
        raise MapError(f"{entry}: {name}={value!r}, expected a number up to {_FARTHEST_M:g}")
    return float(value)


def _groups(value: Any, source: str, marks: tuple[StopMark, ...]) -> tuple[tuple[int, ...], ...]:
    if not isinstance(value, list):
        raise MapError(f"{source}: expected a list of controllers, found {_kind(value)}")
    lights = {mark.actor_id for mark in marks if mark.kind == LIGHT}
    groups = tuple(_group(item, f"{source}: controller {i}") for i, item in enumerate(value))
    seen: set[int] = set()
    for i, group in enumerate(groups):
        for actor_id in group:
            if actor_id not in lights:
                raise MapError(f"{source}: controller {i}: light {actor_id} has no stop line")
            if actor_id in seen:
                raise MapError(f"{source}: controller {i}: light {actor_id} has two controllers")
            seen.add(actor_id)
    if lights - seen:
        raise MapError(f"{source}: light {min(lights - seen)} has no controller")
    return groups


def _group(phases: Any, entry: str) -> tuple[int, ...]:
    """Ids of the lights that any phase of a controller names."""
    if not isinstance(phases, list) or not phases:
        raise MapError(f"{entry}: expected a list of phases, found {_kind(phases)}")
    ids: set[int] = set()
    for number, phase in enumerate(phases):
        states = phase.get("actor_states") if isinstance(phase, dict) else None
        if not isinstance(states, dict) or not states:
            raise MapError(
                f"{entry}: phase {number}: expected actor_states, a state for each light"
            )
        for key, state in states.items():
            if not (key.isascii() and key.isdigit()) or state not in _STATES:
                raise MapError(
                    f"{entry}: phase {number}: {key!r}: {state!r}, expected an id and one of "
                    f"{', '.join(_STATES)}"
                )
            ids.add(int(key))
    return tuple(sorted(ids))


def _kind(value: Any) -> str:
    return "an empty list" if value == [] else f"a {type(value).__name__}"
