"""One episode as one row: what was driven, on what, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from fusiondrive.arms import arm_name
from fusiondrive.provenance import UNKNOWN
from fusiondrive.types import ActorKind
from results.columns import Aggregate, Over, column, counted, counted_hazards, metric

OUTCOMES: tuple[str, ...] = (
    "success",
    "collision",
    "timeout",
    "blocked",
    "deviation",
    "agent_error",
    "sim_error",
)
# Ids and hashes go out with a letter in front: pandas and Excel read "00" as 0 and the hash
# "4512e9876543" as infinity. Rows that were written without letters are read as well.
LETTERS = {
    "identity": "h",
    "route_id": "r",
    "route_digest": "h",
    "hazards_digest": "h",
    "fuser_weights": "h",
    "policy_weights": "h",
    "commit": "g",  # as git's own `describe` does
    "detector_weights": "h",
}
OWN = "own_"  # before the name of a criterion of the user's own, in the columns of a row
NO_WEIGHTS = "none"  # is no hash, and goes without a letter


Flat = TypeVar("Flat", bound="FlatRow")
Episode = TypeVar("Episode", bound="EpisodeRow")


@dataclass(frozen=True)
class FlatRow:
    """What rows of drives and of track tests share: how files have them."""

    if TYPE_CHECKING:
        outcome: str

    @property
    def is_driven(self) -> bool:
        """Whether the simulator held out, so that the row says something of driving."""
        return self.outcome != "sim_error"

    def to_dict(self) -> dict[str, Any]:
        """All columns, in order, as files have them: ids and hashes with their letter."""
        return lettered(asdict(self))

    @classmethod
    def from_dict(cls: type[Flat], values: Mapping[str, Any]) -> Flat:
        """Read a row back, with letters before its ids or from before there were any.

        Columns of other versions that are unknown here are refused.

        Raises:
            ValueError: a column is unknown or a required one is missing.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"unknown column '{unknown[0]}'")
        try:
            return cls(**unlettered(values))
        except TypeError as err:
            raise ValueError(str(err)) from err


