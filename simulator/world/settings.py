"""The settings of an episode, which clients read and change."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from simulator.errors import ActorError


@dataclass
class Settings:
    """CARLA's EpisodeSettings, in wire order."""

    synchronous_mode: bool = False
    no_rendering_mode: bool = False
    fixed_delta_seconds: float | None = None
    substepping: bool = True
    max_substep_delta_time: float = 0.01
    max_substeps: int = 10
    max_culling_distance: float = 0.0
    deterministic_ragdolls: bool = True
    tile_stream_distance: float = 3000.0
    actor_active_distance: float = 2000.0
    spectator_as_ego: bool = True

    MOST_SUBSTEPS = 100
    SHORTEST_DELTA_S, LONGEST_DELTA_S = 1e-5, 10.0
    DEFAULT_DELTA_S = 0.05  # without a fixed delta; steps never follow the wall clock

    @property
    def delta_s(self) -> float:
        """Length of a step."""
        return self.fixed_delta_seconds or self.DEFAULT_DELTA_S

    @property
    def substeps(self) -> int:
        """Into how many parts the physics cuts a step."""
        if not self.substepping or self.max_substep_delta_time <= 0.0:
            return 1
        longest = max(self.max_substep_delta_time, self.delta_s / self.MOST_SUBSTEPS)
        parts = math.ceil(self.delta_s / longest - 1e-6)
        return min(max(parts, 1), max(self.max_substeps, 1), self.MOST_SUBSTEPS)

    def as_list(self) -> list[Any]:
        """The fields in wire order."""
        values = [getattr(self, name) for name in self.__dataclass_fields__]
        delta = self.fixed_delta_seconds
        values[2] = [False] if delta is None else [True, delta]
        return values

    @classmethod
    def from_list(cls, values: list[Any]) -> Settings:
        """Read the fields; what a client of another version leaves out keeps its default."""
        names = list(cls.__dataclass_fields__)
        given = dict(zip(names, values, strict=False))
        delta = given["fixed_delta_seconds"]
        given["fixed_delta_seconds"] = float(delta[1]) if delta[0] and delta[1] > 0.0 else None
        made = cls(**given)
        made._check()
        return made

    def _check(self) -> None:
        """Refuse what would stop the world for everybody.

        Raises:
            ActorError: a step that is too long, or a value of another type.
        """
        if not self.SHORTEST_DELTA_S <= self.delta_s <= self.LONGEST_DELTA_S:
            limits = f"{self.SHORTEST_DELTA_S:g} to {self.LONGEST_DELTA_S:g}"
            raise ActorError(f"fixed_delta_seconds: expected {limits}, got {self.delta_s:g}")
        for name, default in zip(self.__dataclass_fields__, Settings().as_list(), strict=True):
            value = getattr(self, name)
            numbers = (int, float) if isinstance(default, float) else type(default)
            if name == "fixed_delta_seconds":
                continue
            if not isinstance(value, numbers) or not math.isfinite(value):
                raise ActorError(f"{name}: expected a {type(default).__name__}, got {value!r}")
