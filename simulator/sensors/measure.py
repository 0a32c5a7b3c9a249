"""What the sensors of one frame have to say, apart from the drawing of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from simulator.actors.models import Sensor
from simulator.blueprints.sensors import CAMERAS
from simulator.net import wire
from simulator.net.wire import SensorType
from simulator.physics import Contact
from simulator.sensors import camera, lidar, motion, radar
from simulator.sensors.drawables import drawables_of
from simulator.sensors.drawing import DrawOrder, Scan
from simulator.sensors.moment import Moment
from simulator.types import Obstacle, Tag
from simulator.world import rays
from simulator.world.episode import Episode

# Carla/Game/Tagger.cpp, GetTagAsString, in lower case.
TAG_WORDS = {
    Tag.NONE: "none", Tag.ROADS: "road", Tag.SIDEWALKS: "sidewalk", Tag.BUILDINGS: "building",
    Tag.WALLS: "wall", Tag.FENCES: "fence", Tag.POLES: "pole", Tag.TRAFFIC_LIGHT: "trafficlight",
    Tag.TRAFFIC_SIGNS: "trafficsign", Tag.VEGETATION: "vegetation", Tag.TERRAIN: "terrain",
    Tag.SKY: "sky", Tag.PEDESTRIANS: "pedestrian", Tag.RIDER: "rider", Tag.CAR: "car",
    Tag.TRUCK: "truck", Tag.BUS: "bus", Tag.TRAIN: "train", Tag.MOTORCYCLE: "motorcycle",
    Tag.BICYCLE: "bicycle", Tag.STATIC: "static", Tag.DYNAMIC: "dynamic", Tag.OTHER: "other",
    Tag.WATER: "water", Tag.ROAD_LINES: "roadline", Tag.GROUND: "ground", Tag.BRIDGE: "bridge",
    Tag.RAIL_TRACK: "railtrack", Tag.GUARD_RAIL: "guardrail",
}  # fmt: skip


_SCANNERS = (SensorType.LIDAR, SensorType.SEMANTIC_LIDAR, SensorType.RADAR)


class Message(NamedTuple):
    """One message for a stream."""

    stream_id: int
    buffers: list[bytes]


def obstacle_record(obstacle: Obstacle) -> list[Any]:
    """Static scenery as an Actor: id 0 and a description such as `static.building`."""
    description = [0, f"static.{TAG_WORDS[Tag(obstacle.tag)]}", []]
    half = (obstacle.half_x, obstacle.half_y, obstacle.half_z)
    box = wire.bounding_box(obstacle[:3], half, (0.0, obstacle.yaw, 0.0))
    return [0, 0, description, box, bytes([obstacle.tag]), b""]


def measure(
    episode: Episode,
    moment: Moment,
    contacts: Sequence[Contact],
    is_heard: Callable[[int], bool],
    *,
    has_cameras: bool = True,
) -> tuple[list[Message], DrawOrder]:
    """Messages that are ready now, and what remains to be drawn and scanned."""
    messages: list[Message] = []
    cameras: list[Sensor] = []
    scans: list[Scan] = []
    for sensor in episode.sensors():
        if sensor.kind is None or not is_heard(sensor.stream_id):
            continue
        if sensor.kind is SensorType.COLLISION:
            messages += _collisions(episode, moment, sensor, contacts)
        elif sensor.is_due(moment.time_s):
            sensor.take_turn(moment.time_s)
            if sensor.kind in CAMERAS.values():
                cameras.append(sensor)
            elif sensor.kind in _SCANNERS:
                scans.append(_scan(moment, sensor))
            elif (body := _body(episode, moment, sensor)) is not None:
                messages.append(Message(sensor.stream_id, [_header(moment, sensor), body]))
    shots = []
    if has_cameras:
        shots = camera.group(cameras, lambda sensor: _header(moment, sensor), moment)
    drawables = drawables_of(episode.actors) if shots or scans else []
    strokes = episode.debug_shapes.now()
    return messages, DrawOrder(shots, scans, drawables, episode.weather, strokes)


def _scan(moment: Moment, sensor: Sensor) -> Scan:
    header = _header(moment, sensor)
    generator = motion.noise_of(sensor, moment.seed)
    if sensor.kind is SensorType.RADAR:
        time_s, delta_s = moment.time_s, moment.delta_s
        return radar.plan(sensor, header, time_s, delta_s, generator)
    return lidar.plan(sensor, header, moment.delta_s, generator)


def _header(moment: Moment, sensor: Sensor) -> bytes:
    assert sensor.kind is not None, "client-side sensors send nothing"
    return wire.sensor_header(sensor.kind, moment.frame, moment.time_s, sensor.pose)


def _body(episode: Episode, moment: Moment, sensor: Sensor) -> bytes | None:
    if sensor.kind is SensorType.GNSS:
        return motion.gnss(sensor, episode.scene.carla_map, moment.seed)
    if sensor.kind is SensorType.IMU:
        return motion.imu(sensor, moment.seed, moment.gravity)
    return _obstacle_ahead(episode, sensor)


def _collisions(
    episode: Episode, moment: Moment, sensor: Sensor, contacts: Sequence[Contact]
) -> list[Message]:
    """One CollisionEvent for each thing that its carrier touched."""
    carrier = sensor.parent
    if carrier is None:
        return []
    found = []
    for contact in contacts:
        if contact.key != carrier.actor_id:
            continue
        other = _other_record(episode, contact)
        if other is not None:
            body = wire.pack([carrier.describe(), other, wire.vector(contact.impulse)])
            found.append(Message(sensor.stream_id, [_header(moment, sensor), body]))
    return found


def _other_record(episode: Episode, contact: Contact) -> list[Any] | None:
    if contact.obstacle is not None:
        return obstacle_record(episode.scene.obstacles[contact.obstacle])
    other = episode.actors.find(contact.other_key) if contact.other_key is not None else None
    return other.describe() if other is not None else None


def _obstacle_ahead(episode: Episode, sensor: Sensor) -> bytes | None:
    """ObstacleDetectionEvent: the nearest thing that a ball rolling ahead would touch."""
    direction = sensor.pose.rotation_matrix()[:, 0]
    only_actors = sensor.attribute("only_dynamics", "false").lower() == "true"
    hits = rays.cast(
        episode.scene,
        episode.actors,
        np.array(sensor.pose[:3]),
        direction,
        float(sensor.attribute("distance", "5")),
        ignore=sensor.parent,
        margin_m=float(sensor.attribute("hit_radius", "0.5")),
        only_actors=only_actors,
    )
    if not hits:
        return None
    hit = hits[0]
    if hit.actor is not None:
        other = hit.actor.describe()
    else:
        assert hit.obstacle is not None, "cast() gives an actor or an obstacle"
        other = obstacle_record(episode.scene.obstacles[hit.obstacle])
    carrier = sensor.parent if sensor.parent is not None else sensor
    return wire.pack([carrier.describe(), other, hit.distance_m])
