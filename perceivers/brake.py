"""When to brake: objects are followed, and braking begins when waiting a step longer would hit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from perceivers.detection import Place
from perceivers.kinds import CAR, CYCLIST, PERSON

BRAKE_MPS2 = 7.0  # of the emergency brake
BRAKE_DELAY_S = 0.2  # from the decision to the full deceleration
# Our own choices: the rule plans with less than the brake gives, and keeps this clear.
PLAN_MPS2 = 6.0
CLEAR_AHEAD_M, CLEAR_ASIDE_M = 1.0, 0.3
HORIZON_S = 6.0
GATE_M, GATE_OFF = 2.0, 3.0  # an object is the one expected this close, and so many errors off
LEAST_SEEN = 2  # times, so that its speed is known
FORGET_S = 0.5  # after it was seen last
SPEED_OVER_S, SHAKY_OVER_S = 0.3, 0.8  # speeds are slopes over this long; of shaky places
BRAKING_OVER_S = 0.3  # a car ahead that brakes is known from this long on
# How fast they usually are along and across the way, m/s, and what they brake with, m/s²: a place
# that may be off says little of a motion, and these say the rest (standard deviations about 0).
USUAL_MPS = {PERSON: (2.0, 3.0), CYCLIST: (5.0, 5.0), CAR: (10.0, 0.2)}
USUAL_MPS2 = 4.0
EXACT_M = 1e-3  # the error of a place that is exact
AXLE_SHARE = 0.8  # of the car's length: from the bumper back to the rear axle, which it turns about
LEAST_MPS = 1.0  # slower than this, a yaw rate says nothing of the way
FREE_AHEAD_M, FREE_OVER_S = 4.0, 1.0  # nobody is there, or will be, before a standing car goes on

F64 = NDArray[np.float64]


class Seen(NamedTuple):
    """An object's nearest point at one time, on the ground as the car has driven over it."""

    time_s: float
    x: float  # m
    y: float
    sight: float  # direction in which it was seen, radians
    range_off_m: float  # as `Place` has them
    side_off_m: float


class Motion(NamedTuple):
    """Where an object is as the car sees it now, and how it goes on."""

    along_m: float  # ahead of the bumper
    right_m: float
    along_mps: float
    right_mps: float
    along_mps2: float  # of a car that brakes, never positive


class Heading(NamedTuple):
    """Where the car's rear axle has got to: metres, radians to the right of the start's heading."""

    x: float = 0.0
    y: float = 0.0
    turned: float = 0.0

    def moved(self, speed_mps: float, yaw_rate: float, seconds: float) -> Heading:
        """After some seconds at a speed and a yaw rate, rad/s to the right."""
        turned = self.turned + yaw_rate * seconds
        way = speed_mps * seconds
        return Heading(self.x + way * math.cos(turned), self.y + way * math.sin(turned), turned)

    def ground(self, ahead_m: float, right_m: float) -> tuple[float, float]:
        """A point of the car's own frame on the ground."""
        cos, sin = math.cos(self.turned), math.sin(self.turned)
        return (self.x + ahead_m * cos - right_m * sin, self.y + ahead_m * sin + right_m * cos)

    def own(self, x: F64, y: F64) -> tuple[F64, F64]:
        """Points on the ground in the car's own frame: ahead and to the right."""
        cos, sin = math.cos(self.turned), math.sin(self.turned)
        return (x - self.x) * cos + (y - self.y) * sin, (y - self.y) * cos - (x - self.x) * sin


@dataclass
class Track:
    """One object over time."""

    kind: str
    half_width_m: float
    seen: list[Seen] = field(default_factory=list)

    def motion(self, now: Heading, axle_m: float) -> Motion:
        """Its motion as the car sees it; what was seen once stands still.

        Args:
            now: where the car is.
            axle_m: from its bumper back to its rear axle.
        """
        last = self.seen[-1]
        over_s = SPEED_OVER_S if last.range_off_m == 0.0 else SHAKY_OVER_S
        recent = [s for s in self.seen if last.time_s - s.time_s <= over_s + 1e-6]
        seen = np.array(recent)
        along, right = now.own(seen[:, 1], seen[:, 2])
        times, sight = seen[:, 0] - last.time_s, seen[:, 3:] - (now.turned, 0.0, 0.0)
        has_bend = self.kind == CAR and times[0] <= -BRAKING_OVER_S + 1e-6
        usual = (*USUAL_MPS[self.kind], USUAL_MPS2)[: 3 if has_bend else 2]
        found = _fit(times, along - axle_m, right, sight, usual)
        return found._replace(along_mps2=min(found.along_mps2, 0.0))


