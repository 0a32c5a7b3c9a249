"""A CPU-only server that speaks the CARLA 0.9.16 wire protocol."""
