"""Moved: `python -m policies.training.export`."""

from core.moved import run_moved

if __name__ == "__main__":
    run_moved("policies.training.export")
