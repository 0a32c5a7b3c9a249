"""Policies and arms of a run, loaded once before a server starts: bad weights end it here."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field

from fusiondrive.arms import RGB, Arm
from fusiondrive.errors import ConfigError, WeightsError
from harness.arms import arms_of
from harness.checks import check_machine, check_settings
from harness.config import RunConfig
from harness.criteria.own import criteria_text
from harness.guard import guarded, limited
from policies import AEB, LEADERBOARD, POLICIES, make_policy
from policies.base import Policy, close_policy
from scenarios.hazards.course import check_own
from scenarios.hazards.kinds import hazard_names, read_hazards
from sensors.arms import ArmFacts, check_distinct, make_image_maker
from sensors.thermal_settings import THERMAL_LOOK

logger = logging.getLogger(__name__)

# Keys of a configuration that alone decide which policy drives, and which networks make its image.
POLICY_KEYS = (
    *("policy", "policy_weights", "detector_weights", "agent_config", "fused_camera"),
    "route_file",
)
ARM_KEYS = ("input", "arms", "fuser", "fuser_weights")


@dataclass(frozen=True)
class ModelFacts:
    """What was learnt of policy and arms while checking them."""

    policy_weights: str
    # Versions of the pictures that it was trained on; empty where unknown or nothing was.
    policy_looks: tuple[int, ...] = ()
    arms: Mapping[str, ArmFacts] = field(default_factory=dict)  # by their names
    criteria: str = ""  # of the user's own: their names, each with its file's hash


@dataclass(frozen=True)
class Part:
    """One configuration of a run, with what was learnt of its models."""

    config: RunConfig
    models: ModelFacts
    number: int = 0  # among the parts of the run


def check_run(config: RunConfig) -> ModelFacts:
    """Check names, files, weights, ports and the display of a run of one configuration.

    Raises:
        ConfigError: with the first problem found.
    """
    (part,) = check_parts([config])
    return part.models


def check_parts(configs: Sequence[RunConfig]) -> tuple[Part, ...]:
    """Check all configurations of a run, before anything of it is driven.

    Raises:
        ConfigError: with the first problem found.
    """
    for config in configs:
        check_settings(config)
        check_own(hazard_names(read_hazards(config.hazards)))
    check_machine(configs[0])  # where it is driven is the same for all
    check_arms_there(configs)
    loaded: dict[tuple[object, ...], ModelFacts] = {}
    for config in configs:
        key = _model_key(config)
        if key not in loaded:
            loaded[key] = load_models(config, arms_of(config))
    return tuple(Part(config, loaded[_model_key(config)], i) for i, config in enumerate(configs))


def policy_key(config: RunConfig) -> tuple[object, ...]:
    """What is equal where two configurations drive with the same policy."""
    return tuple(getattr(config, key) for key in POLICY_KEYS)


def _model_key(config: RunConfig) -> tuple[object, ...]:
    further = (getattr(config, key) for key in ARM_KEYS)
    return (*policy_key(config), *further, config.latency, config.criteria)


def check_arms_there(configs: Iterable[RunConfig]) -> None:
    """Refuse a suite of which arms have no weights yet; names all of them, and what could drive.

    Raises:
        WeightsError: in one line.
    """
    arms = {arm: config for config in configs if config.suite for arm in arms_of(config)}
    lacking: dict[str, str] = {}
    for arm, config in arms.items():
        try:
            make_image_maker(arm, config.fuser_weights)
        except WeightsError as err:
            lacking[arm.name] = str(err)
    if lacking:
        suite = next(iter(arms.values())).suite
        others = " ".join(dict.fromkeys(arm.name for arm in arms if arm.name not in lacking))
        raise WeightsError(
            f"suite '{suite}' has arms that cannot drive: {', '.join(lacking)} "
            f"({next(iter(lacking.values()))}); the others: --arms {others}"
        )


def load_models(config: RunConfig, arms: Sequence[Arm]) -> ModelFacts:
    """Load policy and fusers once, so that bad weights stop the run here; keep their hashes."""
    check_weights(config)
    criteria = criteria_text(config.criteria or ())
    facts = [make_image_maker(arm, config.fuser_weights).facts() for arm in arms]
    check_distinct(arms, facts)
    # What an agent prints is no part of the table.
    wait_s, label = config.timeouts.agent_setup_s, f"policy {config.policy}"
    with redirect_stdout(sys.stderr), limited(wait_s, label):
        policy = build_policy(config)
        try:
            check_sight(config, policy, arms)
            check_latency(config, policy)
            policy_hash = guarded(policy.weights_hash, None, wait_s)
        finally:
            close_policy(policy)
    by_name = {arm.name: made for arm, made in zip(arms, facts, strict=True)}
    return ModelFacts(policy_hash, policy.looks, by_name, criteria)


def check_weights(config: RunConfig) -> None:
    """Refuse weights that are not there; those of a plug-in may be a folder."""
    if config.policy_weights is not None and config.policy.startswith(LEADERBOARD):
        raise ConfigError("a Leaderboard agent takes --agent-config, not weights")
    takes_folder = config.policy.removeprefix(AEB) not in POLICIES
    given = {
        "policy": config.policy_weights,
        "fuser": config.fuser_weights,
        "detector": config.detector_weights,
    }
    for label, path in given.items():
        if path is None or path.is_file() or (label == "policy" and takes_folder and path.is_dir()):
            continue
        what = "a folder, not a file" if path.is_dir() else "no such file"
        raise ConfigError(f"{label} weights {path}: {what}")


def build_policy(config: RunConfig) -> Policy:
    """Build the policy that a configuration names."""
    return make_policy(
        config.policy,
        config.policy_weights,
        agent_config=config.agent_config,
        fused_camera=config.fused_camera,
        routes=config.route_file,
        detector_weights=config.detector_weights,
    )


def check_sight(config: RunConfig, policy: Policy, arms: Sequence[Arm]) -> None:
    """Refuse to compare arms with an agent that has no camera whose image they could replace."""
    others = [arm.name for arm in arms if arm.input != RGB]
    if others and config.policy.startswith(LEADERBOARD) and not policy.uses_image:
        raise ConfigError(
            f"arm '{others[0]}' would replace the image of the agent's RGB camera, and "
            f"{config.policy} has none"
        )


def check_latency(config: RunConfig, policy: Policy) -> None:
    """Refuse to hold controls back that never pass through here."""
    if config.latency and policy.uses_traffic_manager:
        raise ConfigError(
            f"latency {config.latency}: {config.policy} lets the Traffic Manager drive within the "
            "client, and its controls cannot be held back; leave latency out"
        )


def warn_of_look(models: ModelFacts, look: int | None) -> None:
    """Warn of weights that were trained on pictures of another look than the server draws."""
    trained = {"policy": models.policy_looks}
    trained |= {f"arm '{name}'": made.looks for name, made in models.arms.items()}
    for name, looks in trained.items():
        if looks and look is not None and look not in looks:
            known = ", ".join(str(known) for known in looks)
            logger.warning(
                "the %s was trained on pictures of look %s, the server draws look %d: expect it "
                "to do worse, or train it anew",
                name, known, look,
            )  # fmt: skip


def warn_of_thermal_look(models: ModelFacts) -> None:
    """Warn of arms that were trained on thermal pictures of another version than today's."""
    for name, made in models.arms.items():
        if made.thermal_looks and THERMAL_LOOK not in made.thermal_looks:
            logger.warning(
                "arm '%s' was trained on thermal pictures of look %s, the camera now makes look "
                "%d: expect it to do worse, or train it anew",
                name, ", ".join(map(str, made.thermal_looks)), THERMAL_LOOK,
            )  # fmt: skip
