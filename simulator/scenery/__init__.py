"""Grows what stands still in a town from its road network alone."""

from simulator.scenery.ground import Ground
from simulator.scenery.grow import grow

__all__ = ["Ground", "grow"]
