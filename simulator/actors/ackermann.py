"""CARLA's Ackermann controller: a target speed and steering angle become throttle and brake."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from simulator.physics import VehicleInput

# Reversing begins and ends below this speed, m/s (Carla/Vehicle/AckermannController.cpp).
_STANDSTILL_MPS = 0.1
_ALMOST_STANDSTILL_MPS = 0.35
_FULL_STOP_BRAKE = 1.0
_MAX_ACCELERATION = 8.0  # m/s^2, what full throttle or brake stands for


class AckermannControl(NamedTuple):
    """`carla/rpc/VehicleAckermannControl.h`: rad, rad/s, m/s, m/s^2, m/s^3; zero means no limit."""

    steer: float = 0.0
    steer_speed: float = 0.0
    speed: float = 0.0
    acceleration: float = 0.0
    jerk: float = 0.0


class AckermannGains(NamedTuple):
    """`carla/rpc/AckermannControllerSettings.h`, with its defaults."""

    speed_kp: float = 0.15
    speed_ki: float = 0.0
    speed_kd: float = 0.25
    accel_kp: float = 0.01
    accel_ki: float = 0.0
    accel_kd: float = 0.01


class Motion(NamedTuple):
    """How the vehicle moves along its own axis."""

    speed_mps: float
    acceleration: float  # m/s^2
    max_steer_deg: float


@dataclass
class AckermannController:
    """State of the controller of one vehicle."""

    gains: AckermannGains = field(default_factory=AckermannGains)
    steer_rad: float = 0.0
    speed_integral: float = 0.0
    last_error: float = 0.0
    pedal: float = 0.0  # throttle if positive, brake if negative

    def reset(self) -> None:
        """Forget what was driven before."""
        self.steer_rad = self.speed_integral = self.last_error = self.pedal = 0.0

    def advance(self, order: AckermannControl, motion: Motion, dt: float) -> VehicleInput:
        """Pedals and steering of the next step."""
        steer = self._steer(order, motion, dt)
        is_stop = abs(order.speed) < _STANDSTILL_MPS
        if is_stop and abs(motion.speed_mps) < _ALMOST_STANDSTILL_MPS:
            self.speed_integral = self.last_error = self.pedal = 0.0
            return VehicleInput(steer=steer, brake=_FULL_STOP_BRAKE, hand_brake=True)
        backwards = order.speed < 0.0
        if backwards != (motion.speed_mps < 0.0) and abs(motion.speed_mps) > _STANDSTILL_MPS:
            self.pedal = 0.0
            return VehicleInput(steer=steer, brake=1.0, reverse=motion.speed_mps < 0.0)
        pedal = self._longitudinal(order, motion, dt, -1.0 if backwards else 1.0)
        throttle, brake = max(pedal, 0.0), max(-pedal, 0.0)
        return VehicleInput(throttle=throttle, steer=steer, brake=brake, reverse=backwards)

    def _steer(self, order: AckermannControl, motion: Motion, dt: float) -> float:
        change = order.steer - self.steer_rad
        if order.steer_speed > 0.0:
            change = min(max(change, -order.steer_speed * dt), order.steer_speed * dt)
        self.steer_rad += change
        return min(max(self.steer_rad / math.radians(motion.max_steer_deg), -1.0), 1.0)

    def _longitudinal(
        self, order: AckermannControl, motion: Motion, dt: float, sign: float
    ) -> float:
        """Two loops as in CARLA: speed error to acceleration, acceleration error to pedal."""
        g = self.gains
        error = sign * (order.speed - motion.speed_mps)
        self.speed_integral += error * dt
        slope = (error - self.last_error) / dt
        self.last_error = error
        wish = g.speed_kp * error + g.speed_ki * self.speed_integral + g.speed_kd * slope * dt
        limit = order.acceleration if order.acceleration > 0.0 else _MAX_ACCELERATION
        target = min(max(wish * _MAX_ACCELERATION, -limit), limit)
        step = g.accel_kp * (target - sign * motion.acceleration) * 10.0
        # Feed-forward: CARLA's second loop alone would creep up to the pedal position.
        self.pedal = min(max(target / _MAX_ACCELERATION + step, -1.0), 1.0)
        return self.pedal
