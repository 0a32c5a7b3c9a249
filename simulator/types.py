"""Plain data shared by the rooms of the server: poses, tags, meshes, obstacles, cameras, towns."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]


class Pose(NamedTuple):
    """Metres and degrees in CARLA's left-handed frame: x forward, y right, z up."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0
    roll: float = 0.0

    def rotation_matrix(self) -> F64:
        """Rotation from local to world, (3, 3); its columns are forward, right and up."""
        # numpy's functions for their bits, Python's numbers for their speed.
        turned = np.radians([self.pitch, self.yaw, self.roll])
        (cp, cy, cr), (sp, sy, sr) = np.cos(turned).tolist(), np.sin(turned).tolist()
        # carla::geom::Transform::GetMatrix, LibCarla 0.9.16
        return np.array(
            [
                [cp * cy, cy * sp * sr - sy * cr, -cy * sp * cr - sy * sr],
                [cp * sy, sy * sp * sr + cy * cr, -sy * sp * cr + cy * sr],
                [sp, -cp * sr, cp * cr],
            ]
        )

    def canonical(self) -> Pose:
        """The same rotation as Unreal reports it: pitch within 90, yaw and roll in (-180, 180]."""
        turned = Pose().compose(self) if abs(self.pitch) > 90.0 else self
        return turned._replace(yaw=_wrapped(turned.yaw), roll=_wrapped(turned.roll))

    def compose(self, child: Pose) -> Pose:
        """World pose of `child`, which is given relative to this pose."""
        rotation = self.rotation_matrix()
        position = np.array(self[:3]) + rotation @ np.array(child[:3])
        m = (rotation @ child.rotation_matrix()).tolist()
        pitch = float(np.arcsin(min(max(m[2][0], -1.0), 1.0)))
        yaw, roll = np.arctan2([m[1][0], -m[2][1]], [m[0][0], m[2][2]]).tolist()
        return Pose(*position.tolist(), *map(math.degrees, (pitch, yaw, roll)))


def _wrapped(angle_deg: float) -> float:
    """The same angle in (-180, 180]; untouched where it is there already."""
    if -180.0 < angle_deg <= 180.0:
        return angle_deg
    return 180.0 - (180.0 - angle_deg) % 360.0


class Tag(IntEnum):
    """Semantic tags of CARLA 0.9.16 (CityScapes palette order)."""

    NONE = 0
    ROADS = 1
    SIDEWALKS = 2
    BUILDINGS = 3
    WALLS = 4
    FENCES = 5
    POLES = 6
    TRAFFIC_LIGHT = 7
    TRAFFIC_SIGNS = 8
    VEGETATION = 9
    TERRAIN = 10
    SKY = 11
    PEDESTRIANS = 12
    RIDER = 13
    CAR = 14
    TRUCK = 15
    BUS = 16
    TRAIN = 17
    MOTORCYCLE = 18
    BICYCLE = 19
    STATIC = 20
    DYNAMIC = 21
    OTHER = 22
    WATER = 23
    ROAD_LINES = 24
    GROUND = 25
    BRIDGE = 26
    RAIL_TRACK = 27
    GUARD_RAIL = 28


class Material(IntEnum):
    """Surface kinds; the renderer knows texture, gloss and night behaviour of each.

    Texture coordinates are metres, except on facades, where one unit of u is one window bay and
    one unit of v is one floor.
    """

    PLAIN = 0
    ASPHALT = 1
    PAVING = 2
    KERB = 3
    PAINT = 4
    GRASS = 5
    FACADE_PUNCHED = 6
    FACADE_RIBBON = 7
    FACADE_BRICK = 8
    FACADE_SHOP = 9
    ROOF = 10
    BARK = 11
    LEAF = 12
    METAL = 13
    GLASS = 14
    LAMP = 15
    CAR_PAINT = 16
    TYRE = 17
    HEADLIGHT = 18
    TAILLIGHT = 19
    SKIN = 20
    CLOTH = 21
    SIGNAL_RED = 22
    SIGNAL_YELLOW = 23
    SIGNAL_GREEN = 24
    WATER = 25


