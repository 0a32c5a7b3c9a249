"""Pages of the reference, made of what the program itself declares."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, fields
from typing import Any, NoReturn, get_args, get_type_hints
from unittest.mock import patch

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fusiondrive import door
from fusiondrive.cli import Flag

HIDDEN = (argparse.SUPPRESS, "==SUPPRESS==")


class _Found(BaseException):
    """A command has made its parser."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


def commands() -> str:
    """Every command with its flags, in the groups of `fusiondrive --help`."""
    parts = [
        "# Commands",
        "Each command of `fusiondrive` is also a module: `fusiondrive run` and `python -m "
        "harness.run` are the same. The tables are made of the commands' own parsers.",
    ]
    for group, listed in door.GROUPS.items():
        parts.append(f"## {group.capitalize()}")
        for name, command in listed.items():
            parts.append(f"### fusiondrive {name}")
            parts.append(f"`python -m {command.module}`: {command.help}.")
            for step, parser in parsers_of(command.module).items():
                whole = f"fusiondrive {name} {step}".strip()
                parts += [f"#### {whole}"] if step else []
                parts += _described(parser, whole)
    return "\n\n".join(parts) + "\n"


def _main_of(module: str) -> Any:
    """The module whose `main` a command runs."""
    found = importlib.util.find_spec(module)
    assert found is not None, module
    is_package = found.submodule_search_locations is not None
    return importlib.import_module(f"{module}.__main__" if is_package else module)


def parsers_of(module: str) -> dict[str, argparse.ArgumentParser]:
    """The parser that a command makes, or that of each of its steps; none goes any further."""
    found = _main_of(module)
    steps = getattr(found, "STEPS", None)
    return {word: _parser(found, [word]) for word in steps} if steps else {"": _parser(found, [])}


def _parser(module: Any, words: Sequence[str]) -> argparse.ArgumentParser:
    def stop(self: argparse.ArgumentParser, *arguments: Any, **named: Any) -> NoReturn:
        raise _Found(self)

    with (
        patch.object(argparse.ArgumentParser, "parse_args", stop),
        patch.object(argparse.ArgumentParser, "parse_known_args", stop),
    ):
        try:
            module.main([*words, "--help"])
        except _Found as err:
            return err.parser
    raise AssertionError(f"{module.__name__} has made no parser for {words}")


def _described(parser: argparse.ArgumentParser, name: str) -> Iterator[str]:
    """What a parser says of itself, its flags, and the same for commands within it."""
    if parser.description:
        yield _prose(parser.description)
    flags = [action for action in parser._actions if _is_shown(action)]
    rows = [f"| {_spelled(action)} | {_cell(_help(parser, action))} |" for action in flags]
    if rows:
        yield "\n".join(["| flag | meaning |", "|---|---|", *rows])
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, inner in action.choices.items():
                yield f"#### {name} {word}"
                yield from _described(inner, f"{name} {word}")


def _is_shown(action: argparse.Action) -> bool:
    kinds = (argparse._HelpAction, argparse._SubParsersAction)
    return not isinstance(action, kinds) and action.help not in HIDDEN


def _spelled(action: argparse.Action) -> str:
    value = argparse.HelpFormatter("")._format_args(action, (action.dest or "").upper())
    if not action.option_strings:
        return f"`{value}`".replace("|", r"\|")
    words = ", ".join(f"`{word}`" for word in action.option_strings)
    return (f"{words} `{value}`" if value else words).replace("|", r"\|")


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    return parser._get_formatter()._expand_help(action) if action.help else ""


def _prose(description: str) -> str:
    """A command's docstring: indented lines are examples."""
    lines: list[str] = []
    for line in description.strip().splitlines():
        lines.append(line if line.startswith("    ") or not line.strip() else line.strip())
    return "\n".join(lines)


def configuration() -> str:
    """Keys of a run's configuration file, and of the environment's settings."""
    from harness.config import RunConfig, Timeouts
    from harness.env_config import EnvConfig
    from harness.reward import RewardConfig
    from harness.server import ServerSpec

    return "\n\n".join(
        [
            "# Configuration",
            "Keys of a YAML file for `fusiondrive run --config FILE`. Flags have the same names "
            "with dashes, and win over the file. Unknown keys are errors.",
            "## A run",
            _model_table(RunConfig),
            "### timeouts",
            "How long to wait, in seconds of wall-clock time; a key of the file alone.",
            _model_table(Timeouts),
            "## The gymnasium environment",
            'Arguments of `gymnasium.make("fusiondrive/CarlaDriving-v0", ...)`.',
            _class_table(EnvConfig),
            "### server",
            _class_table(ServerSpec),
            "### reward",
            _class_table(RewardConfig),
        ]
    )


def _model_table(model: type[BaseModel]) -> str:
    rows = []
    for name, item in model.model_fields.items():
        meaning = _flag_help(item) or _comment(model, name)
        default = item.get_default(call_default_factory=True)
        default = "" if isinstance(default, BaseModel) else default
        kind = _kind(get_type_hints(model)[name])
        rows.append(f"| `{name}` | {kind} | {_value(default)} | {_cell(meaning)} |")
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows])


