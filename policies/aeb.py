"""Emergency braking in drives: any policy, with a detector that looks at the same image.

The brake is that of the track tests. It takes throttle and brake from the policy, and gives them
back when the car has stood for a moment and nobody is close ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fusiondrive.errors import ConfigError
from fusiondrive.types import (
    Control,
    EpisodeContext,
    Observation,
    Pose,
    SensorSpec,
    WorldState,
)
from perceivers.brake import BRAKE_DELAY_S, EmergencyBrake
from perceivers.detection import Detector, Sight, checked, placed
from perceivers.detectors import make_detector
from perceivers.pedal import BrakePedal
from perceivers.trained import TrainedDetector
from policies.base import Policy, close_policy

# The size of the car that the harness drives, vehicle.tesla.model3 (or nearly, a Lincoln MKZ).
HALF_WIDTH_M, LENGTH_M = 1.08, 4.8
IMU = SensorSpec("aeb_imu", "sensor.other.imu", Pose(0.0, 0.0))
YAW_MEMORY = 0.6  # share of the last step's yaw rate that is kept: steering trembles
STOPPED_MPS, STAND_S = 0.1, 1.0


class AebPolicy(Policy):
    """A policy whose throttle and brake are overridden in an emergency."""

    def __init__(self, inner: Policy, detector: Detector) -> None:
        """Put a brake around a policy.

        Args:
            inner: drives; its camera's image is what the detector looks at.
            detector: not a privileged one.

        Raises:
            ConfigError: the two do not fit.
        """
        _check(inner, detector)
        self._inner, self._detector = inner, detector
        self.is_privileged = inner.is_privileged
        self.uses_image = inner.uses_image or detector.needs_image
        self.camera, self.sensors = inner.camera, (*inner.sensors, IMU)
        looks = [set(item.looks) for item in (inner, detector) if item.looks]
        self.looks = tuple(sorted(set.intersection(*looks))) if looks else ()
        self._yaw_rate = 0.0
        self._asked_at_s: float | None = None
        self._stands_since_s: float | None = None
        self._begin(0.1)

    def reset(self, context: EpisodeContext) -> None:
        """Start an episode."""
        self._inner.reset(context)
        self._detector.reset(context.seed)
        self._begin(context.delta_s)

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """The policy's control, or the brake with the policy's steering."""
        control = self._inner.act(observation, state)
        speed, time_s = observation.forward_speed_mps, observation.time_s
        if self._decide(observation) and self._asked_at_s is None:
            self._asked_at_s = time_s
        self._release(speed, time_s)
        acts = self._asked_at_s is not None and time_s >= self._asked_at_s + BRAKE_DELAY_S - 1e-6
        if not acts:
            return control
        return Control(steer=control.steer, brake=self._pedal.press(speed))

    def perceived_mps(self) -> float | None:
        """What the policy behind the brake says."""
        return self._inner.perceived_mps()

    def finish(self) -> None:
        """The episode has ended."""
        self._inner.finish()

    def close(self) -> None:
        """Give back what the policy holds."""
        close_policy(self._inner)

    def weights_hash(self) -> str:
        """Those of policy and detector, joined by a plus sign."""
        return f"{self._inner.weights_hash()}+{self._detector.weights_hash()}"

    def _begin(self, delta_s: float) -> None:
        self._brake = EmergencyBrake(HALF_WIDTH_M, LENGTH_M, delta_s)
        self._pedal = BrakePedal(delta_s)
        self._yaw_rate, self._asked_at_s, self._stands_since_s = 0.0, None, None

    def _decide(self, observation: Observation) -> bool:
        """Whether to brake, by what the detector sees now."""
        speed = observation.forward_speed_mps
        sight = Sight(observation.image, speed, self.camera)
        found = checked(self._detector, sight)
        places = [(item.kind, placed(item, self.camera, 0.5 * LENGTH_M)) for item in found]
        turning = float(observation.readings[IMU.sensor_id].data.gyroscope.z)  # rad/s to the right
        self._yaw_rate = YAW_MEMORY * self._yaw_rate + (1.0 - YAW_MEMORY) * turning
        return self._brake.decide(observation.time_s, max(speed, 0.0), places, self._yaw_rate)

    def _release(self, speed_mps: float, time_s: float) -> None:
        """Let go once the car has stood for a moment and the way is free."""
        if self._asked_at_s is None or abs(speed_mps) > STOPPED_MPS:
            self._stands_since_s = None
            return
        if self._stands_since_s is None:
            self._stands_since_s = time_s
        if time_s - self._stands_since_s >= STAND_S - 1e-6 and self._brake.is_free:
            self._brake.release()
            self._pedal.let_go()
            self._asked_at_s = None


def make_aeb(
    name: str, detector_weights: Path | None, make_inner: Callable[[], Policy]
) -> AebPolicy:
    """Build a policy with a brake around it.

    Args:
        name: of the policy, for messages.
        detector_weights: an .onnx file of the detector; None takes the shipped one.
        make_inner: builds the policy.

    Raises:
        ConfigError: the policy is unknown or does not fit the detector.
        WeightsError: weights are missing or foreign.
    """
    detector = make_detector(TrainedDetector.name, detector_weights)
    inner = make_inner()
    try:
        return AebPolicy(inner, detector)
    except ConfigError as err:
        close_policy(inner)
        raise ConfigError(f"policy 'aeb:{name}': {err}") from err


def _check(inner: Policy, detector: Detector) -> None:
    if inner.uses_traffic_manager:
        raise ConfigError("the Traffic Manager drives in its place, and nothing could brake it")
    if detector.is_privileged:
        raise ConfigError(f"detector '{detector.name}' knows the actors, and is for track tests")
    if detector.cameras and inner.camera not in detector.cameras:
        known = "; ".join(map(str, detector.cameras))
        raise ConfigError(
            f"it looks through {inner.camera}, and the detector was trained on {known}; train one "
            "on frames of this camera, or take another policy"
        )
