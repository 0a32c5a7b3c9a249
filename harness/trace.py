"""The record of every step: what a criterion reads, what the policy did; kept as parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from fusiondrive.files import whole_file
from fusiondrive.types import (
    ActorKind,
    ActorState,
    CollisionEvent,
    Control,
    LightState,
    Pose,
    StopLine,
    WorldState,
)
from harness.drive import Drive


class TraceRecorder:
    """Collects one row per step in memory and writes them at the end."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def on_step(self, drive: Drive, control: Control) -> None:
        """Keep the step; frames are counted from the first one."""
        state, progress = drive.state, drive.progress
        ego = state.ego
        first = self.rows[0] if self.rows else None
        self.rows.append(
            {
                "step": len(self.rows),
                # Rounded: the server's clock carries float noise of its whole life.
                "time_s": round(state.time_s - (first["start_s"] if first else state.time_s), 6),
                "start_s": first["start_s"] if first else state.time_s,
                **{name: getattr(ego.pose, name) for name in ("x", "y", "z")},
                **{name: getattr(ego.pose, name) for name in ("pitch", "yaw", "roll")},
                **dict(zip(("vx", "vy", "vz"), ego.velocity, strict=True)),
                "throttle": control.throttle,
                "steer": control.steer,
                "brake": control.brake,
                "reverse": control.reverse,
                "hand_brake": control.hand_brake,
                "command": int(progress.command),
                "route_m": progress.distance_m,
                "deviation_m": progress.deviation_m,
                "completion": progress.completion,
                "at_red_light": state.at_red_light,
                "lane_crossings": state.lane_crossings,
                "vehicles": len(state.vehicles),
                "walkers": len(state.walkers),
                "collisions": json.dumps([asdict(c) for c in state.collisions]),
                "stop_lines": json.dumps([asdict(line) for line in state.stop_lines]),
                "events": json.dumps([e.kind.value for e in drive.last_events]),
                "box_center": json.dumps(ego.box_center),
                "box_extent": json.dumps(ego.box_extent),
            }
        )

    def write(self, path: Path | str) -> None:
        """Write the steps; an empty recording leaves no file.

        Raises:
            OutputError: they cannot be written.
        """
        if not self.rows:
            return
        with whole_file(Path(path)) as draft:
            pd.DataFrame(self.rows).drop(columns="start_s").to_parquet(draft, index=False)


def read_trace(path: Path | str) -> Iterator[WorldState]:
    """World states of a written trace, enough for every criterion; others' poses are not kept."""
    for row in pd.read_parquet(path).to_dict("records"):
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
