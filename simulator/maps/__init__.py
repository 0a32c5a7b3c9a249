"""Towns: authored ones that ship with the package, and official OpenDRIVE files."""

from simulator.maps.checks import MapError
from simulator.maps.loading import available_towns, load_town

__all__ = ["MapError", "available_towns", "load_town"]
