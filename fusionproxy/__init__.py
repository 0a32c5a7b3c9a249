"""FusionProxy: infrared/visible image fusion students, usable without the driving harness."""

from fusionproxy.errors import FusionError
from fusionproxy.model import FusionProxy

__all__ = ["FusionError", "FusionProxy"]
