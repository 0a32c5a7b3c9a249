"""Moved to `fusiondrive.errors`; plug-ins that import `harness.errors` go on working."""

from fusiondrive.errors import (
    AgentError,
    ConfigError,
    FusionDriveError,
    MapError,
    OutputError,
    SimulatorError,
    WeightsError,
    unknown_name,
)

__all__ = [
    "AgentError",
    "ConfigError",
    "FusionDriveError",
    "MapError",
    "OutputError",
    "SimulatorError",
    "WeightsError",
    "unknown_name",
]
