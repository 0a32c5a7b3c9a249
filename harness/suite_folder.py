"""Which suite a run's folder belongs to: `suite.json` in it, so that no two are mixed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fusiondrive.errors import ConfigError
from fusiondrive.files import whole_file
from fusiondrive.provenance import package_version
from results.reading import FILE_NAME
from scenarios.suite import Suite

MARK = "suite.json"


def check_folder_of(chosen: Suite, folder: Path) -> None:
    """Refuse a folder of another suite, of another version of it, or of another package version.

    Raises:
        ConfigError: says what is there, and that it stays.
    """
    found = _mark(folder)
    if found is None:
        return
    wanted = _facts(chosen)
    for key, what in (
        ("suite", "suite"),
        ("digest", f"another version of suite '{chosen.name}',"),
        ("package_version", "package version"),
    ):
        if found.get(key) != wanted[key]:
            raise ConfigError(
                f"{folder} has rows of {what} {found.get(key)}, and this is {wanted[key]}; they "
                "stay as they are: give another --out"
            )


def mark_folder(chosen: Suite, folder: Path) -> None:
    """Say whose rows a folder has; a plain run's folder becomes the suite's."""
    if _mark(folder) is None:
        with whole_file(folder / MARK) as draft:
            draft.write_text(json.dumps(_facts(chosen), indent=1) + "\n", encoding="utf-8")


def _facts(chosen: Suite) -> dict[str, str]:
    return {
        "suite": chosen.name,
        "digest": chosen.digest,
        "package_version": package_version(),
    }


def _mark(folder: Path) -> dict[str, Any] | None:
    path = folder / MARK
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as err:
        raise ConfigError(
            f"{path}: expected what `harness.run` wrote of its suite, found something unreadable; "
            f"remove this file to go on with the rows in {FILE_NAME}, or give another --out"
        ) from err
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: expected a mapping, found {type(found).__name__}")
    return found
