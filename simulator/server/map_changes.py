"""Changes the map without hurting the clients, whose calls are parked meanwhile."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, sleep

from simulator.errors import ActorError
from simulator.maps import MapError
from simulator.net import wire
from simulator.net.listening import one_line
from simulator.net.rpc import Connection, Handle
from simulator.server.late_answers import LateAnswers
from simulator.world.map_layers import EVERYTHING, MapLayers
from simulator.world.scene import Scene
from simulator.world.world import World

logger = logging.getLogger(__name__)

LOAD = "load_new_episode"
_PARK_S = 0.2  # until every thread of the client is stuck in a parked call
_MANAGER_PARK_S = 0.6  # the same, where a Traffic Manager has not made a call to park
_RESUBSCRIBE_WAIT_S = 2.0
# These must go on while a map is changed; see `MapChanges.load`.
_NEVER_PARKED = ("version", "get_episode_info", "get_sensor_token", LOAD)


@dataclass
class PendingMap:
    """A map that has been asked for and not switched to."""

    scene: Scene
    name: str  # as the client calls it: Town02_Opt is Town02
    reset_settings: bool


class MapChanges:
    """Loads maps, and holds back the calls that come while one is changed."""

    def __init__(
        self,
        world: World,
        tick_lock: threading.Lock,
        late: LateAnswers,
        begin: Callable[[PendingMap], None],
        answer: Handle,
    ) -> None:
        """Wait for a first change.

        Args:
            world: whose episode is replaced.
            tick_lock: is held while no step of time may be under way; always before the world's.
            late: answers that are sent before a change begins.
            begin: begins the episode of a map; is called with both locks held.
            answer: does a call that was parked.
        """
        self.is_growing = False  # a town is being made, which wants the interpreter for itself
        self.is_loading = False  # no time passes from the request until the new episode begins
        self._world = world
        self._tick_lock = tick_lock
        self._late = late
        self._begin = begin
        self._answer = answer
        self._pending: PendingMap | None = None
        self._parked: list[tuple[Connection, wire.Request]] = []

    def load(self, connection: Connection, request: wire.Request) -> None:
        """Change the map without hurting the client, which crashes on a state it does not expect.

        While the client replaces its episode, its other threads are held in parked calls, it gets
        the old episode id until it has subscribed again, and only then the new world appears.
        """
        try:
            name, reset_settings = str(request.args[0]), bool(request.args[1])
            loaded = int(request.args[2]) if len(request.args) > 2 else EVERYTHING.loaded
            scene = self._scene(name, MapLayers(loaded & EVERYTHING.loaded))
        except Exception as err:
            # Whatever the error is, the client waits for an answer.
            text = str(err) if isinstance(err, ActorError) else f"{LOAD}: {one_line(repr(err))}"
            logger.warning("no map for %s: %s", connection.peer, one_line(text))
            connection.answer(
                wire.response(request.message_id, wire.wrap_error(wire.Form.VOID, text))
            )
            return
        with self._tick_lock, self._world.lock:
            self.is_loading = True
            self._late.send()
            shown = name.rstrip("/").rsplit("/", 1)[-1] or self._world.episode.map_name
            pending = self._pending = PendingMap(scene, shown, reset_settings)
        self._await_parked(connection)
        connection.answer(wire.response(request.message_id, wire.wrap(wire.Form.VOID, None)))
        sleep(_RESUBSCRIBE_WAIT_S)
        if self._pending is pending:  # the client has gone, or does not look at the world
            self.switch()

    def _scene(self, name: str, layers: MapLayers) -> Scene:
        short = name.rstrip("/").rsplit("/", 1)[-1] or self._world.episode.scene.town.name
        self.is_growing = True
        try:
            return self._world.store.scene(short, layers)
        except MapError as err:
            if "unknown town" in str(err):
                raise ActorError(f"Map '{name}' not found ({err})") from err
            raise ActorError(str(err)) from err
        finally:
            self.is_growing = False

    def switch(self) -> None:
        """Begin the episode that is pending, if any, and answer the parked calls."""
        with self._tick_lock, self._world.lock:
            if self._pending is None:
                return
            pending, self._pending = self._pending, None
            self._begin(pending)
            self.is_loading = False
            parked, self._parked = self._parked, []
            number, town = self._world.episode.episode_id, pending.scene.town.name
            logger.info("episode %d: %s", number, town)
        # A client that does not read its answers must not keep the others waiting.
        for connection in dict.fromkeys(connection for connection, _ in parked):
            own = [request for asker, request in parked if asker is connection]
            args = (connection, own)
            threading.Thread(target=self._answer_parked, args=args, daemon=True).start()

    def _await_parked(self, connection: Connection) -> None:
        """Give the client's threads time to run into a parked call."""
        sleep(_PARK_S)
        until = monotonic() + _MANAGER_PARK_S - _PARK_S
        owners = [owner for _, owner in list(self._world.traffic_managers.values())]
        while connection in owners and monotonic() < until:
            if any(parked is connection for parked, _ in list(self._parked)):
                break
            sleep(0.01)

    def _answer_parked(self, connection: Connection, requests: list[wire.Request]) -> None:
        for request in requests:
            self._answer(connection, request)

    def park(self, connection: Connection, request: wire.Request) -> bool:
        """Keep a call for later while a map is changed; tells whether that is so."""
        if not self.is_loading or request.method in _NEVER_PARKED:
            return False
        with self._world.lock:
            if self.is_loading:
                self._parked.append((connection, request))
            return self.is_loading
