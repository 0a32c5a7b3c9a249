"""Software rasteriser: colour, semantic tags and depth of one pose in one pass."""

from simulator.render.renderer import Renderer

__all__ = ["Renderer"]
