"""Which look the pictures have: trained weights depend on it, so rows and cards record it."""

from __future__ import annotations

# Raise it by one whenever a picture of the same street comes out different by more than rounding:
# renderer, textures, weather, models of vehicles, walkers and props, but also scenery that grows
# along the streets (houses, trees, lamps, markings). Then draw the reference pictures anew with
# `python -m simulator.render.reference`, and train and evaluate what ships again. A change of the
# road network itself is not one of the look: results name the map by its own digest.
LOOK_VERSION = 1
