"""Command lines made of configurations: one declaration gives flags, help, defaults and checks.

A configuration is a frozen dataclass or a pydantic model whose fields are annotated with `Flag`:

    batch: Annotated[int, Flag("images a step", more_than=0)] = 16

`add_flags` makes `--batch` of it, `configured` makes the configuration of what was parsed, and
`check_values`, called by the configuration itself, refuses what the declaration does not allow.
Flags that were not given are absent from the parsed options, so that a file's values and then the
defaults of the configuration fill them. `exit_code` is the outermost frame of a command.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import types
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NoReturn,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from fusiondrive.errors import ConfigError, FusionDriveError
from fusiondrive.paths import user_path
from fusiondrive.text import lenient_output

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141
_UNIONS = (Union, types.UnionType)
Config = TypeVar("Config")


@dataclasses.dataclass(frozen=True)
class Flag:
    """How a field of a configuration shows on the command line, and which values it may have.

    Args:
        help: what it means, in a few words; the default is added.
        metavar: stands for the value in the help; several for a tuple of a fixed length.
        names: spellings that replace the one made of the field's name. A name without dashes is
            that of a positional argument.
        group: heading of the help under which it stands.
        choices: the values that there are, where the type does not say.
        read: makes the value of its text, in place of the reader of the field's type.
        is_repeated: a tuple is given by repeating the flag, one value each.
        more_than: numbers have to be above it.
        at_least: numbers have to be this or above.
        at_most: numbers have to be this or below.
    """

    help: str
    metavar: str | tuple[str, ...] | None = None
    names: tuple[str, ...] = ()
    group: str = "options"
    choices: tuple[str, ...] = ()
    read: Callable[[str], Any] | None = None
    is_repeated: bool = False
    more_than: float | None = None
    at_least: float | None = None
    at_most: float | None = None


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

    @property
    def names(self) -> tuple[str, ...]:
        """Spellings on the command line."""
        return self.flag.names or ("--" + self.name.replace("_", "-"),)

    @property
    def is_positional(self) -> bool:
        """Whether it is given without a flag."""
        return not self.names[0].startswith("-")

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values that there are; empty where any may be given."""
        return get_args(self.kind) if get_origin(self.kind) is Literal else self.flag.choices


def command_parser(module: str, description: str | None, *configs: type) -> Parser:
    """The parser of a command.

    Args:
        module: the command is called by `python -m` and this name.
        description: the module's docstring; its lines stay as they are.
        configs: configurations whose flags it has.
    """
    parser = Parser(
        prog=f"python -m {module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for config in configs:
        add_flags(parser, config)
    return parser


def parse(
    config: type[Config], arguments: Sequence[str] | None, module: str, description: str | None
) -> Config:
    """Options of a command whose flags are those of one configuration."""
    parser = command_parser(module, description, config)
    return configured(config, parser.parse_args(arguments))


def exit_code(run: Callable[[], str | int], stopped: str = "stopped") -> int:
    """Run a command to its end; returns 0, 2 after an error, 130 after an interrupt.

    Where the reader of a pipe has gone, as `head` does, nothing is said: the code is 141.

    Args:
        run: the command; a text that it returns is printed, unless it is empty; a number is the
            exit code.
        stopped: what to say after an interrupt.
    """
    lenient_output()
    try:
        found = run()
        if isinstance(found, str):
            if found:
                print(found)
            found = 0
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffer would fail once more while the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE
    except (FusionDriveError, OSError) as err:
        print(f"error: {err}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        print(f"\n{stopped}", file=sys.stderr)
        return EXIT_INTERRUPTED
    return found


def add_flags(parser: argparse.ArgumentParser, config: type) -> None:
    """Add a flag for each field of a configuration that is annotated with `Flag`."""
    groups: dict[str, Any] = {}
    for field in _fields(config):
        heading = field.flag.group
        if heading not in groups:
            is_plain = heading == "options"
            groups[heading] = parser if is_plain else parser.add_argument_group(heading)
        options = _options_of(field)
        if field.is_positional:
            del options["required"]
        else:
            options["dest"] = field.name
        groups[heading].add_argument(*field.names, **options)


def configured(config: type[Config], options: argparse.Namespace, **more: Any) -> Config:
    """The configuration that a command line asks for.

    Args:
        config: its type, whose flags were parsed.
        options: what was parsed.
        more: fields that have no flag, or whose value is made of several.
    """
    return config(**{**given_values(config, options), **more})


def given_values(config: type, options: argparse.Namespace) -> dict[str, Any]:
    """Fields of a configuration that stand on the command line, by name."""
    given = vars(options)
    return {
        name: tuple(given[name]) if isinstance(given[name], list) else given[name]
        for name in flag_names(config)
        if name in given
    }


def check_values(config: Any, error: type[FusionDriveError] = ConfigError) -> None:
    """Refuse values that the flags of a configuration do not allow.

    Raises:
        FusionDriveError: of the given type; names the flag, the value and what is expected.
    """
    for field in _fields(type(config)):
        value = getattr(config, field.name)
        for item in value if isinstance(value, tuple) else (value,):
            if item is not None:
                _check_value(field, item, error)


def _check_value(field: _Field, value: Any, error: type[FusionDriveError]) -> None:
    if field.choices and value not in field.choices:
        known = ", ".join(map(str, field.choices))
        raise error(f"unknown {field.name.replace('_', ' ')} '{value}'; known: {known}")
    flag = field.flag
    bounds: tuple[tuple[str, float | None, Callable[[float], bool]], ...] = (
        ("more than", flag.more_than, lambda bound: value > bound),
        ("at least", flag.at_least, lambda bound: value >= bound),
        ("at most", flag.at_most, lambda bound: value <= bound),
    )
    for words, bound, holds in bounds:
        if bound is not None and not holds(bound):  # NaN, too
            raise error(f"{field.names[0]}: expected {words} {bound:g}, found {value}")


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
        first, *rest = get_args(field.kind)
        if field.flag.is_repeated:
            options["action"] = "append"
        else:
            options["nargs"] = "+" if rest == [...] else 1 + len(rest)
        field = field._replace(kind=_bare(first))
    options["metavar"] = field.flag.metavar
    if field.choices:
        options["choices"] = field.choices
    if get_origin(field.kind) is not Literal:
        options["type"] = field.flag.read or _reader(field.kind)
    return options


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
