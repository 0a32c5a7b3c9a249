"""Vehicle dynamics, walkers and collisions; knows nothing of actors, roads or the network."""

from simulator.physics.bodies import BodyState, Contact, VehicleInput, VehicleSpec
from simulator.physics.world import Physics

__all__ = ["BodyState", "Contact", "Physics", "VehicleInput", "VehicleSpec"]
