"""Files of recorded episodes: a line that names the format, then msgpack objects.

The first object is the header `{"map": name, "additional": bool}`; each other one is a frame
`[time_s, created, destroyed, rows, contacts]`, written once a step. No wall clock is kept.
The format is this server's own: CARLA cannot read it and its files cannot be read here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgpack

from simulator.actors.models import Actor, Sensor, TrafficLight, Vehicle, Walker
from simulator.errors import ActorError
from simulator.net import wire
from simulator.physics import Contact, VehicleInput
from simulator.types import Pose
from simulator.world.episode import Episode

logger = logging.getLogger(__name__)

MAGIC = b"FUSIONDRIVE RECORDING 1\n"
_READ_BYTES = 1 << 16
_KINDS = ("vehicle.", "walker.", "static.prop.", "sensor.")


class Created(NamedTuple):
    """An actor that appears; the pose is relative to its parent if it has one."""

    actor_id: int
    blueprint: str
    attributes: list[list[Any]]  # name, type, value
    pose: Pose
    parent_id: int

    @property
    def role(self) -> str:
        """The role name of the actor."""
        return next((str(value) for name, _, value in self.attributes if name == "role_name"), "")


class Row(NamedTuple):
    """One actor in one frame; `control` holds what its kind has beyond pose and velocity."""

    actor_id: int
    pose: Pose
    velocity: tuple[float, float, float]
    control: list[Any]


class Frame(NamedTuple):
    """One step of a recording."""

    time_s: float  # since the recording began
    created: list[Created]
    destroyed: list[int]
    rows: list[Row]
    contacts: list[tuple[int, int]]  # actors that touched; 0 is scenery


class Recorder:
    """Writes an episode down, step by step."""

    def __init__(self, path: Path, episode: Episode, *, additional: bool) -> None:
        """Begin a file; one that is no recording is never overwritten."""
        self.path = path
        self.episode = episode
        self._known: set[int] = set()
        self._time_s = 0.0
        self._file = _open_new(path)
        self._file.write(MAGIC)
        self._pack({"map": episode.map_name, "additional": additional})
        self.note(0.0, ())

    def note(self, delta_s: float, contacts: Iterable[Contact]) -> None:
        """Write a step."""
        self._time_s += delta_s
        actors = [actor for actor in self.episode.actors if actor.blueprint.startswith(_KINDS)]
        alive = {actor.actor_id for actor in actors}
        created = [_created(actor) for actor in actors if actor.actor_id not in self._known]
        destroyed = sorted(self._known - alive)
        self._known = alive
        rows = [_row(actor) for actor in actors if not isinstance(actor, Sensor)]
        rows += [
            [light.actor_id, list(light.pose), [0.0] * 3, [light.sign_id, int(light.state)]]
            for light in self.episode.light_actors
        ]
        touched = sorted({(c.key, c.other_key or 0) for c in contacts})
        self._pack([self._time_s, created, destroyed, rows, touched])

    def _pack(self, value: Any) -> None:
        self._file.write(wire.pack(value))

    def close(self) -> None:
        """End the file; what a full disk did not take is missing at its end."""
        try:
            self._file.close()
        except OSError as err:
            logger.warning("the end of recording %r is lost: %s", str(self.path), err)


def _open_new(path: Path) -> IO[bytes]:
    try:
        if path.exists() and not _is_recording(path):
            raise ActorError(f"{path} exists and is no recording, so it stays")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb")
    except OSError as err:
        raise ActorError(f"{path}: cannot be written: {err.strerror}") from err


def _is_recording(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _created(actor: Actor) -> list[Any]:
    parent = actor.parent.actor_id if actor.parent is not None else 0
    pose = actor.relative if actor.relative is not None else actor.pose
    attributes = [list(row) for row in actor.attributes]
    return [actor.actor_id, actor.blueprint, attributes, list(pose), parent]


def _row(actor: Actor) -> list[Any]:
    control: list[Any] = []
    if isinstance(actor, Vehicle):
        c = actor.control
        control = [c.throttle, c.steer, c.brake, c.hand_brake, c.reverse, c.manual_gear_shift]
        control += [actor.gear, actor.light_flags, actor.wheel_steer_deg]
    elif isinstance(actor, Walker):
        control = [list(actor.direction), actor.speed]
    return [actor.actor_id, list(actor.pose), list(actor.velocity), control]


class Recording(NamedTuple):
    """A file that was opened for reading."""

    path: Path
    map_name: str

    def frames(self) -> Iterator[Frame]:
        """All steps; a file that was cut off ends with its last whole one."""
        objects = _objects(self.path)
        next(objects, None)
        for time_s, created, destroyed, rows, contacts in objects:
            yield Frame(
                float(time_s),
                [Created(i, name, list(a), Pose(*pose), up) for i, name, a, pose, up in created],
                list(destroyed),
                [Row(i, Pose(*pose), (v[0], v[1], v[2]), c) for i, pose, v, c in rows],
                [(a, b) for a, b in contacts],
            )

    def duration_s(self) -> float:
        """Time of the last step."""
        return max((frame.time_s for frame in self.frames()), default=0.0)


class NoRecording(Exception):
    """There is no such file, or it is something else; CARLA answers that with a text."""


def open_recording(path: Path) -> Recording:
    """Look at a file.

    Raises:
        NoRecording: there is none, or it is something else.
    """
    try:
        if not _is_recording(path):
            raise NoRecording(f"File {path} is no recording of this server")
        header = next(_objects(path), None)
    except OSError as err:
        raise NoRecording(f"File {path} not found on server ({err.strerror})") from err
    if not isinstance(header, dict) or "map" not in header:
        raise NoRecording(f"File {path} is a recording without a header")
    return Recording(path, str(header["map"]))


def _objects(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        file.seek(len(MAGIC))
        unpacker = msgpack.Unpacker(
            file, read_size=_READ_BYTES, strict_map_key=False, unicode_errors="surrogateescape"
        )
        yield from unpacker


def order_of(control: list[Any]) -> VehicleInput:
    """The pedals of a vehicle's row."""
    throttle, steer, brake, hand_brake, reverse, manual = control[:6]
    return VehicleInput(
        throttle, steer, brake, hand_brake=hand_brake, reverse=reverse,
        manual_gear_shift=manual, gear=int(control[6]),
    )  # fmt: skip


def light_of(episode: Episode, row: Row) -> TrafficLight | None:
    """The traffic light of a row, found by its OpenDRIVE id; None for rows of other actors."""
    if len(row.control) != 2 or not isinstance(row.control[0], str):
        return None
    return next((one for one in episode.light_actors if one.sign_id == row.control[0]), None)
