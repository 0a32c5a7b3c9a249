"""A test as places over time: the car's start, the target, what hides it, the car that dazzles."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from harness.track.contact import Box, Motion
from harness.track.protocol import (
    CCRB_BRAKE_MPS2,
    CCRB_GAP_M,
    HIDDEN_AHEAD_M,
    LEAD_S,
    LOOK_SPARE_S,
    ONCOMING_BEYOND_M,
    ONCOMING_KMH,
    PARKED_SPACING_M,
    RUN_IN_S,
    Target,
    TrackTest,
)
from harness.track.road import Straight
from perceivers.brake import BRAKE_MPS2

EGO = ("vehicle.tesla.model3", "vehicle.lincoln.mkz_2017")
BLUEPRINTS: dict[Target, tuple[str, ...]] = {
    Target.ADULT: ("walker.pedestrian.0001", "walker.pedestrian.*"),
    Target.CHILD: ("walker.pedestrian.0010", "walker.pedestrian.0009", "walker.pedestrian.*"),
    Target.CYCLIST: ("vehicle.bh.crossbike", "vehicle.diamondback.century"),
    Target.CAR: ("vehicle.lincoln.mkz_2017", "vehicle.audi.tt"),
}
PARKED = (("vehicle.mini.cooper_s", "vehicle.audi.a2"), ("vehicle.nissan.patrol", "vehicle.jeep.*"))
ONCOMING = ("vehicle.audi.tt", "vehicle.lincoln.mkz_2017")
SPARE_M = 10.0  # of road at either end
KERB_M = 1.25  # from the lane's edge to the middle of parked cars; the track's lane for them


@dataclass(frozen=True)
class Script:
    """Where something is at any time: it stands, starts at once, and may brake.

    Times are seconds since the first look, `LEAD_S` before the contact.
    """

    along_m: float  # before it starts
    right_m: float
    turned_deg: float = 0.0
    along_mps: float = 0.0
    right_mps: float = 0.0
    begins_s: float = -RUN_IN_S
    brakes_s: float = math.inf
    brake_mps2: float = 0.0

    def place(self, time_s: float) -> tuple[float, float]:
        """Metres along the road and to the right."""
        moving_s = max(0.0, time_s - self.begins_s)
        along = self.along_m + self.along_mps * moving_s
        if time_s > self.brakes_s:
            braking_s = min(time_s - self.brakes_s, self.along_mps / self.brake_mps2)
            along -= self.along_mps * (time_s - self.brakes_s - braking_s)
            along -= 0.5 * self.brake_mps2 * braking_s**2
        return along, self.right_m + self.right_mps * moving_s

    def motion(self, time_s: float) -> Motion:
        """How it moves from then on."""
        if time_s < self.begins_s - 1e-9:
            return Motion()
        if time_s < self.brakes_s - 1e-9:
            return Motion(self.along_mps, self.right_mps)
        left = self.along_mps - self.brake_mps2 * (time_s - self.brakes_s)
        if left <= 0.0:
            return Motion()
        return Motion(left, self.right_mps, -self.brake_mps2)

    def box(self, time_s: float, half: tuple[float, float]) -> Box:
        """Its box on the road, given half its length and half its width."""
        turn = math.radians(self.turned_deg)
        cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
        along, right = self.place(time_s)
        return Box(along, right, half[0] * cos + half[1] * sin, half[0] * sin + half[1] * cos)


@dataclass(frozen=True)
class Part:
    """Somebody or something in the scene."""

    role: str
    blueprints: tuple[str, ...]  # the first that the server has
    script: Script
    has_low_beam: bool = False
    is_walker: bool = False
    is_behind: bool = False  # its far end is at its script's place, not its near one

    def sized(self, half: tuple[float, float]) -> Part:
        """The same with a script of its middle, given half its length and half its width."""
        turn = math.radians(self.script.turned_deg)
        depth = half[0] * abs(math.cos(turn)) + half[1] * abs(math.sin(turn))
        along = self.script.along_m + (-depth if self.is_behind else depth)
        return replace(self, script=replace(self.script, along_m=along))


@dataclass(frozen=True)
class Scene:
    """One run: a test at a speed."""

    test: TrackTest
    speed_kmh: int
    has_oncoming: bool = False

    @property
    def speed_mps(self) -> float:
        """Of the car."""
        return self.speed_kmh / 3.6

    @property
    def look_from_s(self) -> float:
        """Time of the first look: nothing needs braking for so far away, and pictures cost most."""
        if self.test.brakes:
            return 0.0
        stopping_s = self.speed_mps / (2.0 * BRAKE_MPS2)
        return max(0.0, LEAD_S - stopping_s - LOOK_SPARE_S)

    @property
    def start_m(self) -> float:
        """Along the road: the car's middle when it starts."""
        return SPARE_M

    @property
    def length_m(self) -> float:
        """Of the road that it takes, with room for what stands behind the target."""
        return self.start_m + self.speed_mps * (RUN_IN_S + LEAD_S) + 4.0 * SPARE_M + 40.0

    def parts(self, road: Straight, half_length_m: float, half_width_m: float) -> list[Part]:
        """Everybody but the car itself; near bumpers and near sides are at the scripts' places.

        Args:
            road: on which it takes place.
            half_length_m: of the car.
            half_width_m: of the car.
        """
        contact_m = self.start_m + half_length_m + self.speed_mps * (RUN_IN_S + LEAD_S)
        parts: list[Part] = []
        if self.test.target is not None:
            parts.append(self._target(self.test.target, contact_m, half_width_m))
        if self.test.is_hidden:
            aside = 0.5 * road.lane_width_m + KERB_M
            for number, names in enumerate(PARKED):
                bumper = contact_m - HIDDEN_AHEAD_M - number * PARKED_SPACING_M
                parts.append(Part("parked", names, Script(bumper, aside), is_behind=True))
        if self.has_oncoming:
            parts.append(self._oncoming(contact_m, road))
        return parts

    def _target(self, target: Target, contact_m: float, half_width_m: float) -> Part:
        test = self.test
        is_walker = target in (Target.ADULT, Target.CHILD)
        aside = (1.0 - 2.0 * test.struck) * half_width_m
        if test.is_clear and test.starts_aside_m is not None:
            aside = test.starts_aside_m
        across, along = test.crossing_kmh / 3.6, test.along_kmh / 3.6
        script = Script(contact_m - along * (LEAD_S + RUN_IN_S), aside, along_mps=along)
        if across:
            walk_s = LEAD_S
            if test.starts_aside_m is not None:
                walk_s = (test.starts_aside_m - aside) / across
            script = Script(
                contact_m,
                aside + across * walk_s,
                turned_deg=math.copysign(90.0, -across),
                right_mps=-across,
                begins_s=LEAD_S - walk_s,
            )
        if test.brakes:
            ahead = contact_m - self.speed_mps * (LEAD_S + RUN_IN_S) + CCRB_GAP_M
            script = Script(
                ahead, aside, along_mps=self.speed_mps, brakes_s=1.0, brake_mps2=CCRB_BRAKE_MPS2
            )
        # Cars that are struck are dark, as the soft targets of such tests are.
        return Part("target", BLUEPRINTS[target], script, is_walker=is_walker)

    def _oncoming(self, contact_m: float, road: Straight) -> Part:
        """It comes nearer all the time and has the target between itself and the car."""
        speed = ONCOMING_KMH / 3.6
        nearest = contact_m + ONCOMING_BEYOND_M
        script = Script(
            nearest + speed * (LEAD_S + RUN_IN_S), road.oncoming_m, 180.0, along_mps=-speed
        )
        return Part("oncoming", ONCOMING, script, has_low_beam=True)
