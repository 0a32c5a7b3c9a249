"""The record of every step: what criteria read, what the policy did and saw; kept as parquet."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fusiondrive.files import whole_file
from fusiondrive.parquet import write_frame
from fusiondrive.provenance import bytes_hash, text_hash
from fusiondrive.timing import StageClock
from fusiondrive.types import (
    ActorKind,
    ActorState,
    CollisionEvent,
    Control,
    Image,
    LightState,
    Pose,
    StopLine,
    WorldState,
)
from harness.drive import Drive
from policies.base import Policy
from results.trace import WALL, TraceRow, load_trace, to_frame
from sensors.inputs import Views


class TraceRecorder:
    """Collects one row per step in memory and writes them at the end."""

    def __init__(self, identity: str = "", policy: Policy | None = None) -> None:
        """Nothing is kept yet.

        Args:
            identity: of the episode, as rows have it.
            policy: what drives; asked for the speed that it perceives.
        """
        self.rows: list[TraceRow] = []
        self._identity = identity
        self._policy = policy
        self._start: _Start | None = None
        self._actors, self._lights = _Numbers(), _Numbers()

    def on_step(self, drive: Drive, control: Control) -> None:
        """Keep the step; frames, times and ids are counted from the first one."""
        state, ego, pose = drive.state, drive.state.ego, drive.state.ego.pose
        if self._start is None:
            self._start = _Start(state.frame, state.time_s, _StepTimes(drive.setup.clock))
        start = self._start
        self.rows.append(
            TraceRow(
                step=len(self.rows),
                # Rounded: the server's clock carries float noise of its whole life.
                time_s=round(state.time_s - start.time_s, 6),
                x=pose.x,
                y=pose.y,
                z=pose.z,
                pitch=pose.pitch,
                yaw=pose.yaw,
                roll=pose.roll,
                vx=ego.velocity[0],
                vy=ego.velocity[1],
                vz=ego.velocity[2],
                throttle=control.throttle,
                steer=control.steer,
                brake=control.brake,
                reverse=control.reverse,
                hand_brake=control.hand_brake,
                command=int(drive.progress.command),
                route_m=drive.progress.distance_m,
                deviation_m=drive.progress.deviation_m,
                completion=drive.progress.completion,
                at_red_light=state.at_red_light,
                lane_crossings=state.lane_crossings,
                vehicles=len(state.vehicles),
                walkers=len(state.walkers),
                collisions=json.dumps([self._contact(item, start) for item in state.collisions]),
                stop_lines=json.dumps([self._line(item) for item in state.stop_lines]),
                events=json.dumps([event.kind.value for event in drive.last_events]),
                box_center=json.dumps(ego.box_center),
                box_extent=json.dumps(ego.box_extent),
                identity=self._identity,
                forward_speed_mps=ego.forward_speed_mps,
                perceived_mps=self._perceived_mps(),
                delay_ms=drive.delay.last_ms,
                hash_world=_world_hash(state),
                **_image_hashes(drive.views),
                **start.times.take(),
            )
        )

    def write(self, path: Path | str) -> None:
        """Write the steps; an empty recording leaves no file.

        Raises:
            OutputError: they cannot be written.
        """
        if not self.rows:
            return
        with whole_file(Path(path)) as draft:
            write_frame(to_frame([asdict(row) for row in self.rows]), draft)

    def _perceived_mps(self) -> float | None:
        """Nothing before the first control: what the policy may say is of an earlier drive."""
        return None if self._policy is None or not self.rows else self._policy.perceived_mps()

    def _contact(self, contact: CollisionEvent, start: _Start) -> dict[str, Any]:
        other_id = self._actors.of(contact.other_id) if contact.other_id else 0
        return {**asdict(contact), "frame": contact.frame - start.frame, "other_id": other_id}

    def _line(self, line: StopLine) -> dict[str, Any]:
        return {**asdict(line), "light_id": self._lights.of(line.light_id)}


class _Start(NamedTuple):
    """From where a trace counts."""

    frame: int
    time_s: float
    times: _StepTimes


class _Numbers:
    """Numbers in order of appearance, from 1, in place of ids that differ between servers."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}

    def of(self, number: int) -> int:
        return self._known.setdefault(number, len(self._known) + 1)


class _StepTimes:
    """Wall-clock milliseconds of a step and of its stages; missing where a stage has not run."""

    STAGES = ("policy", "tick", "images", "thermal", "fusion", "enhance")

    def __init__(self, clock: StageClock) -> None:
        self._clock = clock
        self._before_s: dict[str, float] | None = None
        self._at_s = 0.0

    def take(self) -> dict[str, Any]:
        """The times since the last call, by their columns; nothing is known at the first."""
        before_s, self._before_s = self._before_s, dict(self._clock.totals_s)
        since_s, self._at_s = self._at_s, time.perf_counter()
        if before_s is None:
            return {f"{WALL}{name}_ms": None for name in ("step", *self.STAGES)}
        spent_s = {"step": self._at_s - since_s}
        spent_s |= {
            name: total_s - before_s.get(name, 0.0) for name, total_s in self._before_s.items()
        }
        return {
            f"{WALL}{name}_ms": round(1000.0 * spent_s[name], 3) if spent_s.get(name) else None
            for name in ("step", *self.STAGES)
        }


def _world_hash(state: WorldState) -> str:
    """Hash of everybody but the ego, in an order that does not depend on their ids."""
    others = sorted(
        (actor.type_id, *astuple(actor.pose), *actor.velocity)
        for actor in (*state.vehicles, *state.walkers)
    )
    lines = [(line.x, line.y, line.yaw, int(line.state)) for line in state.stop_lines]
    return text_hash(repr((others, lines)))


def _image_hashes(views: Views) -> dict[str, Any]:
    visible = _image_hash(views.rgb)
    return {
        "hash_visible": visible,
        "hash_thermal": None if views.thermal is None else _image_hash(views.thermal),
        "hash_policy": visible if views.image is views.rgb else _image_hash(views.image),
    }


def _image_hash(image: Image) -> str:
    return bytes_hash([np.ascontiguousarray(image).data])


def read_trace(path: Path | str) -> Iterator[WorldState]:
    """World states of a written trace, enough for every criterion; others' poses are not kept."""
    for row in load_trace(path).to_dict("records"):
        contacts = (_contact(values) for values in json.loads(row["collisions"]))
        lines = (_line(values) for values in json.loads(row["stop_lines"]))
        yield WorldState(
            frame=int(row["step"]),
            time_s=float(row["time_s"]),
            ego=_ego(row),
            stop_lines=tuple(lines),
            at_red_light=bool(row["at_red_light"]),
            collisions=tuple(contacts),
            lane_crossings=int(row["lane_crossings"]),
        )


def _ego(row: Any) -> ActorState:
    center, extent = json.loads(row["box_center"]), json.loads(row["box_extent"])
    return ActorState(
        actor_id=0,
        type_id="ego",
        kind=ActorKind.VEHICLE,
        pose=Pose(*(float(row[name]) for name in ("x", "y", "z", "pitch", "yaw", "roll"))),
        velocity=(float(row["vx"]), float(row["vy"]), float(row["vz"])),
        box_center=(center[0], center[1], center[2]),
        box_extent=(extent[0], extent[1], extent[2]),
    )


def _contact(values: dict[str, Any]) -> CollisionEvent:
    return CollisionEvent(**{**values, "kind": ActorKind(values["kind"])})


def _line(values: dict[str, Any]) -> StopLine:
    return StopLine(**{**values, "state": LightState(values["state"])})
