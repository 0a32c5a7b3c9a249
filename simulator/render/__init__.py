"""Software rasteriser: colour, semantic tags and depth of one pose in one pass."""
