"""Moved: `python -m policies.training.short_drives`."""

from fusiondrive.moved import run_moved

if __name__ == "__main__":
    run_moved("policies.training.short_drives")
