"""Moved: `python -m harness.capture`."""

from fusiondrive.moved import run_moved

if __name__ == "__main__":
    run_moved("harness.capture")
