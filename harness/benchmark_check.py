"""Whether a frozen benchmark is here as it was frozen: parts, what was locked, what is here.

python -m harness.benchmark_check
python -m harness.benchmark_check --benchmark fusiondrive-1-rc --write-lock fusiondrive-1

It starts a server to ask for maps and routes. Writing a lock is for maintainers: it freezes what is
here under a name, with a copy of the suite where the name is another.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fusiondrive.cli import Flag, exit_code, parse
from fusiondrive.errors import ConfigError
from harness.benchmark_lock import (
    Lock,
    differing,
    parts_of_settings,
    parts_of_town,
    read_lock,
    write_lock,
)
from harness.env_config import EnvConfig
from harness.models import Part, check_parts
from harness.outline import towns_of
from harness.server import ServerSpec
from harness.simulation import Simulation
from harness.suites import load_parts
from results.grid import Table
from results.terminal import show
from scenarios.suite import LOCK, SUITES_DIR, Suite, suite

DIFFERENT = 1  # exit code
NAME = re.compile(r"fusiondrive-\d+(-rc)?")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command."""

    benchmark: Annotated[str, Flag("which", "NAME")] = "fusiondrive-1-rc"
    write_lock: Annotated[
        str | None, Flag("freeze what is here under this name, such as fusiondrive-2", "NAME")
    ] = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 1 where a part differs."""
    return exit_code(lambda: run(parse(Options, arguments, "harness.benchmark_check", __doc__)))


def run(options: Options) -> int:
    """Compare, or write a lock; returns the exit code.

    Raises:
        ConfigError: there is no such benchmark, or a released one would be changed.
        SimulatorError: no server came up.
    """
    chosen = suite(options.benchmark)
    if options.write_lock is not None and not NAME.fullmatch(options.write_lock):
        raise ConfigError(
            f"--write-lock {options.write_lock}: expected such as fusiondrive-2 or fusiondrive-2-rc"
        )
    locked = read_lock(chosen)
    if locked is None and options.write_lock is None:
        raise ConfigError(f"suite '{chosen.name}' is no benchmark: there is no lock beside it")
    found = found_parts(chosen, check_parts(load_parts(None, {"suite": options.benchmark})))
    if options.write_lock is not None:
        print(freeze(chosen, Lock(options.write_lock, found)))
        return 0
    assert locked is not None  # or a lock was to be written
    show([comparison(locked, found)])
    return DIFFERENT if differing(locked, found) or set(found) != set(locked.parts) else 0


def found_parts(chosen: Suite, parts: Sequence[Part]) -> dict[str, str]:
    """All parts as they are here; a server is started and asked for each town."""
    found = parts_of_settings(chosen, parts)
    configs = [part.config for part in parts]
    towns = towns_of(configs)
    with Simulation(EnvConfig(server=ServerSpec(town=towns[0]))) as simulation:
        for town in towns:
            here = [config for config in configs if town in config.town]
            found |= parts_of_town(here, simulation.describe(town))
    return found


def freeze(chosen: Suite, lock: Lock) -> str:
    """Write a lock, and the suite under its name; says what rows will carry."""
    write_lock(lock, SUITES_DIR / f"{lock.name}{LOCK}")
    if lock.name != chosen.name:
        shutil.copyfile(SUITES_DIR / f"{chosen.name}.yaml", SUITES_DIR / f"{lock.name}.yaml")
    return f"{SUITES_DIR / (lock.name + LOCK)}: {lock.label}"


def comparison(lock: Lock, found: Mapping[str, str]) -> Table:
    """One line for each part."""
    others = differing(lock, found)
    body = []
    for name in dict.fromkeys((*lock.parts, *found)):
        is_same = name in found and name in lock.parts and name not in others
        verdict = "same" if is_same else "different"
        body.append((name, lock.parts.get(name, ""), found.get(name, ""), verdict))
    count = sum(line[-1] == "different" for line in body)
    told = "Every part is as it was frozen." if not count else f"{count} parts differ."
    return Table(lock.label, ("part", "frozen", "here", ""), tuple(body), (told,))


if __name__ == "__main__":
    sys.exit(main())
