"""Driving with agents of the CARLA Leaderboard."""
