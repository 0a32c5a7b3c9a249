"""A run as `harness.run` leaves it, made up: rows, hazards, traces and videos in a folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from harness.mp4 import Mp4
from harness.recorder import BAR, FPS, TILE
from results.hazards import HAZARDS_NAME, HazardRecord, HazardRow
from results.reading import FILE_NAME
from results.row import EpisodeRow
from results.trace import TraceRow, to_frame
from tests.results.test_gains import arm
from tests.results.test_trace import STEP

ROUTES = 4
LENGTH_M = 200.0
# Which routes each arm succeeds on.
WON = {"rgb": (), "dehaze": (0, 1), "oracle": (0, 1, 2), "oracle:blanked": (0, 1)}
MET = HazardRecord(
    0, "ParkedObstacle", 60.0, True, 30.2, None, True, 9.1, 0.4, 9.7, 11.6, 0.5
)  # fmt: skip
AVOIDED = replace(MET, was_hit=False, impact_mps=None, min_ttc_s=2.1, braked_m=20.0)


def digest(row: EpisodeRow) -> str:
    """An identity as real ones look, of a made-up row."""
    key = f"{row.town} {row.weather} {row.route_id} {row.arm} {row.seed} {row.fuser_weights}"
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def made_rows(**changes: object) -> list[EpisodeRow]:
    """Rows of four arms on four routes; the drives that fail end at 50 m."""
    found = []
    for name, won in WON.items():
        for row in arm(name, won, ROUTES, **changes):
            is_won = row.outcome == "success"
            found.append(
                replace(
                    row,
                    identity=digest(row),
                    completion=1.0 if is_won else 0.25,
                    distance_m=LENGTH_M if is_won else 50.0,
                    duration_s=20.0 if is_won else 5.0,
                    hazards_met=1,
                    hazards_hit=int(not is_won),
                    wall_finished="2026-11-30T20:20:19+00:00",
                )
            )
    return found


def write_rows(folder: Path, rows: list[EpisodeRow]) -> Path:
    """The rows and a hazard for each of them."""
    met = [HazardRow(row.identity, MET if row.hazards_hit else AVOIDED) for row in rows]
    return write_files(folder, rows, met)


def write_files(folder: Path, rows: list[EpisodeRow], hazards: list[HazardRow]) -> Path:
    """The files that a run has of its rows and of their hazards."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, found in ((FILE_NAME, rows), (HAZARDS_NAME, hazards)):
        lines = "".join(json.dumps(item.to_dict()) + "\n" for item in found)
        (folder / name).write_text(lines, encoding="utf-8")
    return folder


def steps(row: EpisodeRow, *, drift_after_m: float | None = None) -> list[TraceRow]:
    """A drive at 10 m/s along x, y being the route's number; it may steer away from a place on."""
    found = []
    for number in range(round(row.distance_m or 0.0) + 1):
        drift_m = 0.0 if drift_after_m is None else max(0.0, number - drift_after_m) * 0.1
        found.append(
            replace(
                STEP,
                step=number,
                time_s=number / 10.0,
                x=float(number),
                y=40.0 * int(row.route_id) + drift_m,
                vx=10.0,
                route_m=float(number),
                deviation_m=drift_m,
                throttle=0.5,
                steer=0.4 if drift_m > 0.0 else 0.0,
                identity=f"h{row.identity}",
                wall_policy_ms=5.0,
                wall_fusion_ms=4.0 if row.input == "fused" else None,
            )
        )
    return found


def write_trace(folder: Path, row: EpisodeRow, **drift: float) -> Path:
    """The trace of a row's drive, under the name that a run gives it."""
    path = folder / "traces" / f"Town03_r{row.route_id}_fog_{row.identity[:6]}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    to_frame([asdict(step) for step in steps(row, **drift)]).to_parquet(path, index=False)
    return path


def write_video(folder: Path, row: EpisodeRow, shade: int) -> Path:
    """A video of grey pictures that grow brighter step by step, the policy's image and the map."""
    path = folder / "videos" / f"Town03_r{row.route_id}_fog_{row.identity[:6]}.mp4"
    height, width = TILE
    with Mp4(path, FPS) as video:
        for number in range(round(row.distance_m or 0.0) + 1):
            picture = np.full((height + BAR, 2 * width, 3), shade, np.uint8)
            picture[:, width:] = number
            video.send(picture)
        video.finish()
    return path


def write_run(folder: Path, *, with_traces: bool = True, with_videos: bool = False) -> Path:
    """A whole run; rgb steers off from 20 m on."""
    rows = made_rows()
    write_rows(folder, rows)
    for row in rows:
        if with_traces:
            write_trace(folder, row, **({"drift_after_m": 20.0} if row.arm == "rgb" else {}))
        if with_videos and row.route_id == "00" and row.arm in ("rgb", "dehaze"):
            write_video(folder, row, 60 if row.arm == "rgb" else 200)
    return folder
