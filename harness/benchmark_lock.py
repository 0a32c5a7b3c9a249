"""Frozen benchmarks: what a suite's numbers rest on, part by part, as a lock beside its file.

A suite with a lock is a benchmark. Its rows carry the benchmark's name and the hash of the lock, as
long as every part is here as it was when the lock was written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fusiondrive.arms import CLEAR
from fusiondrive.errors import ConfigError
from fusiondrive.files import whole_file
from fusiondrive.provenance import text_hash
from harness.arms import arms_of
from harness.config import RunConfig
from harness.messages import TownFacts
from harness.models import Part
from harness.scoring import JUDGE_VERSION
from results.row import EpisodeRow
from results.stats import STATISTICS_VERSION
from scenarios.hazards.kinds import HAZARDS_VERSION
from scenarios.suite import Suite
from scenarios.traffic import traffic_counts
from scenarios.weather import WeatherPreset, preset
from sensors.thermal_settings import THERMAL_LOOK

ARM = "arm "  # before the names of parts that are arms: a user's own have no such part
WEATHER_DIGITS = 6
CANDIDATE = "-rc"  # at the end of a name: its lock may be written anew


@dataclass(frozen=True)
class Lock:
    """What a benchmark's numbers rest on."""

    name: str
    parts: Mapping[str, str]  # by what messages call them

    @property
    def label(self) -> str:
        """What rows carry: the name and 12 hex digits of all parts."""
        return f"{self.name}:{text_hash(json.dumps(dict(self.parts), sort_keys=True))}"

    def check(self, found: Mapping[str, str]) -> None:
        """Refuse parts that are not as they were.

        Raises:
            ConfigError: names the first part that differs, what was locked and what is here.
        """
        for name, value in differing(self, found).items():
            raise ConfigError(
                f"not {self.name}: {name} is {value}, and was {self.parts.get(name, 'no part')} "
                "when it was frozen, so that its numbers would not be comparable; to drive it all "
                "the same, copy the suite's file and give --suite COPY.yaml"
            )

    def check_rows(self, rows: Iterable[EpisodeRow], folder: Path) -> None:
        """Refuse a folder with rows of something else.

        Raises:
            ConfigError: says what is there; nothing of it is changed.
        """
        for row in rows:
            if row.benchmark != self.label:
                what = row.benchmark or "rows that are of no benchmark"
                raise ConfigError(
                    f"{folder} has {what}, and this is {self.label}; they stay as they are: give "
                    "another --out"
                )


def differing(lock: Lock, found: Mapping[str, str]) -> dict[str, str]:
    """The parts that are here otherwise than in the lock; a user's own arms are none of them."""
    return {
        name: value
        for name, value in found.items()
        if lock.parts.get(name) != value and not (name.startswith(ARM) and name not in lock.parts)
    }


def read_lock(chosen: Suite) -> Lock | None:
    """The lock of a suite; None where the suite is no benchmark.

    Raises:
        ConfigError: it cannot be read.
    """
    if chosen.lock is None:
        return None
    try:
        values = json.loads(chosen.lock.read_text(encoding="utf-8"))
        return Lock(chosen.name, {str(name): str(value) for name, value in values.items()})
    except (OSError, ValueError, AttributeError) as err:
        raise ConfigError(f"{chosen.lock}: not a benchmark's lock: {err}") from err


def write_lock(lock: Lock, path: Path) -> None:
    """Write a lock; that of a released benchmark is never written anew.

    Raises:
        ConfigError: it is there, is of a release, and says otherwise.
        OutputError: it cannot be written.
    """
    text = json.dumps(dict(lock.parts), indent=1) + "\n"
    is_other = path.is_file() and path.read_text(encoding="utf-8") != text
    if is_other and not lock.name.endswith(CANDIDATE):
        raise ConfigError(
            f"{path}: the lock of a released benchmark stays as it is; what changed makes another "
            "version: give --write-lock another name"
        )
    with whole_file(path) as draft:
        draft.write_text(text, encoding="utf-8")


def parts_of_settings(chosen: Suite, parts: Sequence[Part]) -> dict[str, str]:
    """Parts that can be told without a server: the suite, weathers, versions and weights."""
    found = {
        "suite": chosen.digest,
        "statistics": str(STATISTICS_VERSION),
        "judge": str(JUDGE_VERSION),
        "hazards": str(HAZARDS_VERSION),
        "thermal look": str(THERMAL_LOOK),
    }
    for part in parts:
        config = part.config
        arms = arms_of(config)
        own = [arm.weather for arm in arms if arm.weather is not None]
        for weather in (*config.weather, *own):
            found[f"weather {weather}"] = _hash_of(preset(weather))
        found[f"policy {config.policy}"] = part.models.policy_weights
        for arm in arms:
            if arm.name != CLEAR:
                found[f"{ARM}{arm.name}"] = part.models.arms[arm.name].weights
    return found


def _hash_of(weather: WeatherPreset) -> str:
    """Of its values, with fewer digits than platforms differ in."""
    values = {
        name: round(value, WEATHER_DIGITS) if isinstance(value, float) else value
        for name, value in asdict(weather).items()
    }
    return text_hash(json.dumps(values, sort_keys=True))


def parts_of_town(configs: Sequence[RunConfig], facts: TownFacts) -> dict[str, str]:
    """Parts that a server tells: engine, look, map, routes; and the traffic of the town."""
    town = facts.town
    found = {
        "engine": facts.engine,
        "look": str(facts.look),
        "server": facts.version,
        f"map of {town}": facts.map,
    }
    for config in configs:
        digests = [route.digest for route in facts.routes[: config.routes]]
        found[f"{config.routes} routes of {town}"] = text_hash(" ".join(digests))
        vehicles, walkers = traffic_counts(town, config.traffic)
        found[f"traffic {config.traffic} in {town}"] = f"{vehicles}+{walkers}"
    return found