@dataclass(frozen=True)
class Mesh:
    """Triangles with one colour, material and tag each; front faces may wind either way."""

    positions: F32  # (V, 3) m
    uvs: F32  # (V, 2)
    faces: NDArray[np.int32]  # (F, 3)
    colors: U8  # (F, 3) sRGB albedo
    materials: U8  # (F,) Material
    tags: U8  # (F,) Tag


@dataclass(frozen=True)
class Layer:
    """A mesh drawn where its distance to the camera lies in [near_m, far_m)."""

    mesh: Mesh
    near_m: float = 0.0
    far_m: float = 400.0


class Obstacle(NamedTuple):
    """An oriented box that does not move: a building, pole, trunk or wall."""

    x: float
    y: float
    z: float  # centre
    yaw: float  # degrees
    half_x: float
    half_y: float
    half_z: float
    tag: int


@dataclass(frozen=True)
class Scenery:
    """Everything that stands still in a town."""

    layers: tuple[Layer, ...]
    obstacles: tuple[Obstacle, ...]
    lamps: F32  # (L, 3) positions of the light bulbs of street lamps, m
    lamp_directions: F32  # (L, 3) unit vectors, mostly downwards


class SignalSpec(NamedTuple):
    """One traffic light of the OpenDRIVE map, with the lines where its traffic stops."""

    signal_id: str
    pose: Pose  # of the pole's foot; the head looks along `pose.yaw`
    group: int  # lights of one junction share a group
    phase: int  # lights of one phase are green together
    stop_lines: tuple[Pose, ...]  # lane centre, yaw = driving direction, one for each lane


@dataclass(frozen=True)
class Town:
    """A road network with what CARLA's clients ask of it."""

    name: str  # such as Town02
    origin: str  # authored | carla
    digest: str  # first 12 hex digits of the SHA-256 of the OpenDRIVE text
    xodr: str
    spawn_points: tuple[Pose, ...]
    signals: tuple[SignalSpec, ...]
    unrepaired: str = ""  # the text as it was, where `xodr` is a repaired one; seeds the scenery


@dataclass(frozen=True)
class Weather:
    """CARLA's WeatherParameters in wire order; defaults are the real server's start values."""

    cloudiness: float = 5.0
    precipitation: float = 0.0
    precipitation_deposits: float = 0.0
    wind_intensity: float = 10.0
    sun_azimuth_angle: float = -1.0
    sun_altitude_angle: float = 45.0
    fog_density: float = 2.0
    fog_distance: float = 0.75
    fog_falloff: float = 0.1
    wetness: float = 0.0
    scattering_intensity: float = 1.0
    mie_scattering_scale: float = 0.03
    rayleigh_scattering_scale: float = 0.0331
    dust_storm: float = 0.0

    def as_list(self) -> list[float]:
        """The fourteen values in wire order."""
        return [float(getattr(self, field.name)) for field in fields(self)]


class Camera(NamedTuple):
    """A pinhole camera; CARLA's depth is measured along its forward axis."""

    width: int
    height: int
    fov_deg: float  # horizontal
    pose: Pose  # world


@dataclass(frozen=True)
class Drawable:
    """A moving or switching thing to draw: vehicle, walker, prop or traffic-light head."""

    kind: str  # blueprint id, such as vehicle.tesla.model3; or traffic.traffic_light
    pose: Pose
    velocity: tuple[float, float, float] = (0.0, 0.0, 0.0)
    half_extent: tuple[float, float, float] = (2.4, 1.0, 0.75)
    color: tuple[int, int, int] = (200, 200, 200)
    instance: int = 0  # 16 bits
    lights: int = 0  # CARLA's VehicleLightState flags
    brake: float = 0.0
    steer_deg: float = 0.0
    doors: int = 0  # bits of those that are open, see `render/doors.py`
    signal_state: int = 3  # TrafficLightState, for traffic lights
    age_s: float = 0.0  # simulated seconds since spawn, for gaits
    actor_id: int = 0  # never drawn; semantic lidars report it


@dataclass(frozen=True)
class Frame:
    """What one camera pose shows."""

    bgra: U8  # (H, W, 4), alpha 255
    tags: U8  # (H, W) Tag
    depth_m: F32  # (H, W), along the optical axis, 1000 where there is sky
    instances: NDArray[np.uint16]  # (H, W)
    normals: F32 | None = None  # (H, W, 3) unit, in the world, towards the camera; zero: sky
