"""Errors that a client sees as the answer to its call."""

from __future__ import annotations


class ActorError(Exception):
    """A call that cannot be done; its text is what the client's RuntimeError says."""


class LookupFailed(ActorError):
    """A call about an actor that there is not, or that is of another kind.

    Its text is a line of CARLA's `CarlaServerResponse.cpp` and goes on in `named`.
    """

    def named(self, function: str) -> str:
        """The text as CARLA's server says it, with the function's name."""
        return f"Responding error from function {function}: {self}"
