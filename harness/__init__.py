"""Closed-loop driving evaluation: runs episodes on a CARLA server and turns them into rows."""

from harness.home import ensure_home
from harness.launch import find_siblings

find_siblings()
ensure_home()  # before any module loads CARLA's library
