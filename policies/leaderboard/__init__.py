"""Driving with agents of the CARLA Leaderboard."""

from fusiondrive.client import prepare_client

prepare_client()  # before any module imports carla
