"""Grows what stands still in a town from its road network alone."""

from simulator.scenery.ground import Ground
from simulator.scenery.grow import grow
from simulator.scenery.store import Grown, GrownStore

__all__ = ["Ground", "Grown", "GrownStore", "grow"]
