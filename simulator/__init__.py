"""A CPU-only server that speaks the CARLA 0.9.16 wire protocol."""

from simulator.system.client import prepare_client
from simulator.system.kernel_cache import keep_by_source

prepare_client()  # before any module imports carla
keep_by_source()  # before any module defines a kernel
