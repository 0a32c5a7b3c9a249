"""The version of the pictures, which weights depend on; rows and cards record it as `look`."""

from __future__ import annotations

# Raise it by one whenever a picture of the same street comes out different by more than rounding.
# Renderer, textures, weather, models of vehicles, walkers and props count, but also scenery that
# grows along the streets (houses, trees, lamps, markings). Then draw the reference pictures anew
# with `python -m simulator.benchmarks.reference`, and train and evaluate what ships again. A change
# of the road network itself does not count: results name the map by its own digest.
#
# Version 1 got streaks of rain later (`rain.py`). They are there only where `precipitation` is
# above 0; all other pictures stayed equal to the byte, and no weight was trained or judged on rain.
RENDER_VERSION = 1
