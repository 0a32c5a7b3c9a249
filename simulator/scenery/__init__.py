"""Grows what stands still in a town from its road network alone.

Modules here import `scipy` alone and not its parts, which it loads when they are first used: a town
that is kept in a file needs none of them, and a server starts sooner.
"""

from simulator.scenery.ground import Ground
from simulator.scenery.grow import grow
from simulator.scenery.store import Grown, GrownStore

__all__ = ["Ground", "Grown", "GrownStore", "grow"]
