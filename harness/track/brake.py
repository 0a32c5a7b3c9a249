"""When to brake: objects are followed, and braking begins when waiting a step longer would hit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.track.detection import CAR, Place
from harness.track.protocol import BRAKE_DELAY_S, STEP_S

# Our own choices: the rule plans with less than the brake gives, and keeps this clear.
PLAN_MPS2 = 6.0
CLEAR_AHEAD_M, CLEAR_ASIDE_M = 1.0, 0.3
HORIZON_S = 6.0
GATE_M = 2.0  # an object is the one that was expected this close
LEAST_SEEN = 2  # times, so that its speed is known
FORGET_S = 0.5  # after it was seen last
SPEED_OVER_S = 0.3  # speeds are slopes over this long
BRAKING_OVER_S = 0.3  # a car ahead that brakes is known from this long on

F64 = NDArray[np.float64]


class Seen(NamedTuple):
    """An object at one time."""

    time_s: float
    along_m: float  # of its nearest point, on the way that the car has driven
    right_m: float


class Motion(NamedTuple):
    """Where an object is, and how it goes on."""

    along_m: float
    right_m: float
    along_mps: float
    right_mps: float
    along_mps2: float  # of a car that brakes, never positive


@dataclass
class Track:
    """One object over time."""

    kind: str
    half_width_m: float
    seen: list[Seen] = field(default_factory=list)

    def motion(self) -> Motion:
        """Its motion now; what was seen once stands still."""
        last = self.seen[-1]
        recent = [s for s in self.seen if last.time_s - s.time_s <= SPEED_OVER_S + 1e-6]
        if len(recent) < 2:
            return Motion(last.along_m, last.right_m, 0.0, 0.0, 0.0)
        times, along, right = np.array(recent).T
        times = times - last.time_s
        bend = 0.0
        if self.kind == CAR and times[0] <= -BRAKING_OVER_S + 1e-6:
            bend, slope, _ = np.polyfit(times, along, 2)
        else:
            slope = np.polyfit(times, along, 1)[0]
        aside = np.polyfit(times, right, 1)[0]
        change = min(2.0 * float(bend), 0.0)
        return Motion(last.along_m, last.right_m, float(slope), float(aside), change)


class EmergencyBrake:
    """Decides, step by step, whether to brake; once it has, it keeps to it."""

    def __init__(self, half_width_m: float, length_m: float) -> None:
        self._half_width_m = half_width_m
        self._length_m = length_m
        self._tracks: list[Track] = []
        self._driven_m = 0.0
        self._time_s: float | None = None
        self.is_braking = False

    def decide(self, time_s: float, speed_mps: float, found: Sequence[tuple[str, Place]]) -> bool:
        """Take the objects of a step, and say whether to brake from now on.

        Args:
            time_s: simulated time.
            speed_mps: the car's own.
            found: kind and place of each object.
        """
        if self._time_s is not None:
            self._driven_m += speed_mps * (time_s - self._time_s)
        self._time_s = time_s
        self._follow(time_s, found)
        if not self.is_braking:
            self.is_braking = any(self._asks_for_it(track, speed_mps) for track in self._tracks)
        return self.is_braking

    def _follow(self, time_s: float, found: Sequence[tuple[str, Place]]) -> None:
        self._tracks = [t for t in self._tracks if time_s - t.seen[-1].time_s <= FORGET_S]
        free = list(self._tracks)
        for kind, place in found:
            here = Seen(time_s, self._driven_m + place.ahead_m, place.right_m)
            gaps = [(_gap(track, here), n) for n, track in enumerate(free) if track.kind == kind]
            gap, number = min(gaps, default=(math.inf, -1))
            if gap <= GATE_M:
                track = free.pop(number)
            else:
                track = Track(kind, place.half_width_m)
                self._tracks.append(track)
            track.half_width_m = place.half_width_m
            track.seen = [*track.seen[-20:], here]

    def _asks_for_it(self, track: Track, speed_mps: float) -> bool:
        """Whether the object is hit both without braking and when braking begins a step later."""
        if track.seen[-1].time_s != self._time_s or len(track.seen) < LEAST_SEEN:
            return False
        times = np.arange(0.0, HORIZON_S, STEP_S)
        motion = track.motion()
        late = _braked(speed_mps, times - BRAKE_DELAY_S - STEP_S)
        return self._hits(track, motion, speed_mps * times, times, moving=None) and self._hits(
            track, motion, late[0], times, moving=late[1] > 0.0
        )

    def _hits(
        self,
        track: Track,
        motion: Motion,
        driven: F64,
        times: F64,
        moving: NDArray[np.bool_] | None,
    ) -> bool:
        lasting = times
        if motion.along_mps2 < 0.0 < motion.along_mps:
            lasting = np.minimum(times, -motion.along_mps / motion.along_mps2)
        along = motion.along_m - self._driven_m + motion.along_mps * lasting
        along = along + 0.5 * motion.along_mps2 * lasting**2
        aside = np.abs(motion.right_m + motion.right_mps * times)
        in_lane = aside <= self._half_width_m + track.half_width_m + CLEAR_ASIDE_M
        reached = (along - driven <= CLEAR_AHEAD_M) & (along - driven >= -self._length_m)
        hit = in_lane & reached
        return bool(np.any(hit if moving is None else hit & moving))


def _braked(speed_mps: float, since: F64) -> tuple[F64, F64]:
    """Distance and speed of a car that brakes from `since` = 0 on; constant before."""
    lasting = np.clip(since, 0.0, speed_mps / PLAN_MPS2)
    speed = speed_mps - PLAN_MPS2 * lasting
    driven = speed_mps * (np.minimum(since, 0.0) + lasting) - 0.5 * PLAN_MPS2 * lasting**2
    return driven - speed_mps * since[0], speed


def _gap(track: Track, here: Seen) -> float:
    motion, last = track.motion(), track.seen[-1]
    ahead_s = here.time_s - last.time_s
    along = motion.along_m + motion.along_mps * ahead_s
    return math.hypot(here.along_m - along, here.right_m - motion.right_m)
