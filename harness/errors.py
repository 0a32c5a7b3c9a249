"""Moved to `core.errors`; plug-ins that import `harness.errors` go on working."""

from core.errors import (
    ConfigError,
    FileError,
    FusionDriveError,
    MapError,
    SimulatorError,
    WeightsError,
    unknown_name,
)

__all__ = [
    "ConfigError",
    "FileError",
    "FusionDriveError",
    "MapError",
    "SimulatorError",
    "WeightsError",
    "unknown_name",
]