def _class_table(kind: type) -> str:
    hints, rows = get_type_hints(kind), []
    for item in fields(kind):
        default = item.default if item.default is not MISSING else None
        if item.default_factory is not MISSING:
            default = "..."
        rows.append(
            f"| `{item.name}` | {_kind(hints[item.name])} | {_value(default)} | "
            f"{_cell(_comment(kind, item.name))} |"
        )
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows])


def _comment(kind: type, name: str) -> str:
    """The comment beside a field's declaration, or the flag's help of the run that it also has."""
    from harness.config import RunConfig

    found = re.search(rf"^    {name}:.*?#\s*(.*)$", inspect.getsource(kind), re.MULTILINE)
    if found:
        return found[1]
    same = RunConfig.model_fields.get(name)
    return _flag_help(same) if same else ""


def _flag_help(item: FieldInfo) -> str:
    """What a key's flag says; empty where it has none."""
    return next((entry.help for entry in item.metadata if isinstance(entry, Flag)), "")


def _kind(hint: Any) -> str:
    """A type as it is written in code."""
    if isinstance(hint, type) and not get_args(hint):
        return f"`{hint.__name__}`"
    text = re.sub(r"(?:\w+\.)+(\w)", r"\1", str(hint))
    text = re.sub(r"Optional\[(.*)\]$", r"\1 | None", text)
    return f"`{text}`".replace("|", r"\|")


def _value(default: object) -> str:
    is_none = default in (None, "") or type(default).__name__.startswith("Pydantic")
    return "" if is_none else f"`{default}`"


def columns() -> str:
    """Every column of every file of rows, from its declaration."""
    from results.columns import documented, metrics_of
    from results.hazards import HazardRecord
    from results.row import EpisodeRow
    from results.trace import TraceRow
    from results.track_row import TrackRow

    cells = [
        f"| `{made.name}` | `{column.name}` | {made.over.value} |"
        for column in metrics_of(EpisodeRow)
        for made in column.aggregates
    ]
    return "\n\n".join(
        [
            "# Columns of rows",
            "Columns that begin with `wall_` are the only ones that differ between two runs of the "
            "same drives. Ids and hashes have a letter in front, so that pandas and Excel leave "
            "them as they are. [How a drive is judged](../architecture.md#how-a-drive-is-judged) "
            "says what each `outcome` takes.",
            "## Episodes: `rows.parquet`, `rows.jsonl`",
            _column_table(documented(EpisodeRow)),
            "## Cells: `table.csv`",
            "What a cell says of the columns of its drives.",
            "\n".join(["| column | of | taken as |", "|---|---|---|", *cells]),
            "## Hazards: `hazards.parquet`",
            "One line for each hazard of each drive, with the `identity` of the episode.",
            _column_table(documented(HazardRecord)),
            "## Steps: `traces/*.parquet`",
            _column_table(documented(TraceRow)),
            "## Track tests",
            _column_table(documented(TrackRow)),
        ]
    )


def _column_table(docs: dict[str, str]) -> str:
    rows = [f"| `{name}` | {_cell(doc)} |" for name, doc in docs.items()]
    return "\n".join(["| column | meaning |", "|---|---|", *rows])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def python() -> str:
    """What programs import, by docstrings."""
    parts: list[str] = [
        "# Python",
        "What programs may import. Everything else may change without a word.",
    ]
    for heading, names in API.items():
        parts.append(f"## {heading}")
        parts += [f"::: {name}" for name in names]
    return "\n\n".join(parts) + "\n"


API: dict[str, Sequence[str]] = {
    "Rows and statistics": (
        "results.load",
        "results.load_traces",
        "results.row.EpisodeRow",
        "results.stats",
        "results.power",
    ),
    "The gymnasium environment": ("harness.env.CarlaDrivingEnv",),
    "Policies": (
        "policies.base.Policy",
        "fusiondrive.types.Observation",
        "fusiondrive.types.Control",
        "fusiondrive.types.CameraSpec",
        "fusiondrive.types.SensorSpec",
        "policies.make_policy",
    ),
    "Fusers and the thermal camera": ("sensors.fusion.Fuser", "sensors.thermal.ThermalCamera"),
    "Criteria": ("harness.criteria.Criterion", "harness.criteria.Step", "harness.criteria.Event"),
    "Hazards": ("scenarios.hazards.script.Script", "scenarios.hazards.scene.Scene"),
    "Detectors": ("perceivers.detection.Detector", "perceivers.detection.Detection"),
    "FusionProxy": ("fusionproxy.model.FusionProxy",),
    "Errors": ("fusiondrive.errors",),
}
PAGES: dict[str, Callable[[], str]] = {
    "reference/commands.md": commands,
    "reference/configuration.md": configuration,
    "reference/columns.md": columns,
    "reference/api.md": python,
}
