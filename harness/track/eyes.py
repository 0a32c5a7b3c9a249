"""An arm on the track: what makes its image, the detector that looks at it, and the brake."""

from __future__ import annotations

from fusiondrive.arms import SWAPPED, Arm
from fusiondrive.errors import ConfigError
from fusiondrive.types import ActorState, Image, WorldState
from harness.track.pictures import NO_IMAGE
from harness.track.protocol import STEP_S
from perceivers.brake import EmergencyBrake
from perceivers.detection import CAMERA, Detector, Place, Sight, checked, placed
from sensors.arms import Maker, arm_named, image_of
from sensors.inputs import input_kind

SAME_M = 2.0  # a detection this close to the target is one of it


def track_arm(name: str) -> Arm:
    """Look an arm up.

    Raises:
        ConfigError: there is no such arm, or it needs another route.
    """
    arm = arm_named(name)
    if name.endswith(SWAPPED) or arm.weather is not None:
        what = "route" if arm.weather is None else "weather"
        raise ConfigError(
            f"arm '{name}' needs another {what}, and track tests have none; leave it out"
        )
    return arm


class Eyes:
    """One arm in one run; after it, `brake_step` says when it wanted to brake.

    Attributes:
        brake_step: number of the step in which it decided to brake; None where it never did.
        seen_at_m: from bumper to target when it was detected first; None where it never was.
    """

    def __init__(self, arm: Arm, maker: Maker, detector: Detector) -> None:
        self.arm = arm
        self.detector = detector
        self._maker = maker
        self.brake_step: int | None = None
        self.seen_at_m: float | None = None

    @property
    def needs_thermal(self) -> bool:
        """Whether its image is made of the thermal one."""
        return self.detector.needs_image and input_kind(self.arm.input).needs_thermal

    def reset(self, ego: ActorState, seed: int) -> None:
        """Start a run of a car of this size."""
        self.brake_step, self.seen_at_m = None, None
        self.detector.reset(seed)
        self._brake = EmergencyBrake(ego.box_extent[1], 2.0 * ego.box_extent[0], STEP_S)

    def look(
        self,
        step: int,
        state: WorldState,
        rgb: Image,
        thermal: Image,
        target: tuple[str, Place] | None,
    ) -> None:
        """See a step.

        Args:
            step: its number.
            state: the world's.
            rgb: (H, W, 3); empty where no arm needs images.
            thermal: (H, W); empty where no arm needs it.
            target: its kind and where it truly is, to tell when it was detected first.
        """
        found = checked(self.detector, self._sight(state, rgb, thermal))
        front_m = state.ego.box_extent[0] + state.ego.box_center[0]
        places = [(item.kind, placed(item, CAMERA, front_m)) for item in found]
        if target is not None and self.seen_at_m is None and _has(places, target):
            self.seen_at_m = target[1].ahead_m
        speed = state.ego.forward_speed_mps
        if self._brake.decide(state.time_s, speed, places) and self.brake_step is None:
            self.brake_step = step

    def image(self, rgb: Image, thermal: Image) -> Image:
        """The arm's image, (H, W, 3)."""
        return image_of(self.arm, self._maker, rgb, thermal)

    def _sight(self, state: WorldState, rgb: Image, thermal: Image) -> Sight:
        image = self.image(rgb, thermal) if self.detector.needs_image else NO_IMAGE
        speed = state.ego.forward_speed_mps
        if not self.detector.is_privileged:
            return Sight(image, speed)
        return Sight(image, speed, CAMERA, state.ego, (*state.vehicles, *state.walkers))


def _has(places: list[tuple[str, Place]], target: tuple[str, Place]) -> bool:
    kind, truth = target
    return any(
        name == kind
        and abs(place.ahead_m - truth.ahead_m) <= max(SAME_M, 0.15 * truth.ahead_m)
        and abs(place.right_m - truth.right_m) <= SAME_M
        for name, place in places
    )
