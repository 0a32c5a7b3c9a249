"""The drives of an evaluation: routes, weathers, traffic, and the suites that combine them."""

from fusiondrive.home import ensure_home

ensure_home()  # before any module loads CARLA's library
