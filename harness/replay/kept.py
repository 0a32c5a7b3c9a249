"""An episode as a run's folder keeps it: its row, its trace, and how it was driven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fusiondrive.errors import ConfigError
from harness.arms import arms_of
from harness.config import RunConfig, load_config
from harness.kept_config import kept_configs
from results.frame import load_frame, to_rows
from results.row import LETTERS, EpisodeRow
from results.run_folder import TRACES, folder_of, home_of, kept_file
from scenarios.hazards.kinds import ROUTE, read_hazards
from scenarios.route_xml import town_name
from scenarios.weather import weather_name

SHOWN = 5  # names in a message
LEAST_DIGITS = 4  # of an identity that is cut short


@dataclass(frozen=True)
class KeptEpisode:
    """One episode of a run."""

    folder: Path  # for what is made of it: the run's, or the working one for rows from elsewhere
    row: EpisodeRow
    trace: Path | None  # None where none was kept
    configs: tuple[RunConfig, ...]  # of this episode alone, the likeliest first

    @property
    def name(self) -> str:
        """How messages call it."""
        row = self.row
        return f"{LETTERS['identity']}{row.identity} ({row.town} {row.route_id}, {row.arm})"

    @property
    def file_name(self) -> str:
        """Of a file made of it: that of its trace, else its identity."""
        return self.trace.stem if self.trace else f"{LETTERS['identity']}{self.row.identity}"


def find_episode(run: Path, wanted: str) -> KeptEpisode:
    """Look an episode up.

    Args:
        run: the folder of a run, or a file with its rows.
        wanted: its identity as rows have it, or the beginning of it; or the name of its trace or
            video.

    Raises:
        ConfigError: there is no such run or episode, or several; or nothing says how it was driven.
    """
    rows = to_rows(load_frame(run))
    row = _pick(rows, wanted, run)
    folder = folder_of(run)
    covering = [narrowed(config, row) for config in reversed(kept_configs(folder))]
    configs = [config for config in covering if config is not None]
    return KeptEpisode(
        folder=home_of(run),
        row=row,
        trace=kept_file(folder / TRACES, row.identity, ".parquet"),
        configs=tuple(configs) or (config_of(row),),
    )


def narrowed(config: RunConfig, row: EpisodeRow) -> RunConfig | None:
    """The part of a run's configuration that drives one episode; None where none of it does."""
    settings = (config.policy, config.traffic, config.collision_mode, config.speed_kmh)
    is_same = settings == (row.policy, row.traffic, row.collision_mode, row.speed_kmh)
    towns = [town for town in config.town if town_name(town) == town_name(row.town)]
    arms = [arm for arm in arms_of(config) if (arm.input, arm.fuser) == (row.input, row.fuser)]
    weathers = [name for name in config.weather if weather_name(name) == row.weather]
    # An arm with a weather of its own is driven in it, whatever the run's weathers are.
    own = [arm for arm in arms if arm.weather == row.weather]
    arm = next(iter(own if own and not weathers else arms), None)
    if (
        not (is_same and towns and arm and (weathers or own))
        or row.seed not in config.seed_list
        or read_hazards(config.hazards) != row.hazards
        or config.latency != row.latency
        or (row.thermal and config.thermal != row.thermal)
    ):
        return None
    by_name = {"input": (arm.input,)} if config.arms is None else {"arms": (arm.name,)}
    return config.model_copy(
        update={
            **by_name,
            "town": (towns[0],),
            "weather": tuple(weathers) or config.weather[:1],
            "route": row.route_id,
            "seed": row.seed,
            "seeds": 1,
        }
    )


def config_of(row: EpisodeRow) -> RunConfig:
    """What a row alone says of how to drive it, with the weights and maps that ship.

    Raises:
        ConfigError: files were used that rows do not name.
    """
    if row.weather_digest or row.hazards == ROUTE:
        raise ConfigError(
            f"episode {LETTERS['identity']}{row.identity} was driven with a file of its own "
            "(route file or weather file), and its run kept no configuration that names it: runs "
            "of this version do; drive it anew"
        )
    values = {
        "town": row.town, "weather": row.weather, "arms": row.arm, "policy": row.policy,
        "route": row.route_id, "seed": row.seed, "traffic": row.traffic,
        "collision_mode": row.collision_mode, "hazards": row.hazards or "none",
        "speed_kmh": row.speed_kmh, "thermal": row.thermal or None,
        "latency": row.latency or None,
    }  # fmt: skip
    return load_config(None, {name: value for name, value in values.items() if value is not None})


def _pick(rows: Sequence[EpisodeRow], wanted: str, run: Path) -> EpisodeRow:
    digits = Path(wanted).name.removesuffix(".parquet").removesuffix(".mp4").rpartition("_")[2]
    start = digits.removeprefix(LETTERS["identity"])
    found = [row for row in rows if row.identity.startswith(start)]
    if len(start) < LEAST_DIGITS or not found:
        names = ", ".join(f"{LETTERS['identity']}{row.identity}" for row in rows[:SHOWN])
        more = ", ..." if len(rows) > SHOWN else ""
        raise ConfigError(
            f"no episode '{wanted}' in {run}, which has {len(rows)}: {names}{more}; expected the "
            "column identity of its rows or the name of a trace"
        )
    if len(found) > 1:
        raise ConfigError(f"'{wanted}' begins {len(found)} episodes of {run}; give more digits")
    return found[0]
