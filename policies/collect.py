"""Moved: `python -m policies.training.collect`."""

from fusiondrive.moved import run_moved

if __name__ == "__main__":
    run_moved("policies.training.collect")
