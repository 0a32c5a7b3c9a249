"""Command lines made of configurations: one declaration gives flags, help, defaults and checks.

A configuration is a frozen dataclass or a pydantic model whose fields are annotated with `Flag`:

    batch: Annotated[int, Flag("images a step")] = 16

`add_flags` makes `--batch` of it. Flags that were not given are absent from the parsed options, so
that a file's values and then the defaults of the configuration fill them.
"""

from __future__ import annotations

import argparse
import dataclasses
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NoReturn,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from fusiondrive.errors import ConfigError
from fusiondrive.paths import user_path

_UNIONS = (Union, types.UnionType)


@dataclasses.dataclass(frozen=True)
class Flag:
    """How a field of a configuration shows on the command line.

    Args:
        help: what it means, in a few words; the default is added.
        metavar: stands for the value in the help.
        names: spellings that replace the one made of the field's name.
        group: heading of the help under which it stands.
    """

    help: str
    metavar: str | None = None
    names: tuple[str, ...] = ()
    group: str = "options"


class Parser(argparse.ArgumentParser):
    """Raises a `ConfigError` in place of printing usage and leaving: one message is enough."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise ConfigError(f"{message} (see {self.prog} --help)")


class _Field(NamedTuple):
    name: str
    kind: Any  # without Annotated
    flag: Flag
    default: Any  # of the configuration; `dataclasses.MISSING` where it must be given


def add_flags(parser: argparse.ArgumentParser, config: type) -> None:
    """Add a flag for each field of a configuration that is annotated with `Flag`."""
    groups: dict[str, Any] = {}
    for field in _fields(config):
        heading = field.flag.group
        if heading not in groups:
            is_plain = heading == "options"
            groups[heading] = parser if is_plain else parser.add_argument_group(heading)
        names = field.flag.names or ("--" + field.name.replace("_", "-"),)
        groups[heading].add_argument(*names, dest=field.name, **_options_of(field))


def flag_names(config: type) -> tuple[str, ...]:
    """Fields of a configuration that have a flag, in order."""
    return tuple(field.name for field in _fields(config))


def _fields(config: type) -> Iterable[_Field]:
    defaults = _defaults(config)
    for name, hint in get_type_hints(config, include_extras=True).items():
        flags = [item for item in _metadata(hint) if isinstance(item, Flag)]
        if flags:
            missing = dataclasses.MISSING
            yield _Field(name, _bare(hint), flags[0], defaults.get(name, missing))


def _defaults(config: type) -> dict[str, Any]:
    if dataclasses.is_dataclass(config):
        return {
            field.name: field.default
            if field.default_factory is dataclasses.MISSING
            else field.default_factory()
            for field in dataclasses.fields(config)
        }
    known: dict[str, Any] = config.model_fields  # type: ignore[attr-defined]
    return {
        name: dataclasses.MISSING
        if field.is_required()
        else field.get_default(call_default_factory=True)
        for name, field in known.items()
    }


def _metadata(hint: Any) -> tuple[Any, ...]:
    return tuple(hint.__metadata__) if get_origin(hint) is Annotated else ()


def _bare(hint: Any) -> Any:
    """The type that a value is parsed as: without annotations and without `| None`."""
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    if get_origin(hint) in _UNIONS:
        inner = [item for item in get_args(hint) if item is not type(None)]
        return _bare(inner[0]) if len(inner) == 1 else str
    return hint


def _options_of(field: _Field) -> dict[str, Any]:
    """Keyword arguments of `add_argument`."""
    options: dict[str, Any] = {
        "default": argparse.SUPPRESS,
        "required": field.default is dataclasses.MISSING,
        "help": _help_of(field),
    }
    if field.kind is bool:
        return {**options, "action": argparse.BooleanOptionalAction}
    if get_origin(field.kind) is tuple:
        options["nargs"] = "+"
        field = field._replace(kind=_bare(get_args(field.kind)[0]))
    if get_origin(field.kind) is Literal:
        return {**options, "choices": get_args(field.kind)}
    return {**options, "type": _reader(field.kind), "metavar": field.flag.metavar}


def _reader(kind: Any) -> Callable[[str], Any]:
    readers: dict[Any, Callable[[str], Any]] = {Path: user_path, int: int, float: float, str: str}
    if kind not in readers:
        raise TypeError(f"no flag can be made of the type {kind}")
    return readers[kind]


def _help_of(field: _Field) -> str:
    text = field.flag.help.replace("%", "%%")
    value = field.default
    if value is dataclasses.MISSING or value is None or value == "" or value is False:
        return text
    shown = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"{text} (default: {shown})" if shown else text
