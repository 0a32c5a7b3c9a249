"""Driving an episode of a run again from its folder: to prove equality, for videos, for export."""
