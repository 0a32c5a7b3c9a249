"""Closed-loop driving evaluation: runs episodes on a CARLA server and turns them into rows.

Importing it registers the gymnasium environment `fusiondrive/CarlaDriving-v0`, by name alone:
neither the client nor the renderer is loaded before an environment is made.
"""

import gymnasium

from harness.launch import find_siblings

find_siblings()  # before another of our packages is imported
from fusiondrive.client import prepare_client  # noqa: E402

ENV_ID = "fusiondrive/CarlaDriving-v0"


def register() -> None:
    """Make `gymnasium.make("fusiondrive/CarlaDriving-v0")` work; may be called again."""
    if ENV_ID not in gymnasium.registry:
        gymnasium.register(id=ENV_ID, entry_point="harness.env:CarlaDrivingEnv")


prepare_client()  # before any module imports carla
register()  # at import, since gymnasium 1.x finds no plug-ins by itself
