"""Settings as a user writes them: dicts become dataclasses, texts become paths, typos errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from fusiondrive.errors import ConfigError, unknown_name

UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")  # a model's word, a dataclass's


def checked(kind: type, values: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The values with the types of a dataclass's fields, at every depth.

    Args:
        kind: the dataclass; its fields may be dataclasses or pydantic models themselves.
        values: some or all of its fields; a nested dataclass may be a dict.
        what: how the error calls the settings, such as `environment`.

    Raises:
        ConfigError: a key is unknown or a value cannot be; names the full path.
    """
    names = [field.name for field in fields(kind)]
    for name in values:
        if name not in names:
            raise unknown_name(f"{what} setting", name, names)
    try:
        model = _model(kind).model_validate(dict(values))
    except ValidationError as err:
        raise ConfigError(_message(err, kind, what)) from err
    return {name: getattr(model, name) for name in values}


@cache
def _model(kind: type) -> type[BaseModel]:
    """The dataclass as a model that knows no other keys, at any depth."""
    hints = get_type_hints(kind)
    parts: dict[str, Any] = {field.name: (hints[field.name], None) for field in fields(kind)}
    return create_model(kind.__name__, __config__=ConfigDict(extra="forbid"), **parts)


def _message(err: ValidationError, kind: type, what: str) -> str:
    """One problem in one line, with its path and what would be accepted; a typo before all."""
    problems = err.errors()
    problem = next((item for item in problems if item["type"] in UNKNOWN), problems[0])
    path = ".".join(str(part) for part in problem["loc"] if part != "[key]")
    if problem["type"] in UNKNOWN:
        known = ", ".join(sorted(_names_at(kind, problem["loc"][:-1])))
        return f"unknown {what} setting '{path}'; known: {known}"
    return f"{what} setting '{path}': {problem['msg']}; found {problem['input']!r:.80}"


def _names_at(kind: Any, path: tuple[int | str, ...]) -> list[str]:
    """Names of the fields of what lies at a path within a dataclass."""
    for part in path:
        options = get_args(kind) if isinstance(part, int) else [get_type_hints(kind)[part]]
        kind = next((item for item in options if item is not Ellipsis), kind)
        if isinstance(kind, UnionType):  # of `Settings | None`
            kind = get_args(kind)[0]
    return [field.name for field in fields(kind)] if is_dataclass(kind) else list(kind.model_fields)
