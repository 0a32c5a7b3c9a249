"""One unit of work: what is asked about all poses of a town in one weather, arm by arm."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fusiondrive.arms import RGB
from fusiondrive.errors import ConfigError
from fusiondrive.types import CameraSpec
from harness.perception.acting import ReadyArm, ReadyPolicy
from harness.perception.drawing import TOWN_LIMIT_S, Artist, Picture
from harness.perception.poses import FrozenPose
from harness.session import Session
from scenarios.weather import weather_name
from sensors.thermal_settings import ThermalSettings

REFERENCE = "clear"  # the weather, and the file, of what every answer is compared with
DIGITS = 6


@dataclass(frozen=True)
class Asked(ABC):
    """What is asked about every picture, of every arm: the same for all units of a run."""

    arms: Sequence[ReadyArm]
    settings: ThermalSettings

    @property
    @abstractmethod
    def camera(self) -> CameraSpec:
        """Through which pictures are drawn."""

    @property
    def needs_labels(self) -> bool:
        """Whether class ids and depth are read of every picture."""
        return any(item.needs_thermal for item in self.arms)

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What of it decides the answers, as JSON holds it."""

    @abstractmethod
    def rows(self, picture: Picture, other: Picture, weather: str) -> list[dict[str, Any]]:
        """Answers to one picture, arm by arm.

        Args:
            picture: of the pose.
            other: of a pose of another drive, whose thermal picture `:swapped` takes.
            weather: of both.
        """

    @staticmethod
    def about(ready: ReadyArm, picture: Picture, weather: str) -> dict[str, Any]:
        """The columns that every row has: the pose, the level, and the arm with its weights."""
        return {
            "pose": picture.pose.key,
            "level": weather_name(weather),
            "arm": ready.arm.name,
            "arm_weights": ready.facts.weights,
        }

    def reference(self) -> Asked:
        """The same for the clear-day picture alone."""
        return replace(self, arms=[item for item in self.arms if item.arm.name == RGB])


@dataclass(frozen=True)
class AskedPolicies(Asked):
    """What frozen policies would do."""

    policies: Sequence[ReadyPolicy]

    @property
    def camera(self) -> CameraSpec:
        """Through which all of them look."""
        return self.policies[0].camera

    def identity(self) -> dict[str, Any]:
        """Names and hashes of the weights."""
        return {
            "arms": [[item.arm.name, item.facts.weights] for item in self.arms],
            "policies": [[item.name, item.weights] for item in self.policies],
        }

    def rows(self, picture: Picture, other: Picture, weather: str) -> list[dict[str, Any]]:
        """Steering and pedals of each policy."""
        rows = []
        for ready in self.arms:
            image = ready.image_of(picture, other)
            for policy in self.policies:
                control = policy.act(picture.pose, image)
                rows.append(
                    {
                        **self.about(ready, picture, weather),
                        "policy": policy.name,
                        "policy_weights": policy.weights,
                        "steer": round(control.steer, DIGITS),
                        "throttle": round(control.throttle, DIGITS),
                        "brake": round(control.brake, DIGITS),
                    }
                )
        return rows


@dataclass(frozen=True)
class Unit:
    """A town in one weather; its answers are a file."""

    town: str
    weather: str
    is_reference: bool = False

    def path(self, out: Path) -> Path:
        """The file."""
        level = REFERENCE if self.is_reference else f"level-{weather_name(self.weather)}"
        name = f"{self.town}_{level}".replace(":", "-").replace("+", "-")
        return out / "units" / f"{name}.parquet"


def units_of(towns: Sequence[str], levels: Sequence[str]) -> list[Unit]:
    """All units in the order in which they are worked off: a town's reference first."""
    return [
        unit
        for town in towns
        for unit in (
            Unit(town, "clear", is_reference=True),
            *(Unit(town, level) for level in levels),
        )
    ]


def answers(
    session: Session,
    poses: Sequence[FrozenPose],
    weather: str,
    asked: Asked,
    beat: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """Rows of one unit, in the order of poses, arms and policies.

    Args:
        session: of a fresh server of the poses' town.
        poses: of one town.
        weather: of the pictures.
        asked: arms, and who is asked about their images.
        beat: called after every picture.

    Raises:
        SimulatorError: the server failed.
        AgentError: a policy failed.
    """
    rows: list[dict[str, Any]] = []
    with (
        session.watched(f"draw poses in {weather}", TOWN_LIMIT_S),
        Artist(
            session, weather, asked.camera, asked.settings, with_thermal=asked.needs_labels
        ) as artist,
    ):
        for first, second in pairs_of(poses):
            pictures = [artist.draw(first)]
            beat()
            if second is not first:
                pictures.append(artist.draw(second))
                beat()
            others = pictures[::-1]
            for picture, other in zip(pictures, others, strict=True):
                rows += asked.rows(picture, other, weather)
    place = {pose.key: number for number, pose in enumerate(poses)}
    return sorted(rows, key=lambda row: place[row["pose"]])


def pairs_of(poses: Sequence[FrozenPose]) -> Iterator[tuple[FrozenPose, FrozenPose]]:
    """Poses two by two, half a list apart, so that both are of other drives; one may be left."""
    half = len(poses) // 2
    for number in range(half):
        yield poses[number], poses[number + half]
    if len(poses) % 2:
        yield poses[-1], poses[-1]


def check_swaps(poses: Sequence[FrozenPose], arms: Sequence[ReadyArm]) -> None:
    """Refuse the arms `:swapped` where a pose would be given a picture of its own drive.

    Raises:
        ConfigError: says in which town, and what to do.
    """
    if not any(item.is_swapped for item in arms):
        return
    for first, second in pairs_of(poses):
        if first.cluster == second.cluster:
            raise ConfigError(
                f"{first.town}: ':swapped' gives a pose the thermal picture of another drive, and "
                f"drive {first.cluster} has more than half of the poses or one is left over; use "
                "an even number of poses from three drives or more a town"
            )
