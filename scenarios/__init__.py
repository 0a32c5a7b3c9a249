"""The drives of an evaluation: routes, weathers, traffic, and the suites that combine them."""

from fusiondrive.client import prepare_client

prepare_client()  # before any module imports carla
