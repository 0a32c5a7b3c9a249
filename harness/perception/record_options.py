"""What a user can choose of `harness.perception record`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from fusiondrive.cli import Flag, check_values
from fusiondrive.errors import ConfigError, MapError
from scenarios.hazards.kinds import check_speed
from scenarios.route_files import is_random_town
from scenarios.route_xml import town_name
from scenarios.spec import check_traffic
from scenarios.suite import route_set

TEST_TOWNS = ("Town02", "Town03")  # whose clear-day pictures no learner may see


@dataclass(frozen=True, kw_only=True)
class RecordOptions:
    """Options of `record`."""

    out: Annotated[Path, Flag("the pose set, FILE.parquet; its card is written beside it", "FILE")]
    poses: Annotated[int, Flag("how many to keep, the same number of each town", at_least=1)] = 5000
    towns: Annotated[tuple[str, ...], Flag("such as random:1001; default: the route set's")] = ()
    route_set: Annotated[str, Flag("whose towns are recorded, where none are named")] = "validation"
    speed: Annotated[tuple[int, ...], Flag("that drives take turns to go at, km/h", "KMH")] = (
        *(35, 50),
    )
    traffic: Annotated[str, Flag("as in harness.run")] = "regular"
    per_drive: Annotated[int, Flag("poses of one drive at most", at_least=1)] = 40
    seed: Annotated[int, Flag("of traffic, hazards and moments", at_least=0)] = 0

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            ConfigError: a value cannot be, or a town is one of the tests.
        """
        check_values(self)
        check_traffic(self.traffic)
        for speed in self.speed:
            check_speed(speed)
        if self.out.suffix != ".parquet":
            raise ConfigError(f"--out: expected a name that ends in .parquet, found {self.out}")
        for town in self.all_towns:
            if town in TEST_TOWNS:
                raise ConfigError(
                    f"town '{town}': its routes are tests, and clear-day pictures of them stay "
                    "unseen; record in others, such as --route-set validation"
                )
            if not is_random_town(town) and not town.startswith("Town"):
                raise MapError(f"unknown town '{town}'; expected such as random:1001 or Town01")
        if len(set(self.all_towns)) != len(self.all_towns):
            raise ConfigError(f"town given twice: {', '.join(self.all_towns)}")
        if self.poses < len(self.all_towns):
            raise ConfigError(f"--poses: expected {len(self.all_towns)} or more, one of each town")

    @property
    def all_towns(self) -> tuple[str, ...]:
        """The towns to record in."""
        return tuple(map(town_name, self.towns or route_set(self.route_set).towns))

    def share(self, town: str) -> int:
        """Poses of a town."""
        whole, rest = divmod(self.poses, len(self.all_towns))
        return whole + (self.all_towns.index(town) < rest)

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the poses, as the file says it."""
        values = {key: value for key, value in asdict(self).items() if key not in ("out", "towns")}
        return {**values, "speed": list(self.speed), "towns": list(self.all_towns)}


def part_path(out: Path, town: str) -> Path:
    """Where a town's poses wait for those of the others."""
    return out.with_suffix(".parts") / f"{town.replace(':', '-')}.parquet"
