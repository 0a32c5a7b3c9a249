"""GPS as the Leaderboard's agents know it: Mercator at the map's latitude, north is up.

Up to CARLA 0.9.15 the GNSS sensor used this projection, and so do the Leaderboard's plans and the
agents that turn both into metres. CARLA 0.9.16 (LibCarla carla/geom/GeoLocation.cpp) projects
otherwise and without the change of sign, so that its latitudes grow to the south; an agent that
trusts its compass would steer to the wrong side. So plan and sensor are both given in the old way.
"""

from __future__ import annotations

import math
from typing import Any

import carla

EARTH_RADIUS_M = 6378137.0


class MercatorGps:
    """Converts places of one map."""

    def __init__(self, world_map: carla.Map) -> None:
        self._map = world_map
        origin = world_map.transform_to_geolocation(carla.Location())
        self._scale = EARTH_RADIUS_M * math.cos(math.radians(origin.latitude))
        self._east_m = self._scale * math.radians(origin.longitude)
        turn = math.radians(90.0 + origin.latitude) / 2.0
        self._north_m = self._scale * math.log(math.tan(turn))

    def of_place(self, x: float, y: float) -> tuple[float, float]:
        """Latitude and longitude in degrees of a place in CARLA's world frame."""
        longitude = math.degrees((self._east_m + x) / self._scale)
        turn = math.atan(math.exp((self._north_m - y) / self._scale))
        return math.degrees(2.0 * turn) - 90.0, longitude

    def of_reading(self, latitude: float, longitude: float, altitude: float) -> tuple[float, float]:
        """The place that a GNSS sensor of 0.9.16 measures, in this grid; its noise stays."""
        geo = carla.GeoLocation(latitude, longitude, altitude)
        place: Any = self._map.geolocation_to_transform(geo)
        return self.of_place(place.x, place.y)