class EmergencyBrake:
    """Decides, step by step, whether to brake; once it has, it keeps to it until it is released."""

    def __init__(self, half_width_m: float, length_m: float, step_s: float) -> None:
        """Take the car's size, and the time between two decisions."""
        self._half_width_m = half_width_m
        self._length_m = length_m
        self._axle_m = AXLE_SHARE * length_m
        self._step_s = step_s
        self._tracks: list[Track] = []
        self._now = Heading()
        self._time_s: float | None = None
        self.is_braking = False

    def decide(
        self,
        time_s: float,
        speed_mps: float,
        found: Sequence[tuple[str, Place]],
        yaw_rate: float = 0.0,
    ) -> bool:
        """Take the objects of a step, and say whether to brake from now on.

        Args:
            time_s: simulated time.
            speed_mps: the car's own.
            found: kind and place of each object.
            yaw_rate: rad/s to the right; the car is expected to keep to this curve.
        """
        if self._time_s is not None:
            self._now = self._now.moved(speed_mps, yaw_rate, time_s - self._time_s)
        self._time_s = time_s
        self._follow(time_s, found)
        bend = yaw_rate / speed_mps if speed_mps >= LEAST_MPS else 0.0
        if not self.is_braking:
            self.is_braking = any(
                self._asks_for_it(track, speed_mps, bend) for track in self._tracks
            )
        return self.is_braking

    @property
    def is_free(self) -> bool:
        """Whether a standing car may go on: nobody is close ahead, or about to be."""
        times = np.arange(0.0, FREE_OVER_S + 1e-6, self._step_s)
        for track in self._tracks:
            motion = track.motion(self._now, self._axle_m)
            along = motion.along_m + motion.along_mps * times
            aside = np.abs(motion.right_m + motion.right_mps * times)
            is_close = (along <= FREE_AHEAD_M) & (along >= -self._length_m)
            if np.any(is_close & (aside <= self._reach_m(track))):
                return False
        return True

    def release(self) -> None:
        """Let go of the brake; the next decision may ask for it again."""
        self.is_braking = False

    def _reach_m(self, track: Track) -> float:
        """Between the two middles, from side to side, when they touch."""
        return self._half_width_m + track.half_width_m + CLEAR_ASIDE_M

    def _follow(self, time_s: float, found: Sequence[tuple[str, Place]]) -> None:
        self._tracks = [t for t in self._tracks if time_s - t.seen[-1].time_s <= FORGET_S]
        free = [(track, *self._expected(track, time_s)) for track in self._tracks]
        for kind, place in found:
            ground = self._now.ground(place.ahead_m + self._axle_m, place.right_m)
            sight = self._now.turned + math.atan2(place.right_m, max(place.ahead_m, EXACT_M))
            here = Seen(time_s, *ground, sight, place.range_off_m, place.side_off_m)
            gaps = [
                (math.hypot(place.ahead_m - along, place.right_m - right), number)
                for number, (track, along, right) in enumerate(free)
                if track.kind == kind
            ]
            gap, number = min(gaps, default=(math.inf, -1))
            if gap <= GATE_M + GATE_OFF * math.hypot(place.range_off_m, place.side_off_m):
                track, *_ = free.pop(number)
            else:
                track = Track(kind, place.half_width_m)
                self._tracks.append(track)
            track.half_width_m = place.half_width_m
            track.seen = [*track.seen[-20:], here]

    def _expected(self, track: Track, time_s: float) -> tuple[float, float]:
        """Where an object should be by now: ahead of the bumper and to the right."""
        motion, ahead_s = track.motion(self._now, self._axle_m), time_s - track.seen[-1].time_s
        return motion.along_m + motion.along_mps * ahead_s, motion.right_m

    def _asks_for_it(self, track: Track, speed_mps: float, bend: float) -> bool:
        """Whether the object is hit both without braking and when braking begins a step later."""
        if track.seen[-1].time_s != self._time_s or len(track.seen) < LEAST_SEEN:
            return False
        times = np.arange(0.0, HORIZON_S, self._step_s)
        motion = track.motion(self._now, self._axle_m)
        late, speeds = _braked(speed_mps, times - BRAKE_DELAY_S - self._step_s)
        unbraked = self._hits(track, motion, (speed_mps * times, times), bend)
        braked = self._hits(track, motion, (late, times), bend) & (speeds > 0.0)
        return bool(unbraked.any() and braked.any())

    def _hits(
        self, track: Track, motion: Motion, way: tuple[F64, F64], bend: float
    ) -> NDArray[np.bool_]:
        """At which times the object is touched, on a way of metres driven and seconds."""
        driven, times = way
        lasting = times
        if motion.along_mps2 < 0.0 < motion.along_mps:
            lasting = np.minimum(times, -motion.along_mps / motion.along_mps2)
        along = motion.along_m + motion.along_mps * lasting + 0.5 * motion.along_mps2 * lasting**2
        right = motion.right_m + motion.right_mps * times
        along, right = _on_the_way(along + self._axle_m, right, driven, bend)
        along = along - self._axle_m
        in_lane = np.abs(right) <= self._reach_m(track)
        return np.asarray(
            in_lane & (along <= CLEAR_AHEAD_M) & (along >= -self._length_m), dtype=np.bool_
        )


