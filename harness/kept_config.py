"""The configuration that a run was driven with, in its folder: `configs/HASH.yaml`.

It holds what decides the outcome of an episode, with whole paths, so that an episode can be driven
again from the folder alone; `python -m harness.run --config` takes it as well. Where one folder was
driven into with several configurations, each has a file.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from fusiondrive.errors import ConfigError
from fusiondrive.files import whole_file
from fusiondrive.provenance import text_hash
from harness.config import RunConfig, load_config
from results.identity import OUTCOME_FIELDS

FOLDER = "configs"
# Which episodes there are, and how long to wait in them.
FURTHER = ("routes", "route", "seeds", "timeouts")


def keep_config(config: RunConfig) -> Path:
    """Write a configuration into its run's folder, unless it is there.

    Raises:
        OutputError: it cannot be written.
    """
    text = config_text(config)
    path = config.directory / FOLDER / f"{text_hash(text)}.yaml"
    if not path.is_file():
        with whole_file(path) as draft:
            draft.write_text(text, encoding="utf-8")
    return path


def config_text(config: RunConfig) -> str:
    """What of a configuration decides outcomes, as YAML; what is not given is left out."""
    whole = {
        name: value.absolute() for name, value in dict(config).items() if isinstance(value, Path)
    }
    # Arms name inputs and fusers themselves, and both ways to name them do not go together.
    left_out = ("input", "fuser") if config.arms is not None else ()
    kept = {*OUTCOME_FIELDS, *FURTHER}.intersection(RunConfig.model_fields).difference(left_out)
    values = config.model_copy(update=whole).model_dump(mode="json", include=kept)
    return yaml.safe_dump(
        {name: value for name, value in values.items() if value is not None},
        sort_keys=False,
        allow_unicode=True,
    )


def kept_configs(folder: Path) -> list[RunConfig]:
    """The configurations in a run's folder, the last written last; none in runs of old.

    Raises:
        ConfigError: one cannot be read; a version that knows other keys has written it.
    """
    files = sorted((folder / FOLDER).glob("*.yaml"), key=lambda path: path.stat().st_mtime_ns)
    try:
        return [load_config(path, {}) for path in files]
    except ConfigError as err:
        raise ConfigError(f"{folder} was driven with another version: {err}") from err
