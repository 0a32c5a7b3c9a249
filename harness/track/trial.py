"""One run on the track: to the contact, to a stop, or past.

A test is driven at first without braking while every arm looks on; each says at which step it would
brake. Then it is driven again for each of these steps, and needs no pictures. So the pictures of a
test are drawn once, whatever the number of arms, and every arm sees the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from fusiondrive.errors import SimulatorError
from fusiondrive.geometry import wrap_degrees
from fusiondrive.types import Image, WorldState
from harness.ego import apply_control
from harness.session import Session
from harness.track.contact import Contact, Motion, first_contact
from harness.track.driver import Driver
from harness.track.eyes import Eyes
from harness.track.pictures import Pictures
from harness.track.protocol import LEAD_S, RUN_IN_S, STEP_S, Target
from harness.track.road import Straight
from harness.track.scene import Scene
from harness.track.situation import Situation, situation_of
from harness.track.stage import Stage
from harness.world import StopLines, WorldReader
from perceivers.brake import BRAKE_DELAY_S
from perceivers.detection import Place
from perceivers.kinds import CAR, CYCLIST, PERSON
from scenarios.weather import carla_weather
from scenarios.weather_preset import WeatherPreset
from sensors.rig import SensorRig
from sensors.thermal_settings import ThermalSettings

logger = logging.getLogger(__name__)

FIRST_LOOK = round(RUN_IN_S / STEP_S) - 1  # the step of time 0; arms look from there at most
DELAY_STEPS = round(BRAKE_DELAY_S / STEP_S)
STOPPED_MPS = 0.05
WARM_UP_S = 0.5  # of the thermal camera's gain before a picture
RUN_LIMIT_S = 900.0  # of wall-clock time, for a run with pictures on busy cores
AFTER_S = 8.0  # at most, after the time at which it would have hit
PAST_M = 5.0
KINDS = {Target.ADULT: PERSON, Target.CHILD: PERSON, Target.CYCLIST: CYCLIST, Target.CAR: CAR}

OnStep = Callable[["Moment"], None]


@dataclass(frozen=True)
class Moment:
    """A step with pictures, for clips."""

    time_s: float
    state: WorldState
    rgb: Image
    thermal: Image
    is_braking: bool
    gap_m: float | None


@dataclass(frozen=True)
class Result:
    """How a run ended."""

    contact: Contact | None
    steps: int
    brake_step: int | None
    brake_gap_m: float | None = None  # from bumper to target when braking was decided
    brake_ttc_s: float | None = None  # at constant speeds
    least_gap_m: float | None = None  # along the road, while the target was in the way
    decel_mps2: float | None = None  # mean of the braking


class Track:
    """A session on a straight road in one weather, on which runs are driven one after the other."""

    def __init__(
        self,
        session: Session,
        road: Straight,
        weather: WeatherPreset,
        seed: int,
        settings: ThermalSettings | None = None,
    ) -> None:
        """Set the weather.

        Args:
            session: in which the road's town is loaded.
            road: on which to drive.
            weather: of all runs.
            seed: of the thermal camera's noise.
            settings: of that camera.
        """
        self.session = session
        self.road = road
        self.weather = weather
        self.seed = seed
        self.lines = StopLines(session.world)
        self.pictures = Pictures(weather, seed, settings or ThermalSettings())
        session.world.set_weather(carla_weather(weather))

    def approach(self, scene: Scene, eyes: Sequence[Eyes]) -> Result:
        """Drive without braking until every arm wants to brake or the run is over."""
        return _Run(self, scene, eyes, None, None).drive()

    def braked(self, scene: Scene, brake_step: int | None, on_step: OnStep | None = None) -> Result:
        """Drive with the brake asked for at a step; `on_step` gets every step with its pictures."""
        run = _Run(self, scene, (), brake_step, on_step)
        run.first_look = FIRST_LOOK  # clips show what led to it
        return run.drive()

    def picture(self, scene: Scene, time_s: float) -> Moment:
        """What the cameras see in a run without braking, so long after the first look."""
        seen: list[Moment] = []
        run = _Run(self, scene, (), None, seen.append)
        run.first_look = max(FIRST_LOOK, FIRST_LOOK + round((time_s - WARM_UP_S) / STEP_S))
        run.last_step = FIRST_LOOK + round(time_s / STEP_S)
        run.drive()
        return seen[-1]


class _Run:
    """One run."""

    def __init__(
        self,
        track: Track,
        scene: Scene,
        eyes: Sequence[Eyes],
        brake_step: int | None,
        on_step: OnStep | None,
    ) -> None:
        self._track, self._scene, self._eyes = track, scene, eyes
        self._brake_step, self._on_step = brake_step, on_step
        self.first_look = FIRST_LOOK + round(scene.look_from_s / STEP_S)
        self.last_step = round((RUN_IN_S + LEAD_S + AFTER_S) / STEP_S)
        self._driver = Driver(scene.speed_mps)
        self._speeds: list[float] = []
        self._gaps: list[float] = []  # to a target in the way
        self._at_brake: tuple[float | None, float | None] = None, None

    def drive(self) -> Result:
        """Drive it.

        Raises:
            SimulatorError: the server died, did not answer, or refused an actor.
        """
        session = self._track.session
        try:
            with session.watched("drive a track test", RUN_LIMIT_S), ExitStack() as owned:
                return self._drive(owned)
        except RuntimeError as err:
            raise SimulatorError(f"a track test broke: {err}") from err

    def _drive(self, owned: ExitStack) -> Result:
        track, session = self._track, self._track.session
        owned.callback(self._last_tick)
        is_lit = track.weather.is_night or track.weather.fog_density > 0.0
        stage = owned.enter_context(
            Stage(session.world, track.road, self._scene, has_low_beam=is_lit)
        )
        reader = owned.enter_context(WorldReader(session.world, track.lines, stage.ego))
        track.pictures.reset()
        for step in range(self.last_step + 1):
            time_s = (step + 1) * STEP_S - RUN_IN_S  # of the state after its tick
            if step == self.first_look and self._draws:
                owned.enter_context(self._cameras(stage))
                session.expect_slow_tick()
            stage.move(time_s)
            frame = session.tick()
            state = reader.read(session.snapshot(frame))
            now = situation_of(step, time_s, state, stage, track.road)
            if step >= self.first_look:
                self._look(now, frame)
            contact = self._steer(now, stage)
            if contact is not None or self._is_over(now):
                return self._result(step, contact)
        return self._result(self.last_step, None)

    def _last_tick(self) -> None:
        """The client aborts where an ego with sensors and synchronous mode go at once."""
        try:
            self._track.session.tick()
        except SimulatorError as err:
            logger.debug("no tick after a run: %s", err)

    @property
    def _draws(self) -> bool:
        return self._on_step is not None or any(eye.detector.needs_image for eye in self._eyes)

    def _cameras(self, stage: Stage) -> SensorRig:
        with_thermal = self._on_step is not None or any(e.needs_thermal for e in self._eyes)
        session = self._track.session
        wait_s = session.timeouts.first_tick_s
        return self._track.pictures.attach(
            session.world, stage.ego, with_thermal=with_thermal, timeout_s=wait_s
        )

    def _look(self, now: Situation, frame: int) -> None:
        """Show the step to the arms, and to who draws it."""
        if now.step == self.first_look:
            for eye in self._eyes:
                eye.reset(now.state.ego, self._track.seed)
        rgb, thermal = self._track.pictures.read(frame, now.state)
        truth, who = None, self._scene.test.target
        if now.there is not None and now.gap_m is not None and who is not None:
            aside = now.there.right_m - now.car.right_m
            truth = KINDS[who], Place(now.gap_m, aside, now.there.half_right_m)
        for eye in self._eyes:
            if eye.brake_step is None:
                eye.look(now.step, now.state, rgb, thermal, truth)
        if self._on_step is not None:
            brakes = self._brake_step is not None and now.step >= self._brake_step
            self._on_step(Moment(now.time_s, now.state, rgb, thermal, brakes, now.gap_m))

    def _steer(self, now: Situation, stage: Stage) -> Contact | None:
        """Send the step's control; gives the contact that comes before the next step, if any."""
        speed = now.state.ego.forward_speed_mps
        if now.is_in_the_way and now.gap_m is not None:
            self._gaps.append(now.gap_m)
        if now.step == self._brake_step:
            self._at_brake = now.gap_m, now.ttc_s(speed)
        acts = self._brake_step is not None and now.step >= self._brake_step + DELAY_STEPS
        turned = wrap_degrees(now.state.ego.pose.yaw - self._track.road.start.yaw)
        apply_control(stage.ego, self._driver.control(speed, now.car.right_m, turned, brakes=acts))
        change = (speed - self._speeds[-1]) / STEP_S if self._speeds else 0.0
        self._speeds.append(speed)
        if now.target is None or now.there is None:
            return None
        moving = Motion(speed, 0.0, min(change, 0.0) if acts else 0.0)
        return first_contact(
            now.car, moving, now.there, now.target.script.motion(now.time_s), STEP_S
        )

    def _is_over(self, now: Situation) -> bool:
        is_looking = bool(self._eyes) and now.step >= self.first_look
        if is_looking and all(eye.brake_step is not None for eye in self._eyes):
            return True
        if self._brake_step is not None and now.step > self._brake_step + DELAY_STEPS:
            return now.state.ego.forward_speed_mps < STOPPED_MPS
        if self._scene.test.is_clear:
            return now.time_s > LEAD_S + PAST_M / self._scene.speed_mps
        return now.gap_m is not None and now.gap_m < -2.0 * now.car.half_along_m - PAST_M

    def _result(self, step: int, contact: Contact | None) -> Result:
        gap, ttc = self._at_brake
        decel = None
        if self._brake_step is not None:
            first = self._brake_step + DELAY_STEPS
            braking = [speed for speed in self._speeds[first:] if speed > 0.0]
            if len(braking) > 2:
                decel = (braking[0] - braking[-1]) / (STEP_S * (len(braking) - 1))
        least = 0.0 if contact is not None else min(self._gaps, default=None)
        return Result(contact, step + 1, self._brake_step, gap, ttc, least, decel)
