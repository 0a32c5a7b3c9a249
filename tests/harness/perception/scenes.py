"""Made-up poses for tests."""

from __future__ import annotations

from dataclasses import replace

from fusiondrive.types import Pose
from harness.perception.poses import FrozenPose, PosedActor, SetFacts

PERSON = PosedActor(
    *(7, "walker.pedestrian.0004", "person", "", "", 20.5, 1.25, 0.9, 0.0, 90.0, 0.0, 1.2),
    *((0.0, 0.0, 0.0, 0.19, 0.19, 0.93), False, False),
)
CAR = PosedActor(
    *(3, "vehicle.audi.tt", "car", "autopilot", "180,44,44", 30.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0),
    *((0.0, 0.0, 0.7, 2.1, 1.0, 0.7), True, True),
)
POSE = FrozenPose(
    town="random:7",
    drive=0,
    step=20,
    route_id="03",
    seed=5,
    speed_kmh=35,
    time_s=2.0,
    ego=Pose(1.234, 5.678, 0.01, 0.1, 90.123, 0.0),
    forward_speed_mps=7.5,
    command=4,
    target_point=(10.0, 0.5),
    steer=0.01,
    throttle=0.0,
    brake=0.4,
    wanted_mps=2.0,
    cause="walker",
    gap_m=12.5,
    hazard="DynamicObjectCrossing",
    hazard_m=12.25,
    lights="0212",
    oncoming=Pose(40.0, -3.5, 0.0, 0.0, 180.0, 0.0),
    actors=(CAR, PERSON),
)
FACTS = SetFacts(1, {"random:7": "authored:abc"}, {"seed": 0})


def poses(drives: int, each: int, town: str = "random:7") -> tuple[FrozenPose, ...]:
    """So many drives of one town with so many poses each."""
    return tuple(
        replace(POSE, town=town, drive=drive, step=10 * number)
        for drive in range(drives)
        for number in range(each)
    )
