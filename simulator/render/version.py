"""Which look the pictures have: trained weights depend on it, so rows and cards record it."""

from __future__ import annotations

# Raise it by one whenever a picture of the same street comes out different by more than rounding:
# renderer, textures, weather, models of vehicles, walkers and props, but also scenery that grows
# along the streets (houses, trees, lamps, markings). Then draw the reference pictures anew with
# `python -m simulator.benchmarks.reference`, and train and evaluate what ships again. A change of
# the road network itself is not one of the look: results name the map by its own digest.
#
# Look 1 got streaks of rain later (`rain.py`). They are there only where `precipitation` is above
# 0; all other pictures stayed equal to the byte, and no weight was trained or judged on rain.
LOOK_VERSION = 1
