"""The tests by name: who moves how, and where the car would strike them if nobody braked.

Names and speeds of targets are those of Euro NCAP's protocols for vulnerable road users and for
cars (CPNA, CPFA, CPNCO, CPLA, CBNA, CCRs, CCRm, CCRb; values after public scenario sources of
versions 2.0 to 4.5). FMVSS 127 (NHTSA, 2024) adds the aim: no contact, by day and in darkness with
low beams, with pedestrians up to 73 km/h. What is our own choice is said at its place, so that a
result is one "after Euro NCAP" and not a rating.

Places are those of a car in right-hand traffic: the near side is the right one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from fusiondrive.errors import unknown_name

SPEEDS_KMH: tuple[int, ...] = (20, 30, 40, 50, 60, 70, 80)
VERSION = 1  # of these definitions; rows of another one are driven anew
STEP_S = 0.05  # camera, detector and control; 1.1 m at 80 km/h
LEAD_S = 4.0  # from the target's start, or the first look at most, to the contact unbraked
LOOK_SPARE_S = 1.75  # arms begin to look this long before braking to a stop would have to begin
RUN_IN_S = 2.0  # before it, in which the controller settles
HIDDEN_AHEAD_M = 1.0  # from a parked car's bumper to who steps out in front of it; own choice
PARKED_SPACING_M = 5.0  # from front to front; own choice
ONCOMING_KMH = 30.0  # of the car that dazzles; own choice
ONCOMING_BEYOND_M = 15.0  # behind the target when the test car gets there; own choice
CCRB_GAP_M = 40.0  # Euro NCAP's longer one
CCRB_BRAKE_MPS2 = 6.0  # Euro NCAP's harder one
CCRM_KMH = 20.0


class Target(Enum):
    """Who is in the way."""

    ADULT = "adult"
    CHILD = "child"
    CYCLIST = "cyclist"
    CAR = "car"


@dataclass(frozen=True)
class TrackTest:
    """One test; `struck` is the share of the car's width from the near side, 0 to 1."""

    name: str
    target: Target | None
    says: str  # in the words of tables
    struck: float = 0.5
    crossing_kmh: float = 0.0  # from right to left; negative: from left to right
    along_kmh: float = 0.0  # in the car's direction; CCRb: the test speed, until it brakes
    starts_aside_m: float | None = None  # of the car's middle; None: where 4 s of walking begin
    is_hidden: bool = False  # behind parked cars
    brakes: bool = False  # CCRb
    least_kmh: int = 20  # of the test speeds
    is_clear: bool = False  # nobody gets in the way: braking is a false alarm

    def speeds(self, wanted: tuple[int, ...]) -> tuple[int, ...]:
        """Those of the wanted test speeds, km/h, at which the test makes sense."""
        return tuple(speed for speed in wanted if speed >= self.least_kmh)


_ALL = (
    TrackTest("CPNA-25", Target.ADULT, "adult from the near side", 0.25, 5.0),
    TrackTest("CPNA-75", Target.ADULT, "adult from the near side", 0.75, 5.0),
    TrackTest("CPFA-50", Target.ADULT, "running adult from the far side", 0.5, -8.0),
    # It stands in front of a parked car until it starts: on the pavement it would be in view.
    TrackTest(
        "CPNCO-50",
        Target.CHILD,
        "child from behind parked cars",
        crossing_kmh=5.0,
        starts_aside_m=3.0,
        is_hidden=True,
    ),
    TrackTest("CPLA-25", Target.ADULT, "adult walking ahead", 0.25, along_kmh=5.0),
    TrackTest("CPLA-50", Target.ADULT, "adult walking ahead", 0.5, along_kmh=5.0),
    # 4 s of riding are 16.7 m, where the track has houses: the cyclist starts on the pavement.
    TrackTest("CBNA-50", Target.CYCLIST, "crossing cyclist", 0.5, 15.0, starts_aside_m=7.0),
    TrackTest("CCRs", Target.CAR, "standing car"),
    TrackTest("CCRm", Target.CAR, "slow car", along_kmh=CCRM_KMH, least_kmh=30),
    TrackTest("CCRb", Target.CAR, "braking car", brakes=True),
    # The same scenes with nobody in the lane.
    TrackTest("free-road", None, "nobody", is_clear=True),
    TrackTest("free-parked", None, "nobody, parked cars", is_hidden=True, is_clear=True),
    TrackTest(
        "free-pavement",
        Target.ADULT,
        "adult walking on the pavement",
        along_kmh=5.0,
        starts_aside_m=6.0,
        is_clear=True,
    ),
)
TESTS: Mapping[str, TrackTest] = {test.name: test for test in _ALL}


def track_test(name: str) -> TrackTest:
    """Look a test up; an unknown name is a ConfigError that lists the known ones."""
    if name not in TESTS:
        raise unknown_name("track test", name, TESTS)
    return TESTS[name]
