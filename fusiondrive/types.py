"""Plain data shared by harness, sensors, scenarios and policies: CARLA's frame, metres, seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from fusiondrive.errors import ConfigError
from fusiondrive.geometry import to_heading

Image = NDArray[np.uint8]  # (H, W, 3) RGB, or (H, W) grey


class Command(IntEnum):
    """Navigation command; the numbers are CARLA's RoadOption codes."""

    LEFT = 1
    RIGHT = 2
    STRAIGHT = 3
    FOLLOW = 4


class LightState(IntEnum):
    """Traffic-light state; the numbers are CARLA's TrafficLightState."""

    RED = 0
    YELLOW = 1
    GREEN = 2
    OFF = 3
    UNKNOWN = 4


class ActorKind(str, Enum):
    """What an actor is, as far as driving cares."""

    VEHICLE = "vehicle"
    PEDESTRIAN = "pedestrian"
    STATIC = "static"
    OTHER = "other"


@dataclass(frozen=True)
class Pose:
    """Position in metres and rotation in degrees, CARLA's left-handed world frame."""

    x: float
    y: float
    z: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0
    roll: float = 0.0


@dataclass(frozen=True)
class CameraSpec:
    """The driving camera, relative to the vehicle; defaults follow CILRS (FOV and mount)."""

    width: int = 400
    height: int = 300
    fov_deg: float = 100.0  # horizontal
    x: float = 2.0  # m forward of the actor's origin
    y: float = 0.0  # m to the right
    z: float = 1.4  # m above ground
    pitch_deg: float = -15.0
    yaw_deg: float = 0.0
    roll_deg: float = 0.0

    @property
    def mount(self) -> Pose:
        """Where it sits, in the vehicle's frame."""
        return Pose(self.x, self.y, self.z, self.pitch_deg, self.yaw_deg, self.roll_deg)

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1 or not 0.0 < self.fov_deg < 180.0:
            size = f"{self.width} x {self.height} pixels, {self.fov_deg} degrees"
            raise ConfigError(
                f"camera: expected 1 x 1 pixels or more and a field of view between 0 and 180 "
                f"degrees, found {size}"
            )


@dataclass(frozen=True)
class SensorSpec:
    """A further sensor on the ego vehicle that a policy asks for."""

    sensor_id: str
    kind: str  # a CARLA blueprint, `sensor.speedometer` or `sensor.opendrive_map`
    mount: Pose = field(default_factory=lambda: Pose(0.0, 0.0))  # in the vehicle's frame
    attributes: tuple[tuple[str, str], ...] = ()  # of the blueprint


class Reading(NamedTuple):
    """What one of those sensors said of a frame."""

    frame: int
    data: Any  # CARLA's measurement; m/s of the speedometer; OpenDRIVE text of the map


@dataclass(frozen=True)
class ActorState:
    """One vehicle or walker at one frame."""

    actor_id: int
    type_id: str
    kind: ActorKind
    pose: Pose
    velocity: tuple[float, float, float]  # m/s, world frame
    box_center: tuple[float, float, float]  # m, in the actor's frame
    box_extent: tuple[float, float, float]  # half sizes, m

    @property
    def speed_mps(self) -> float:
        """Length of the velocity, never negative; climbing and sliding count."""
        return float(np.linalg.norm(self.velocity))

    @property
    def forward_speed_mps(self) -> float:
        """Velocity on the ground along the heading; negative backwards."""
        return to_heading(self.velocity[0], self.velocity[1], self.pose.yaw).ahead


@dataclass(frozen=True)
class StopLine:
    """A traffic light that governs a piece of the ego's road, with one of its stop lines."""

    light_id: int
    x: float
    y: float
    yaw: float  # degrees, driving direction at the line
    state: LightState


@dataclass(frozen=True)
class CollisionEvent:
    """One message of the collision sensor."""

    frame: int
    other_id: int
    other_type: str
    kind: ActorKind
    impulse: float  # N s
    x: float
    y: float


@dataclass(frozen=True)
class Progress:
    """Where the ego is along its route."""

    index: int  # of the route point behind or beside the ego
    completion: float  # in [0, 1]
    distance_m: float  # arc length from the start
    deviation_m: float  # from the route's polyline
    command: Command
    target_point_world: tuple[float, float]  # m, 10 m further along the route


@dataclass(frozen=True)
class WorldState:
    """Everything that criteria and privileged policies may look at, for one frame."""

    frame: int
    time_s: float  # simulated
    ego: ActorState
    vehicles: tuple[ActorState, ...] = ()
    walkers: tuple[ActorState, ...] = ()
    stop_lines: tuple[StopLine, ...] = ()  # within 60 m of the ego
    at_red_light: bool = False  # what CARLA says of the ego
    collisions: tuple[CollisionEvent, ...] = ()  # since the last frame
    lane_crossings: int = 0  # lane-invasion messages since the last frame
    progress: Progress | None = None  # None where no route is followed, as in a read trace


@dataclass(frozen=True)
class Atmosphere:
    """What of the weather a thermal camera feels."""

    is_night: bool = False
    fog_extinction_per_m: float = field(default=0.0, kw_only=True)  # of visible light, by fog
    cloudiness: float = field(default=0.0, kw_only=True)  # CARLA's weather parameter, 0 to 100


@dataclass(frozen=True)
class Route:
    """A dense lane-centre path with a command for each point."""

    route_id: str
    points: NDArray[np.float64]  # (N, 3) m, about 1 m apart
    yaws: NDArray[np.float64]  # (N,) degrees
    commands: NDArray[np.int8]  # (N,) Command; a turn's command starts before its junction
    in_junction: NDArray[np.bool_]  # (N,)
    lane_widths: NDArray[np.float64]  # (N,) m
    cumulative_m: NDArray[np.float64]  # (N,) arc length from the start
    notes: tuple[str, ...] = ()  # what of it is implausible, in words
    planning: int = 1  # 2 where rules shaped it that the first version did not have

    @property
    def length_m(self) -> float:
        """Arc length of the whole route."""
        return float(self.cumulative_m[-1])


@dataclass(frozen=True)
class Observation:
    """What a policy sees in one control step."""

    image: Image  # (H, W, 3) uint8 RGB; (0, 0, 3) where there is no camera
    forward_speed_mps: float  # along the heading; negative backwards
    command: Command
    target_point: tuple[float, float]  # m, ego frame: x forward, y right
    time_s: float = 0.0  # simulated, since the first observation
    frame: int = 0
    readings: Mapping[str, Reading] = field(default_factory=dict)  # of the policy's own sensors

    @property
    def speed_mps(self) -> float:
        """Another name of `forward_speed_mps`, for policies that were written before it."""
        return self.forward_speed_mps


@dataclass(frozen=True)
class Control:
    """Throttle and brake in [0, 1], steer in [-1, 1] (right is positive), CARLA's meaning.

    With `reverse` the throttle drives backwards.
    """

    throttle: float = 0.0
    steer: float = 0.0
    brake: float = 0.0
    reverse: bool = field(default=False, kw_only=True)
    hand_brake: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class EpisodeContext:
    """What a policy may prepare for at reset."""

    town: str
    route: Route
    seed: int
    delta_s: float = 0.1
    extras: dict[str, object] = field(default_factory=dict)
    speed_mps: float | None = None  # that the route is to be driven at; None: the policy's own


Entered = TypeVar("Entered", bound="Closing")


class Closing:
    """Something that a `with` block closes."""

    def close(self) -> None:
        """Give back what is held; may be called twice."""
        raise NotImplementedError

    def __enter__(self: Entered) -> Entered:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()