def _fit(times: F64, along: F64, right: F64, sight: F64, usual: Sequence[float]) -> Motion:
    """The likeliest place and motion at time 0, under what is usual (ridge regression).

    Each sighting says less of how far off somebody is than of the direction.

    Args:
        times: not above 0, the last one 0; (N,).
        along: places at these times, in the car's own frame of time 0.
        right: likewise.
        sight: direction of each line of sight there, radians, and the errors along and across
            it, m; (N, 3).
        usual: standard deviations of the speeds along and across, and maybe of the bend along.
    """
    angles, errors = sight[:, :1], np.maximum(sight[:, 1:], EXACT_M)  # (N, 1), (N, 2)
    zero, one = np.zeros_like(times), np.ones_like(times)
    bend = 0.5 * times**2 if len(usual) > 2 else zero
    towards = np.stack([one, zero, times, zero, bend], axis=1)  # of the unknowns in each place
    aside = np.stack([zero, one, zero, times, zero], axis=1)
    cos, sin = np.cos(angles), np.sin(angles)
    rows = np.vstack([cos * towards + sin * aside, cos * aside - sin * towards])
    cos, sin = cos[:, 0], sin[:, 0]
    wanted = np.concatenate([cos * along + sin * right, cos * right - sin * along])
    weights = 1.0 / errors.T.ravel()
    prior = np.zeros((len(usual), 5))
    prior[:, 2 : 2 + len(usual)] = np.diag(1.0 / np.array(usual))
    whole = np.vstack([rows * weights[:, None], prior])
    found = np.linalg.lstsq(whole, np.concatenate([wanted * weights, np.zeros(len(usual))]))[0]
    if errors.max() <= EXACT_M:
        found[:2] = along[-1], right[-1]
    return Motion(*map(float, found))


def _on_the_way(along: F64, right: F64, driven: F64, bend: float) -> tuple[F64, F64]:
    """Points seen from an axle that has driven some metres on a curve of this bend, 1/m."""
    if abs(bend) < 1e-6:
        return along - driven, right
    turned = bend * driven
    ahead = along - np.sin(turned) / bend
    aside = right - (1.0 - np.cos(turned)) / bend
    cos, sin = np.cos(turned), np.sin(turned)
    return ahead * cos + aside * sin, aside * cos - ahead * sin


def _braked(speed_mps: float, since: F64) -> tuple[F64, F64]:
    """Distance and speed of a car that brakes from `since` = 0 on; constant before."""
    lasting = np.clip(since, 0.0, speed_mps / PLAN_MPS2)
    speed = speed_mps - PLAN_MPS2 * lasting
    driven = speed_mps * (np.minimum(since, 0.0) + lasting) - 0.5 * PLAN_MPS2 * lasting**2
    return driven - speed_mps * since[0], speed
