"""A CPU-only server that speaks the CARLA 0.9.16 wire protocol."""

from simulator.kernel_cache import keep_by_source

keep_by_source()  # before any module defines a kernel
