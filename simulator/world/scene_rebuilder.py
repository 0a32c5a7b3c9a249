"""Makes a town anew in the background when parts of it are shown or hidden."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from simulator.net.listening import one_line
from simulator.world.episode import Episode
from simulator.world.map_layers import MapLayers
from simulator.world.scene import SceneStore, return_memory

if TYPE_CHECKING:
    from simulator.net.rpc import Connection

logger = logging.getLogger(__name__)

_PATIENCE_S = 60.0


class SceneRebuilder:
    """One thread; while it makes a scene, further wishes gather, and only the last one counts."""

    def __init__(
        self, store: SceneStore, lock: threading.RLock, episode: Callable[[], Episode]
    ) -> None:
        self._store = store
        self._lock = lock
        self._episode = episode
        self._wake = threading.Condition(lock)
        self._wished = self._done = 0
        self._last: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()

    def start(self) -> None:
        """Begin to work."""
        threading.Thread(target=self._run, name="scene-rebuilder", daemon=True).start()

    def wish(self, whose: Connection, change: Callable[[MapLayers], MapLayers]) -> None:
        """Change what is to be seen of the running episode's town; `settled` waits for it."""
        with self._lock:
            episode = self._episode()
            episode.layers = change(episode.layers)
            self._wished += 1
            self._last[whose] = self._wished
            self._wake.notify_all()

    def settled(self, whose: Connection) -> None:
        """Wait until a client's wishes have come true; those of others do not keep it."""
        until = monotonic() + _PATIENCE_S
        with self._lock:
            last = self._last.get(whose, 0)
            while self._done < last and monotonic() < until:
                self._wake.wait(1.0)

    def _run(self) -> None:
        while True:
            with self._lock:
                self._wake.wait_for(lambda: self._done < self._wished)
                episode, number = self._episode(), self._wished
                layers = episode.layers
            if layers != episode.scene.layers:
                self._rebuild(episode, layers)
            with self._lock:
                self._done = number
                self._wake.notify_all()

    def _rebuild(self, episode: Episode, layers: MapLayers) -> None:
        try:
            scene = self._store.scene(episode.scene.town.name, layers)
        except Exception as err:
            # The thread must live, and nobody must wait for what cannot be.
            logger.exception("a part of the town cannot be changed: %s", one_line(err))
            with self._lock:
                episode.layers = episode.scene.layers
            return
        with self._lock:
            # Somebody may have made another town of that name with generate_opendrive_world.
            if scene.town.digest == episode.scene.town.digest:
                episode.change_scene(scene)
        return_memory()  # of the scene before
