"""What handlers work on: the running episode, and what outlives it."""

from __future__ import annotations

import threading
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from simulator.actors.models import Sensor
from simulator.blueprints.library import make_library
from simulator.net import wire
from simulator.physics import Contact
from simulator.world.episode import Episode
from simulator.world.ids import Ids
from simulator.world.scene import Scene, SceneStore
from simulator.world.scene_rebuilder import SceneRebuilder
from simulator.world.settings import Settings

if TYPE_CHECKING:
    from simulator.net.rpc import Connection

_MAP_CHANGED_FRAMES = 2


class World:
    """The episode, its clock and settings. `lock` goes around every use of the episode's actors."""

    def __init__(self, store: SceneStore, town: str) -> None:
        self.lock = threading.RLock()
        self.store = store
        self.library = make_library()
        self.settings = Settings()
        self.gravity = 9.81  # m/s^2, what the IMUs measure at rest
        self.traffic_managers: dict[int, tuple[str, Connection]] = {}  # by port
        self._ids = Ids()
        self.episode = Episode(store.scene(town), self._ids)
        self.scene_rebuilder = SceneRebuilder(store, self.lock, lambda: self.episode)
        self.frame = 0
        self.time_s = 0.0  # simulated; goes on over all episodes
        self.state: list[bytes] = []  # the newest world state, as it goes over the wire
        self.lamps_told_s = -inf  # when clients were last told to ask for the lamps, or asked
        self._map_changed = 0  # frames that say so: to clients that saw another map before
        self._began = monotonic()

    def step(self) -> list[Contact]:
        """Let one step of time pass; returns what touched."""
        contacts = self.episode.step(self.settings)
        self.time_s += self.settings.delta_s
        return contacts

    def compose_state(self) -> None:
        """Write down the world state under a new frame number."""
        self.frame += 1
        header = wire.sensor_header(
            wire.SensorType.WORLD, self.frame, self.time_s, self.episode.spectator.pose
        )
        is_map_changed = self._map_changed > 0
        are_lights_changed = self.episode.street_lights.take_change()
        world = wire.world_header(
            self.episode.episode_id,
            monotonic() - self._began,
            self.settings.delta_s,
            is_map_changed=is_map_changed,
            are_lights_changed=are_lights_changed,
        )
        self._map_changed = max(self._map_changed - 1, 0)
        if is_map_changed or are_lights_changed:
            self.lamps_told_s = monotonic()
        self.state = [header, world, self.episode.records()]

    def begin_episode(self, scene: Scene, map_name: str, *, reset_settings: bool) -> None:
        """Replace the episode by one in another scene.

        Args:
            scene: where it takes place.
            map_name: as the client calls it: Town02_Opt is Town02.
            reset_settings: whether the settings of the last episode end with it.
        """
        self.episode = Episode(scene, self._ids, self.episode)
        self.episode.map_name = map_name
        if reset_settings:
            self.settings = Settings()
        self._map_changed = _MAP_CHANGED_FRAMES

    def has_stream(self, stream_id: int) -> bool:
        """Whether clients can subscribe to a stream: the world's, or that of a living sensor."""
        if stream_id == wire.WORLD_STREAM:
            return True
        with self.lock:
            return any(s.stream_id == stream_id for s in self.episode.actors.of(Sensor))

    def forget_client(self, connection: Connection) -> None:
        """Forget the Traffic Managers of a client that has gone."""
        for port, (_, owner) in list(self.traffic_managers.items()):
            if owner is connection:
                self.traffic_managers.pop(port, None)
