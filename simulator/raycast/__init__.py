"""Straight lines through the triangles that the cameras draw."""

from simulator.raycast.caster import Hits, RayCaster

__all__ = ["Hits", "RayCaster"]