@dataclass(frozen=True)
class EpisodeRow(FlatRow):
    """Flat, JSON-ready; numbers that a failed simulator did not give are None."""

    identity: str = column("hash of everything that decides the outcome (`results/identity.py`)")
    package_version: str = column("version of FusionDrive")
    backend: str = column("who rendered: `embedded`, `embedded-gl` or `unreal`")
    simulator_version: str = column("what the server says of itself")
    map: str = column("`authored:` (ours) or `carla:` (CARLA's own), and the map's hash")
    town: str = column("such as `Town03`, or `random:7`, a town drawn from a seed")
    route_id: str = column("id of the route in its file")
    route_digest: str = column("hash of the route's keypoints")
    route_length_m: float = column("length of the planned route, m")
    weather: str = column("name of the weather or level, such as `fog:40`")
    input: str = column("what the policy's image is made of: rgb, enhanced, thermal or fused")
    fuser: str = column("fuser or enhancer; `none` where the input needs neither")
    fuser_label: str = column("what tables call it, such as `student (oracle)`")
    fuser_weights: str = column("hash of the fuser's weights, or `none`")
    policy: str = column("what drove, as `--policy` names it")
    policy_weights: str = column("hash of the policy's weights, or `none`")
    traffic: str = column("level of the background traffic")
    collision_mode: str = column("which collisions end a drive, as `--collision-mode` says")
    seed: int = column("of traffic and everything else that is drawn")
    outcome: str = column(
        "how the drive ended: success, collision, timeout, blocked, deviation, agent_error (the "
        "policy failed) or sim_error (the simulator failed; no driving)"
    )
    look: int | None = column(
        "version of the embedded renderer's pictures; missing in rows of old", None
    )
    reached_2m: bool | None = metric("whether the goal was passed within 2 m")
    reached_5m: bool | None = metric("whether the goal was passed within 5 m")
    reached_10m: bool | None = metric("whether the goal was passed within 10 m")
    completion: float | None = metric(
        "share of the route that was driven, 0 to 1",
        None,
        Aggregate("completion", Over.ROUTES, scale=100.0, rank=2),
    )
    driving_score: float | None = metric(
        "CARLA Leaderboard's penalties on the route completion, 0 to 100",
        None,
        Aggregate("driving_score", Over.ROUTES, "score", digits=1, rank=1),
    )
    distance_m: float | None = metric("metres driven")
    duration_s: float | None = metric("simulated seconds")
    collisions: int | None = metric(
        "collisions of all kinds", lambda score: sum(score.collisions.values())
    )
    collisions_vehicle: int | None = metric(
        "collisions with vehicles", lambda score: score.collisions[ActorKind.VEHICLE]
    )
    collisions_pedestrian: int | None = metric(
        "collisions with people", lambda score: score.collisions[ActorKind.PEDESTRIAN]
    )
    collisions_static: int | None = metric(
        "collisions with scenery", lambda score: score.collisions[ActorKind.STATIC]
    )
    collisions_other: int | None = metric(
        "collisions with things of unknown kind", lambda score: score.collisions[ActorKind.OTHER]
    )
    lane_infractions: int | None = metric(
        "times that the car was off the road or on the wrong side",
        counted("lane_infraction"),
        Aggregate("lane_per_route", Over.ROUTES, "lane / route"),
        Aggregate("lane_per_km", Over.KM, "lane / km"),
    )
    off_road: int | None = metric(
        "times off the road", counted("off_road"), Aggregate("off_road_per_km", Over.KM)
    )
    wrong_way: int | None = metric(
        "times on the wrong side", counted("wrong_way"), Aggregate("wrong_way_per_km", Over.KM)
    )
    lane_crossings: int | None = metric(
        "messages of CARLA's lane-invasion sensor",
        None,
        Aggregate("crossings_per_km", Over.KM),
    )
    outside_m: float | None = metric(
        "metres driven off the road or on the wrong side",
        None,
        Aggregate("outside_m_per_km", Over.KM),
    )
    red_lights: int | None = metric(
        "stop lines crossed at red",
        counted("red_light"),
        Aggregate("red_lights_per_route", Over.ROUTES, "red lights / route"),
    )
    steps: int | None = column("control steps of 0.1 s", None)
    vehicles: int | None = column("other vehicles that were spawned", None)
    walkers: int | None = column("walkers that were spawned", None)
    error: str = column("the reason of an agent_error or a sim_error", "")
    # These, and no others, differ between equal runs.
    wall_attempts: int = column("times that the episode was begun; a crash costs one", 1)
    wall_seconds: float | None = column("wall-clock time of the drive", None)
    wall_steps_per_s: float | None = column("control steps in a second of it", None)
    wall_client_rss_mb: float | None = column("memory of the process that drove", None)
    wall_server_rss_mb: float | None = column("memory of the server", None)
    wall_finished: str = column("when it ended, UTC, ISO 8601", "")
    weather_digest: str = column("hash of the weather that a route or weather file gives", "")
    unserved: str = column("what the route's file has beside what is served, with counts", "")
    route_notes: str = column("what of the planned route is implausible", "")
    commit: str = column(
        "of the source that drove it: `g` and 12 digits, `+changes` where files differed", ""
    )
    range_m: float | None = column("meteorological optical range, m; missing without fog", None)
    arm: str = column("what it is called in a comparison; in rows of old from input and fuser", "")
    infrared_route: str = column(
        "id and hash of the route whose infrared image was swapped in (arms `:swapped`)", ""
    )
    thermal: str = column("settings of the thermal camera, where the input uses it", "")
    thermal_look: int | None = column(
        "version of the thermal camera's pictures, likewise; missing in rows of old", None
    )
    hazards: str = column("names of the hazards that were to be met; `route`: the file's", "")
    hazards_digest: str = column(
        "hash of the hazards of a route file, or of the files of hazards of the user's own", ""
    )
    speed_kmh: int | None = column("speed that the route asks for; missing: the policy's own", None)
    hazards_met: int | None = metric("hazards that acted", counted_hazards("is_met"))
    hazards_hit: int | None = metric(
        "hazards with which the car collided",
        counted_hazards("was_hit"),
        Aggregate("hazards_hit_per_route", Over.ROUTES, rank=3),
    )
    # With `real`, wall-clock time decides the drive, and no number of the row repeats.
    latency: str = column("delay of the controls: `real`, or milliseconds; empty: none", "")
    latency_ms: float | None = metric("mean delay that was charged to a control, ms")
    benchmark: str = column("name and hash of the frozen benchmark that it is a drive of", "")
    criteria: str = column(
        "names of criteria of the user's own, with hashes of their files; only rows with some", ""
    )
    own: tuple[tuple[str, int], ...] = column(
        "events that each of these criteria reported: a column `own_NAME` for each", ()
    )

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"unknown outcome '{self.outcome}'; known: {', '.join(OUTCOMES)}")
        if not self.arm:
            object.__setattr__(self, "arm", arm_name(self.input, self.fuser))
        object.__setattr__(self, "own", tuple((name, count) for name, count in self.own))

    def to_dict(self) -> dict[str, Any]:
        """All columns, in order, as files have them.

        Only rows of runs with criteria of the user's own have the column `criteria`, and one for
        each of these criteria, such as `own_harsh_braking`.
        """
        values = super().to_dict()
        own = values.pop("own")
        if not self.criteria:
            del values["criteria"]
        return {**values, **{f"{OWN}{name}": count for name, count in own}}

    @classmethod
    def from_dict(cls: type[Episode], values: Mapping[str, Any]) -> Episode:
        """See `FlatRow.from_dict`; columns of the user's own criteria are taken together."""
        own = {name: value for name, value in values.items() if name.startswith(OWN)}
        plain = {name: value for name, value in values.items() if name not in own}
        if own:
            counts = ((n.removeprefix(OWN), int(c)) for n, c in own.items() if c is not None)
            plain["own"] = tuple(counts)
        return super().from_dict(plain)


def lettered(values: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of a row or table as files have them, see `LETTERS`."""
    return {
        name: f"{LETTERS[name]}{value}" if _has_letter(name, value) else value
        for name, value in values.items()
    }


def unlettered(values: Mapping[str, Any]) -> dict[str, Any]:
    """The reverse of `lettered`.

    An identity is a bare hash in rows of old, and no hash begins with an h.
    """
    if not str(values.get("identity", "")).startswith(LETTERS["identity"]):
        return dict(values)
    return {
        name: str(value).removeprefix(LETTERS[name]) if _has_letter(name, value) else value
        for name, value in values.items()
    }


def _has_letter(name: str, value: object) -> bool:
    bare = ("", UNKNOWN) if name in ("commit", "hazards_digest") else (NO_WEIGHTS,)
    return name in LETTERS and value not in bare
