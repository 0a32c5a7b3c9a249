"""Moved: `python -m policies.training.train`."""

from core.moved import run_moved

if __name__ == "__main__":
    run_moved("policies.training.train")
