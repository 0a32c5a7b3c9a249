"""Pose sets: moments of drives, each a frozen world that can be set up again, one row a moment."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from fusiondrive.errors import ConfigError
from fusiondrive.files import whole_file
from fusiondrive.provenance import file_hash
from fusiondrive.types import Pose
from scenarios.route_files import DATA_DIR

VERSION = 1  # of this layout
SHIPPED = DATA_DIR / "poses_validation.parquet"  # of the towns of the route set `validation`
MARK = "fusiondrive_poses"  # key of the file's own metadata
ACTOR_CAUSES = ("lead", "crossing", "walker")  # road users, as opposed to lights and guesses
BRAKES = 0.045  # of a pedal: coiltraine's least brake is 0.05, the expert's too


class PosedActor(NamedTuple):
    """A road user beside the ego; files have the values in this order."""

    number: int  # its id less the ego's: the order in which actors came into the world
    blueprint: str
    kind: str  # person, cyclist or car
    role: str  # the blueprint's `role_name`; empty for people
    paint: str  # the blueprint's `color`; empty where it has none
    x: float  # m and degrees, world frame
    y: float
    z: float
    pitch: float
    yaw: float
    roll: float
    speed_mps: float
    box: tuple[float, ...]  # centre and half sizes in its own frame, m, (6,)
    is_braking: bool  # its brake lights shine
    is_lit: bool  # its lamps shine at night

    @property
    def pose(self) -> Pose:
        """Where it is."""
        return Pose(self.x, self.y, self.z, self.pitch, self.yaw, self.roll)


@dataclass(frozen=True)
class FrozenPose:
    """One moment of one drive of the expert."""

    town: str
    drive: int  # number within the town; moments of a drive are alike, so it is the cluster
    step: int  # of 0.1 s within the drive
    route_id: str
    seed: int
    speed_kmh: int  # that the expert drove at where the road allowed it
    time_s: float  # simulated, since the first observation
    ego: Pose
    forward_speed_mps: float
    command: int  # `fusiondrive.types.Command`
    target_point: tuple[float, float]  # m, forward and right of the ego
    steer: float  # the expert's answer
    throttle: float
    brake: float
    wanted_mps: float  # the speed that the expert was after
    cause: str  # what keeps it from going faster, as `policies.corridor.HazardKind`; or empty
    gap_m: float | None  # from the bumper to that
    hazard: str  # name of the scripted hazard that acts, or empty
    hazard_m: float | None  # from the bumper to it, along the route
    lights: str  # states of the town's traffic lights, a digit each, in the order of `light_order`
    oncoming: Pose | None  # of the car that `night:glare` has in this moment
    actors: tuple[PosedActor, ...]

    @property
    def key(self) -> str:
        """Its id in the set."""
        return f"{self.town}/{self.drive:03d}/{self.step:04d}"

    @property
    def cluster(self) -> str:
        """The drive that it is from."""
        return f"{self.town}/{self.drive:03d}"

    @property
    def is_needed(self) -> bool:
        """Whether a hazard acts before the ego, or the expert brakes for a road user."""
        return bool(self.hazard) or self.brakes_for_somebody

    @property
    def brakes_for_somebody(self) -> bool:
        """Whether the expert brakes for a vehicle or a person."""
        return self.cause in ACTOR_CAUSES and self.brake >= BRAKES


@dataclass(frozen=True)
class SetFacts:
    """What was the same for all poses; part of the file, so equal sets are equal files."""

    look: int | None  # of the pictures in whose town they were driven
    maps: Mapping[str, str]  # identity of each town's map
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the recording
    version: int = VERSION


@dataclass(frozen=True)
class PoseSet:
    """Poses in the order of towns, drives and steps."""

    poses: tuple[FrozenPose, ...]
    facts: SetFacts
    digest: str = ""  # SHA-256 of the file, first 12 hex digits

    def by_town(self, count: int | None = None) -> dict[str, list[FrozenPose]]:
        """Poses of each town, in the order of the set.

        Args:
            count: of all that are taken, evenly over the set; None: all of them.

        Raises:
            ConfigError: there are fewer.
        """
        total = len(self.poses)
        wanted = total if count is None else count
        if wanted > total:
            raise ConfigError(f"--count {wanted}: the pose set has {total} poses")
        towns: dict[str, list[FrozenPose]] = {}
        for number in range(wanted):
            pose = self.poses[number * total // wanted]
            towns.setdefault(pose.town, []).append(pose)
        return towns

    def of_towns(self, names: Sequence[str]) -> PoseSet:
        """Only the poses of some towns.

        Raises:
            ConfigError: one of them has none.
        """
        here = self.by_town()
        for name in names:
            if name not in here:
                raise ConfigError(f"no poses in {name}; the pose set has {', '.join(here)}")
        return replace(self, poses=tuple(pose for pose in self.poses if pose.town in names))

    def summary(self) -> dict[str, Any]:
        """Counts that a card tells."""
        total = max(len(self.poses), 1)
        needed = sum(pose.is_needed for pose in self.poses)
        return {
            "poses": len(self.poses),
            "drives": len({pose.cluster for pose in self.poses}),
            "towns": len({pose.town for pose in self.poses}),
            "road_users": sum(len(pose.actors) for pose in self.poses),
            "share_needed": round(needed / total, 4),
            "expert_brakes": sum(pose.brake >= BRAKES for pose in self.poses),
            "expert_brakes_for_somebody": sum(pose.brakes_for_somebody for pose in self.poses),
            "causes": dict(sorted(Counter(pose.cause or "none" for pose in self.poses).items())),
            "hazards": dict(sorted(Counter(p.hazard for p in self.poses if p.hazard).items())),
            "with_oncoming_car": sum(pose.oncoming is not None for pose in self.poses),
        }


def write_poses(poses: Sequence[FrozenPose], facts: SetFacts, path: Path) -> PoseSet:
    """Write a set whole or not at all; the same poses give the same bytes.

    Raises:
        OutputError: the file cannot be written.
    """
    import fastparquet
    import pandas as pd

    frame = pd.DataFrame([_to_record(pose) for pose in poses], columns=list(_COLUMNS))
    frame = frame.astype({name: kind for name, kind in _COLUMNS.items() if kind != "object"})
    texts = [name for name, kind in _COLUMNS.items() if kind == "object"]
    mark = {
        "version": facts.version,
        "look": facts.look,
        "maps": dict(facts.maps),
        "settings": dict(facts.settings),
    }
    with whole_file(path) as draft:
        fastparquet.write(
            str(draft),
            frame,
            compression="ZSTD",
            write_index=False,
            object_encoding=dict.fromkeys(texts, "utf8"),
            custom_metadata={MARK: json.dumps(mark, sort_keys=True)},
        )
    return PoseSet(tuple(poses), facts, file_hash(path))


def read_poses(path: Path | None) -> PoseSet:
    """Read a set; None stands for the shipped one.

    Raises:
        ConfigError: the file is missing, is no pose set, or one of another version.
    """
    import fastparquet

    path = path or SHIPPED
    if not path.is_file():
        raise ConfigError(f"pose set {path}: no such file; record one: harness.perception record")
    try:
        table = fastparquet.ParquetFile(str(path))
        mark = json.loads((table.key_value_metadata or {}).get(MARK, "null"))
    except Exception as err:  # the reader raises whatever the bytes lead it to
        raise ConfigError(f"{path}: not readable as parquet: {type(err).__name__}: {err}") from err
    if not isinstance(mark, dict):
        raise ConfigError(f"{path}: expected a pose set of harness.perception record, found none")
    if mark.get("version") != VERSION:
        found = mark.get("version")
        raise ConfigError(f"{path}: expected version {VERSION} of pose sets, found {found}; "
                          "record it anew")  # fmt: skip
    facts = SetFacts(mark["look"], mark["maps"], mark["settings"])
    try:
        records = table.to_pandas().astype(object).to_dict("records")
        poses = tuple(_from_record(record) for record in records)
    except (KeyError, ValueError, TypeError) as err:
        raise ConfigError(f"{path}: a row is no pose: {type(err).__name__}: {err}") from err
    if not poses:
        raise ConfigError(f"{path}: the pose set is empty")
    return PoseSet(poses, facts, file_hash(path))


_COLUMNS = {
    **{"town": "object", "drive": "int16", "step": "int16", "route_id": "object", "seed": "int64"},
    **{"speed_kmh": "int16", "time_s": "float64", "ego": "object", "forward_speed_mps": "float64"},
    **{"command": "int8", "target_point": "object", "steer": "float64", "throttle": "float64"},
    **{"brake": "float64", "wanted_mps": "float64", "cause": "object", "gap_m": "float64"},
    **{"hazard": "object", "hazard_m": "float64", "lights": "object", "oncoming": "object"},
    "actors": "object",
}


def _to_record(pose: FrozenPose) -> dict[str, Any]:
    values = {name: getattr(pose, name) for name in _COLUMNS}
    values["ego"] = _packed(_numbers(pose.ego))
    values["target_point"] = _packed(pose.target_point)
    values["oncoming"] = "" if pose.oncoming is None else _packed(_numbers(pose.oncoming))
    values["actors"] = _packed(pose.actors)
    for name in ("gap_m", "hazard_m"):
        values[name] = float("nan") if values[name] is None else values[name]
    return values


def _from_record(record: Mapping[Any, Any]) -> FrozenPose:
    values: dict[str, Any] = {name: record[name] for name in _COLUMNS}
    for name, kind in _COLUMNS.items():
        if kind != "object":
            values[name] = float(values[name]) if kind == "float64" else int(values[name])
    for name in ("gap_m", "hazard_m"):
        values[name] = None if values[name] != values[name] else values[name]
    values["ego"] = Pose(*json.loads(values["ego"]))
    values["target_point"] = tuple(json.loads(values["target_point"]))
    values["oncoming"] = Pose(*json.loads(values["oncoming"])) if values["oncoming"] else None
    values["actors"] = tuple(_actor(item) for item in json.loads(values["actors"]))
    return FrozenPose(**values)


def _actor(item: Sequence[Any]) -> PosedActor:
    values: dict[str, Any] = dict(zip(PosedActor._fields, item, strict=True))
    values["box"] = tuple(values["box"])
    values["is_braking"], values["is_lit"] = bool(values["is_braking"]), bool(values["is_lit"])
    return PosedActor(**values)


def _numbers(pose: Pose) -> tuple[float, ...]:
    return (pose.x, pose.y, pose.z, pose.pitch, pose.yaw, pose.roll)


def _packed(values: Any) -> str:
    return json.dumps(values, separators=(",", ":"), default=int)
