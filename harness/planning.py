"""Episodes of a run in order, each with its identity; nothing is driven here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fusiondrive.arms import SWAPPED, arm_name
from fusiondrive.provenance import package_version
from harness.arms import arms_of
from harness.checks import pick_route
from harness.config import RunConfig
from harness.file_names import safe_name
from harness.messages import DriveTask, TownFacts
from harness.models import ModelFacts, Part
from harness.route_facts import RouteFacts, digest_of
from results.identity import Identity
from results.row import LETTERS
from results.run_folder import FEW_DIGITS, MANY_DIGITS
from scenarios.hazards.kinds import ROUTE, design_speed_mps, hazard_names, read_hazards
from scenarios.hazards.own import own_digest
from scenarios.hazards.placement import check_length
from scenarios.spec import EpisodeSpec, next_route
from scenarios.suite import Factors, expand
from scenarios.weather import weather_name
from sensors.arms import ArmFacts
from sensors.inputs import input_kind
from sensors.thermal_settings import THERMAL_LOOK

POLICY_CHARACTERS = 100  # of its name in the names of records


@dataclass(frozen=True)
class PlannedEpisode:
    """A planned episode with its identity."""

    spec: EpisodeSpec
    identity: Identity
    digest: str
    route: RouteFacts
    fuser_label: str
    part: int = 0  # of the run, whose configuration it is driven with
    hash_digits: int = FEW_DIGITS  # of the name

    @property
    def name(self) -> str:
        """File name for its records; plain ids stay as they are."""
        spec = self.spec
        parts = (
            safe_name(spec.town.replace(":", "-")),
            f"r{safe_name(spec.route_id)}",
            safe_name(weather_name(spec.weather).replace(":", "-")),
            spec.traffic,
            safe_name(spec.arm.replace(":", "-")),
        )
        # A plug-in's name may hold a path, and a file's name no more than 255 bytes.
        policy = safe_name(re.sub(r"[^\w.-]+", "-", spec.policy)[-POLICY_CHARACTERS:])
        return "_".join((*parts, policy, f"s{spec.seed}", self.digest[: self.hash_digits]))

    @property
    def task(self) -> DriveTask:
        """What a worker is asked for."""
        identity = f"{LETTERS['identity']}{self.digest}"
        return DriveTask(self.spec, self.name, identity, self.part)


def plan_town(parts: Sequence[Part], facts: Mapping[int, TownFacts]) -> list[PlannedEpisode]:
    """The episodes of one town, part by part; what two parts have in common is driven once.

    Args:
        parts: those that drive in the town.
        facts: of the town as each part sees it, by the part's number.
    """
    found: dict[str, PlannedEpisode] = {}
    for part in parts:
        for episode in plan(part.config, part.models, facts[part.number]):
            found.setdefault(episode.digest, replace(episode, part=part.number))
    return distinct(list(found.values()))


def plan(config: RunConfig, models: ModelFacts, facts: TownFacts) -> list[PlannedEpisode]:
    """The episodes of one configuration in one town, in order.

    Raises:
        ConfigError: a route is too short for the hazards that are asked for.
    """
    routes = choose_routes(facts.routes, config)
    hazards = read_hazards(config.hazards)
    for route in routes if hazards not in ("", ROUTE) else ():
        check_length(route.route_id, route.length_m, design_speed_mps(config.speed_kmh))
    by_id = {route.route_id: route for route in routes}
    planned = _Planner(config, models, facts)
    specs = specs_of(config, facts.town, list(by_id))
    return distinct([planned.episode(spec, by_id[spec.route_id]) for spec in specs])


def specs_of(config: RunConfig, town: str, route_ids: Sequence[str]) -> tuple[EpisodeSpec, ...]:
    """What a configuration drives on these routes of a town."""
    return expand(
        Factors(
            routes={town: route_ids},
            weathers=config.weather,
            arms=arms_of(config),
            seeds=config.seed_list,
            policy=config.policy,
            traffic=config.traffic,
            collision_mode=config.collision_mode,
            hazards=read_hazards(config.hazards),
            speed_kmh=config.speed_kmh,
            latency=config.latency,
        )
    )


def thermal_of(config: RunConfig, spec: EpisodeSpec) -> str:
    """Settings of the thermal camera, where the episode uses it; else empty."""
    return config.thermal if input_kind(spec.input).needs_thermal else ""


class _Planner:
    """Knows what the identities of one town's episodes are made of."""

    def __init__(self, config: RunConfig, models: ModelFacts, facts: TownFacts) -> None:
        self._config, self._models, self._facts = config, models, facts

    def episode(self, spec: EpisodeSpec, route: RouteFacts) -> PlannedEpisode:
        """An episode of one route."""
        facts = self._facts
        arm = self._models.arms.get(arm_name(spec.input, spec.fuser), ArmFacts())
        thermal = thermal_of(self._config, spec)
        identity = Identity(
            package_version=package_version(),
            backend=facts.engine,
            look=facts.look,
            simulator_version=facts.version,
            map=facts.map,
            town=facts.town,
            route_id=spec.route_id,
            route_digest=route.digest,
            weather=weather_name(spec.weather),
            weather_digest=digest_of(spec.weather, route),
            thermal=thermal,
            thermal_look=THERMAL_LOOK if thermal else None,
            input=spec.input,
            fuser=spec.fuser,
            fuser_weights=arm.weights,
            policy=spec.policy,
            policy_weights=self._models.policy_weights,
            traffic=spec.traffic,
            collision_mode=spec.collision_mode,
            seed=spec.seed,
            infrared_route=_infrared_route(spec, facts),
            hazards=spec.hazards,
            hazards_digest=_hazards_digest(spec, route),
            speed_kmh=spec.speed_kmh,
            latency=spec.latency,
            criteria=self._models.criteria,
        )
        return PlannedEpisode(spec, identity, identity.digest(), route, arm.label)


def distinct(episodes: Sequence[PlannedEpisode]) -> list[PlannedEpisode]:
    """Episodes whose names differ, also where the file system ignores letter case."""
    taken = Counter(episode.name.casefold() for episode in episodes)
    return [
        replace(episode, hash_digits=MANY_DIGITS) if taken[episode.name.casefold()] > 1 else episode
        for episode in episodes
    ]


def choose_routes(routes: Sequence[RouteFacts], config: RunConfig) -> Sequence[RouteFacts]:
    """The routes that a configuration asks for."""
    if config.route is None:
        return routes[: config.routes]
    return [pick_route(routes, config.route)]


def _hazards_digest(spec: EpisodeSpec, route: RouteFacts) -> str:
    """Of the route file's hazards, or of the files of other packages' hazards; else empty."""
    if spec.hazards == ROUTE:
        return route.hazards_digest
    return own_digest(hazard_names(spec.hazards))


def _infrared_route(spec: EpisodeSpec, facts: TownFacts) -> str:
    """Id and digest of the route whose infrared image an episode fuses; empty for its own."""
    if not spec.fuser.endswith(SWAPPED):
        return ""
    other = next_route(facts.routes, spec.route_id)
    return f"{other.route_id} {other.digest}"
