"""Moved: `python -m policies.training.export`."""

from fusiondrive.moved import run_moved

if __name__ == "__main__":
    run_moved("policies.training.export")
