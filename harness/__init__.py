"""Closed-loop driving evaluation: runs episodes on a CARLA server and turns them into rows."""
