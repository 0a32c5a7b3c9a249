"""What callers hand to the physics and get back; no computation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from simulator.types import Pose

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class VehicleSpec:
    """A vehicle; the defaults are a mid-size electric saloon (CARLA's vehicle.tesla.model3)."""

    half_extent: Vector = (2.396, 1.082, 0.744)  # m
    box_center: Vector = (0.0, 0.0, 0.744)  # m, from the ground contact centre
    mass_kg: float = 1845.0
    wheelbase_m: float = 2.87
    max_steer_deg: float = 70.0  # of the inner wheel, as CARLA's physics control reports it
    drag: float = 0.4  # N s^2/m^2: half of air density x drag coefficient x frontal area
    peak_accel: float = 4.6  # m/s^2, full throttle at low speed
    power_w: float = 110_000.0  # limits the acceleration at speed
    brake_decel: float = 8.0  # m/s^2 at full brake
    grip: float = 1.8  # friction; CARLA's tyres (3.5) hold better than real ones (about 1)
    corner_cut_m: float = 0.0  # of both sides, where a body has round corners


@dataclass(frozen=True)
class VehicleInput:
    """CARLA's VehicleControl: throttle and brake in [0, 1], steer in [-1, 1], right positive."""

    throttle: float = 0.0
    steer: float = 0.0
    brake: float = 0.0
    hand_brake: bool = False
    reverse: bool = False
    manual_gear_shift: bool = False
    gear: int = 0


class BodyState(NamedTuple):
    """One body after a step; vectors in the world frame."""

    pose: Pose  # of the actor's origin, the ground contact centre
    velocity: Vector = (0.0, 0.0, 0.0)  # m/s
    angular_velocity: Vector = (0.0, 0.0, 0.0)  # deg/s
    acceleration: Vector = (0.0, 0.0, 0.0)  # m/s^2, mean over the step
    gear: int = 0
    wheel_steer_deg: float = 0.0  # mean of the front wheels, right positive


class Contact(NamedTuple):
    """What one body felt in one step; two bodies that touch give one contact each."""

    key: int
    other_key: int | None  # the other body, if it was one
    obstacle: int | None  # index of the static obstacle, if it was one
    impulse: Vector  # N s on `key`, summed over the substeps
    point: Vector  # m, world
