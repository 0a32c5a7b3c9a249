"""Identity of an episode: a hash of everything that changes its outcome."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

# Every field of the run configuration and of an episode is in exactly one of the two sets; a test
# holds that. A field of the first set enters the hash, directly or through what it stands for
# (a weights file through its content, a map directory through the map's digest).
OUTCOME_FIELDS: frozenset[str] = frozenset(
    {
        "town",
        "weather",
        "input",
        "arms",  # names for the input, the fuser and, of `clear`, the weather
        "arm",
        "policy",
        "policy_weights",
        "detector_weights",  # of a policy `aeb:`, whose policy_weights name both
        "agent_config",
        "fused_camera",
        "fuser",
        "fuser_weights",
        "thermal",
        "backend",
        "maps",
        "route_file",
        "route_id",
        "seed",
        "traffic",
        "collision_mode",
        "hazards",
        "speed_kmh",
        "latency",
        "criteria",  # they change no drive, but what its row says
    }
)
RUNTIME_FIELDS: frozenset[str] = frozenset(
    {
        "suite",  # a name for values of the fields above
        "dry_run",
        "route_set",  # so is this
        "routes",  # how many of them, not how one goes
        "route",
        "seeds",
        "host",
        "port",
        "hosts",
        "engine",
        "ray_address",
        "ray_cpus",
        "slurm_cluster",
        "slurm_partition",
        "slurm_minutes",
        "slurm_cpus",
        "slurm_memory_gb",
        "slurm_option",
        "video",
        "trace",
        "show",
        "report",
        "open",
        "out",
        "workers",
        "log_level",
        "retries",
        "timeouts",
    }
)

ADDED_FIELDS: frozenset[str] = frozenset(
    {"weather_digest", "infrared_route", "thermal", "thermal_look"}
    | {"hazards", "hazards_digest", "speed_kmh", "latency", "criteria"}
)


@dataclass(frozen=True)
class Identity:
    """The values that an episode's hash is made of."""

    package_version: str
    backend: str  # embedded | embedded-gl | unreal
    look: int | None  # version of the embedded renderer's pictures; None elsewhere
    simulator_version: str
    map: str
    town: str
    route_id: str
    route_digest: str
    weather: str
    input: str
    fuser: str
    fuser_weights: str
    policy: str
    policy_weights: str
    traffic: str
    collision_mode: str
    seed: int
    weather_digest: str = ""  # of a route file's own weather, or of a weather file
    infrared_route: str = ""  # id and digest of the route whose infrared image `:swapped` takes
    thermal: str = ""  # settings of the thermal camera, where the input uses it
    thermal_look: int | None = None  # version of its pictures, likewise
    hazards: str = ""  # the names of those that were to be met, or `route`: the file's
    hazards_digest: str = ""  # of the file's, or of those that other packages bring
    speed_kmh: int | None = None  # that the route asks for
    latency: str = ""  # of the controls: `real`, or milliseconds
    criteria: str = ""  # of the user's own: their names, each with its file's hash

    def digest(self) -> str:
        """SHA-256 over the sorted fields, first 16 hex digits.

        A field that was added later is left out where it is empty, so that rows written before it
        existed keep their identity.
        """
        values = {
            k: v for k, v in asdict(self).items() if k not in ADDED_FIELDS or v not in ("", None)
        }
        text = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
