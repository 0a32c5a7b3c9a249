"""Street lamps that stay dark through a night, by CARLA's light manager."""

from __future__ import annotations

import ctypes

import carla

from fusiondrive.types import Closing


class DarkStreets(Closing):
    """Switches all street lamps of the loaded map off, and gives them back to the sun when closed.

    The client tells the server with the next tick, and pictures show it from the one after.
    """

    def __init__(self, world: carla.World) -> None:
        _keep_for_good(world)
        self._manager = world.get_lightmanager()
        self._lamps = self._manager.get_all_lights(carla.LightGroup.Street)
        self._manager.turn_off(self._lamps)

    def close(self) -> None:
        """Let the lamps shine at night again; may be called twice."""
        lamps, self._lamps = self._lamps, []
        if lamps:
            self._manager.turn_on(lamps)
            self._manager.set_day_night_cycle(True)


def _keep_for_good(world: carla.World) -> None:
    """Never free a connection that has a light manager: its destructor throws, and that aborts.

    So does the client 0.9.16 where the last reference to its simulator goes (`~LightManager`).
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(world))
