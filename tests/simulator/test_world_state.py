"""The world state as clients read it."""

from __future__ import annotations

import struct

import pytest

from simulator.world.scene import SceneOptions, SceneStore
from simulator.world.world import World

pytestmark = pytest.mark.heavy  # grows a town
MAP_CHANGED = 1


def flags(world: World) -> int:
    world.compose_state()
    return int(struct.unpack("<I", world.state[1][-4:])[0])


def test_a_map_has_changed_only_for_those_who_saw_another() -> None:
    """A client fetches its lamps each time; one that loses its server meanwhile aborts."""
    world = World(SceneStore(SceneOptions()), "track")
    assert [flags(world) for _ in range(3)] == [0, 0, 0]
    world.begin_episode(world.store.scene("track"), "track", reset_settings=False)
    assert [flags(world) & MAP_CHANGED for _ in range(4)] == [1, 1, 0, 0]
