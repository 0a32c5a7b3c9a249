"""A CPU-only server that speaks the CARLA 0.9.16 wire protocol."""

from simulator.system.home import ensure_home
from simulator.system.kernel_cache import keep_by_source

ensure_home()  # before any module loads CARLA's library
keep_by_source()  # before any module defines a kernel
