"""Errors that a user sees as one clear message; nothing here knows who raises them."""


class FusionDriveError(Exception):
    """Base of every expected failure; the command line prints its text and exits with 2."""


class ConfigError(FusionDriveError):
    """A name, value, file or combination that cannot be run; raised before a server starts."""


class WeightsError(ConfigError):
    """Weights that are missing, foreign, or need an extra that is not installed."""


class MapError(ConfigError):
    """A map or route file that is missing, broken, or does not fit the town."""


class OutputError(FusionDriveError):
    """A file that cannot be written: the disk is full, read-only or broken; nothing is half there.

    It ends a run at once: what follows could not be written either.
    """


class SimulatorError(FusionDriveError):
    """The simulator died, did not answer, or a frame did not arrive; retried, never scored."""


class MissedTickError(SimulatorError):
    """The Traffic Manager did not hear a tick and was woken: the episode is void, the next is not.

    A race of CARLA's client on busy cores.
    """


class AgentError(FusionDriveError):
    """The user's policy or agent failed in a drive: it raised, hung, or gave no usable control."""


def unknown_name(kind: str, name: str, known: object) -> ConfigError:
    """Build the error for a name outside a registry, listing what is known.

    Args:
        kind: what the name stands for, such as `input`.
        name: what was found.
        known: an iterable of the accepted names.
    """
    names = ", ".join(sorted(str(item) for item in known))  # type: ignore[attr-defined]
    return ConfigError(f"unknown {kind} '{name}'; known: {names}")
