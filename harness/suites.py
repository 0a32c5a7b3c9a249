"""Suites as runs: the blocks of a suite, level by level, as ordinary configurations of one run.

What a suite's file says is in `scenarios.suite`; here its factors become `RunConfig`s, its parts,
which share one folder and one file of rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from fusiondrive.cli import Flag
from fusiondrive.errors import ConfigError, unknown_name
from harness.config import SCENE, SIGHT, RunConfig, config_values, validated
from scenarios.suite import Suite, suite

ARMS = "arms"


def load_parts(file: Path | None, flags: Mapping[str, Any]) -> tuple[RunConfig, ...]:
    """The configurations of a run: one, or those that a suite consists of.

    Args:
        file: a YAML mapping with the keys of `RunConfig`, or None.
        flags: values given on the command line; they win over the file.

    Raises:
        ConfigError: a suite, key or value is unknown, or stands against the suite.
    """
    given = config_values(file, flags)
    name = given.get("suite")
    if not isinstance(name, str):
        return (validated(given, file),)
    chosen = suite(name)
    _check(chosen, given)
    parts = [
        validated(values, file, f"suite '{chosen.name}'")
        for block in chosen.blocks
        for values in _levels(_merged(chosen, block, given))
        if values.get(ARMS) != []
    ]
    if not parts:
        raise ConfigError(f"suite '{chosen.name}': none of the arms is in it")
    return tuple(dict.fromkeys(parts))


def factor_keys() -> tuple[str, ...]:
    """Keys that a block may have: what is driven, what drives, and what it sees."""
    return tuple(name for name, flag in config_flags() if flag.group in (SCENE, SIGHT))


def config_flags() -> Iterator[tuple[str, Flag]]:
    """The keys of a run that have a flag, each with it."""
    for name, hint in get_type_hints(RunConfig, include_extras=True).items():
        for item in getattr(hint, "__metadata__", ()):
            if isinstance(item, Flag):
                yield name, item


def _check(chosen: Suite, given: Mapping[str, Any]) -> None:
    """Refuse unknown keys of a suite, and a user's that stand against it."""
    factors = {*factor_keys()} - {"suite"}
    settings = {*RunConfig.model_fields} - {"suite", "dry_run"}
    places = [("default", chosen.defaults, settings)]
    places += [("key", block, factors) for block in chosen.blocks]
    for what, keys, known in places:
        for key in keys:
            if key not in known:
                raise unknown_name(f"{what} of suite '{chosen.name}'", str(key), known)
    frozen = [key for key in given if key in factors - {ARMS, "fuser_weights"}]
    if chosen.lock is not None and frozen:
        raise ConfigError(
            f"'{chosen.name}' is a frozen benchmark: leave {', '.join(frozen)} out; --arms and "
            "--fuser-weights choose what is compared, or copy the suite's file and change it"
        )
    set_here = {key for block in chosen.blocks for key in block} - {ARMS}
    conflicts = [key for key in given if key in set_here and not (key == "input" and ARMS in given)]
    if conflicts:
        raise ConfigError(
            f"suite '{chosen.name}' sets {', '.join(conflicts)} itself; leave "
            f"{'/'.join(conflicts)} out, or give a suite file of your own: --suite FILE.yaml"
        )


def _merged(chosen: Suite, block: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a block: the suite's defaults below a user's, its factors above them.

    Of the user's arms, those that some block has are driven where the suite has them, and others
    in every block.
    """
    values = {**chosen.defaults, **given, **block}
    wanted = given.get(ARMS)
    if wanted is not None:
        wanted = [wanted] if isinstance(wanted, str) else list(wanted)
        of_suite = {arm for other in chosen.blocks for arm in _as_list(other.get(ARMS, []))}
        here = _as_list(block.get(ARMS, wanted))
        own = [arm for arm in wanted if arm not in of_suite and arm not in here]
        values[ARMS] = [arm for arm in here if arm in wanted] + own
        values.pop("input", None)
    return values


def _levels(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every combination of the keys that have a list where a configuration has one value."""
    several = [key for key in values if isinstance(values[key], list) and not _takes_list(key)]
    for combination in itertools.product(*(values[key] for key in several)):
        yield {**values, **dict(zip(several, combination, strict=True))}


def _takes_list(key: str) -> bool:
    hint = get_type_hints(RunConfig).get(key)
    return any(get_origin(kind) is tuple for kind in (hint, *get_args(hint)))


def _as_list(value: Any) -> list[Any]:
    return [value] if isinstance(value, str) else list(value)
