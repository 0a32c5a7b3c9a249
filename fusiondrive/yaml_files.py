"""Reads configuration files: YAML whose plain values stay as they are written.

YAML 1.1 would make 8 of `010`, false of `no` and lose the first of two equal keys. Here plain
values are text, and the type of the configuration's field says what they become.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from fusiondrive.errors import ConfigError

_KEPT_TAGS = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")


class _Loader(yaml.SafeLoader):
    """Resolves nothing but null and merge keys, and refuses a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in lines:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{key.value}' stands in line {lines[key.value]} already",
                    key.start_mark,
                )  # fmt: skip
            lines[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _KEPT_TAGS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(file: Path, what: str = "config file") -> dict[str, Any]:
    """The mapping in a YAML file, UTF-8 or UTF-16, with a byte order mark or without.

    Args:
        file: to read.
        what: how errors call it.

    Raises:
        ConfigError: no such file, or it is not a YAML mapping; names file, line and reason.
    """
    try:
        # The loader's constructors make plain Python values, as those of SafeLoader do.
        content = yaml.load(file.read_bytes(), Loader=_Loader)
    except OSError as err:
        raise ConfigError(f"{what} {file}: {err.strerror or err}") from err
    except RecursionError as err:
        raise ConfigError(f"{what} {file}: nested too deeply") from err
    except yaml.MarkedYAMLError as err:
        raise ConfigError(f"{what} {file}: {_reason(err)}") from err
    except yaml.reader.ReaderError as err:
        raise ConfigError(f"{what} {file}: {_encoding_of(file, err.position)}") from err
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        text = " ".join(str(err).split())
        raise ConfigError(f"{what} {file}: not readable as YAML: {text}") from err
    if content is None:
        return {}
    if not isinstance(content, dict):
        kind = "text" if isinstance(content, str) else type(content).__name__
        raise ConfigError(f"{what} {file}: expected a mapping of keys, found {kind}")
    return {str(key): value for key, value in content.items()}


def _encoding_of(file: Path, position: int) -> str:
    data = file.read_bytes()
    line = data.count(b"\n", 0, position) + 1
    return (
        f"expected UTF-8 text, found byte 0x{data[position]:02x} in line {line}; save it as UTF-8"
    )


def _reason(err: yaml.MarkedYAMLError) -> str:
    mark = err.problem_mark or err.context_mark
    where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
    return f"not readable as YAML: {where}{err.problem or err.context}"
