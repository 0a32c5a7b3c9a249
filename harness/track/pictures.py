"""The cameras of the test car: visible and thermal pictures of a run."""

from __future__ import annotations

import carla
import numpy as np

from fusiondrive.types import ActorState, Image, WorldState
from perceivers.detection import CAMERA
from scenarios.weather_preset import WeatherPreset
from sensors.config import ThermalConfig
from sensors.rig import SensorRig
from sensors.stress import Stress
from sensors.thermal import ThermalCamera
from sensors.thermal_settings import ThermalSettings

NO_IMAGE: Image = np.zeros((0, 0, 3), np.uint8)


class Pictures:
    """Makes a run's pictures; nothing is drawn before `attach`."""

    def __init__(self, weather: WeatherPreset, seed: int, settings: ThermalSettings) -> None:
        """Take the thermal camera's weather, seed and settings."""
        self._atmosphere = weather.atmosphere
        self._seed = seed
        self._thermal = ThermalCamera(ThermalConfig(fog_ratio=settings.fog_ratio))
        self._stress = Stress(settings) if settings.has_faults else None
        self._rig: SensorRig | None = None

    def reset(self) -> None:
        """Forget the last run, whose cameras are gone."""
        self._rig = None
        self._thermal.reset(self._seed)
        if self._stress is not None:
            self._stress.reset(self._seed)

    def attach(
        self, world: carla.World, ego: carla.Actor, *, with_thermal: bool, timeout_s: float
    ) -> SensorRig:
        """Put the cameras on the car; the caller closes them.

        Raises:
            SimulatorError: the server refuses one.
        """
        self._rig = SensorRig(world, ego, CAMERA, with_thermal=with_thermal, timeout_s=timeout_s)
        return self._rig

    def read(self, frame: int, state: WorldState) -> tuple[Image, Image]:
        """Visible picture, (H, W, 3), and thermal one, (H, W); empty what no camera makes.

        Raises:
            SimulatorError: one is late.
        """
        if self._rig is None:
            return NO_IMAGE, NO_IMAGE
        seen = self._rig.read(frame)
        if seen.tags is None:
            return seen.rgb, NO_IMAGE
        actors: list[ActorState] = [state.ego, *state.vehicles, *state.walkers]
        thermal = self._thermal.render(seen, actors, self._atmosphere)
        if self._stress is not None:
            thermal = self._stress.apply(thermal, seen.time_s)
        return seen.rgb, thermal
