"""Reading the values of a configuration, which flags, YAML files and Python give differently."""

from __future__ import annotations

import os

from fusiondrive.paths import file_path
from scenarios.latency import read_latency
from scenarios.weather_files import is_weather_file


def as_list(value: object) -> object:
    """One name in place of a list of names."""
    return [value] if isinstance(value, str) else value


def joined(value: object) -> object:
    """Names of a list, with commas between them."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value


def as_text(value: object) -> object:
    """Makes a number the text that it was written as."""
    # YAML reads `route: 3` as a number; ids are written with leading zeros or not, both work.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def path_as_text(value: object) -> object:
    """Makes a path a text."""
    return os.fspath(value) if isinstance(value, os.PathLike) else as_text(value)


def as_path(value: object) -> object:
    """Expands `~` and variables in a path."""
    return file_path(value) if isinstance(value, str) else value


def as_weathers(value: object) -> object:
    """Makes the paths of weather files whole."""
    names = as_list(value)
    if not isinstance(names, list | tuple):
        return names
    return [
        str(file_path(name).absolute()) if isinstance(name, str) and is_weather_file(name) else name
        for name in names
    ]


def as_latency(value: object) -> object:
    """Reads a delay: `real`, or milliseconds."""
    text = str(value) if isinstance(value, int | float) else value
    return read_latency(text) if isinstance(text, str) else value


def as_policy(value: object) -> object:
    """Expands the path in `leaderboard:~/agent.py`."""
    kind, colon, path = value.partition(":") if isinstance(value, str) else ("", "", "")
    if kind == "leaderboard" and (path.startswith("~") or "$" in path):
        return f"{kind}{colon}{file_path(path)}"
    return value
