"""The server: owns the episode, lets time pass, answers calls, changes maps."""

from __future__ import annotations

import gc
import logging
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from simulator.actors.models import Sensor
from simulator.blueprints.library import make_library
from simulator.errors import ActorError
from simulator.handlers.dispatch import LOAD, Dispatcher
from simulator.handlers.late_answers import LateAnswers
from simulator.home import user_data
from simulator.maps import MapError
from simulator.net import wire
from simulator.net.listening import one_line
from simulator.net.rpc import Connection, RpcServer
from simulator.net.streaming import Session, StreamServer
from simulator.profile import Profile
from simulator.recorder.state import Tape
from simulator.sensors import measure as sensors
from simulator.sensors.drawing import ImageDrawer, Job
from simulator.sensors.moment import Moment
from simulator.startup.warm_up import warm_up
from simulator.world.episode import Episode, Ids, Settings
from simulator.world.map_layers import EVERYTHING, Outfit
from simulator.world.scene import Scene, SceneStore
from simulator.world.scene_rebuilder import Wardrobe

logger = logging.getLogger(__name__)

_FIRST_FRAME_WAIT_S = 0.5
_PARK_S = 0.2  # until every thread of the client is stuck in a parked call
_MANAGER_PARK_S = 0.6  # the same, where a Traffic Manager has not made a call to park
_RESUBSCRIBE_WAIT_S = 2.0
_BATCH_GAP_S = 0.003
_BATCH_WINDOW_S = 0.01
_SEEN_GAP_S = 0.01  # between a snapshot and the answers that wait for it: they come by two sockets
_LONGEST_WAIT_S = 1.0  # of an answer for its snapshot; clients give up after five
_MAP_CHANGED_FRAMES = 2
# These must go on while a map is changed; see `Server.load_episode`.
_NEVER_PARKED = ("version", "get_episode_info", "get_sensor_token", LOAD)


DEFAULT_RECORDINGS = user_data("recordings")


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    host: str = "127.0.0.1"
    port: int = 2000
    town: str = "Town02"
    seed: int = 0  # of scenery and sensor noise
    recordings: Path = DEFAULT_RECORDINGS  # folder of the recorder's files


@dataclass
class PendingMap:
    """A map that has been asked for and not switched to."""

    scene: Scene
    name: str  # as the client calls it: Town02_Opt is Town02
    reset_settings: bool


def bind_ports(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Reserve the RPC port and the one after it; port 0 takes any two free ones.

    Nobody can connect before `Server.start`, so a port that answers means a server that is ready.

    Raises:
        OSError: a port is in use, or the host is not one of this machine.
    """
    for _ in range(50):
        rpc = _bind(host, port, is_fixed=port > 0)
        try:
            return rpc, _bind(host, rpc.getsockname()[1] + 1, is_fixed=port > 0)
        except (OSError, OverflowError):
            rpc.close()
            if port:
                raise
    raise OSError("found no two free neighbouring ports")


def _bind(host: str, port: int, *, is_fixed: bool) -> socket.socket:
    sock = socket.socket()
    if is_fixed:
        # Connections of an earlier server may linger. Not for ports that the system chooses: two
        # servers that start at once would get the same.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as err:
        sock.close()
        raise OSError(err.errno, f"port {port}: {err.strerror}") from err
    return sock


class Server:
    """One simulated world and everybody who is connected to it."""

    def __init__(
        self, options: Options, store: SceneStore, socks: tuple[socket.socket, socket.socket]
    ) -> None:
        self.options = options
        self.port = options.port
        self.store = store
        self.library = make_library()
        self.settings = Settings()
        self.gravity = 9.81
        self.traffic_managers: dict[int, tuple[str, Connection]] = {}
        self.profile = Profile()
        self.tape = Tape()
        self.lock = threading.RLock()  # around the episode
        self.frame = 0
        self.time_s = 0.0
        self._tick_lock = threading.Lock()
        self._ids = Ids()
        self.episode = Episode(store.scene(options.town), self._ids)
        self.wardrobe = Wardrobe(store, self.lock, lambda: self.episode)
        self._map_changed = _MAP_CHANGED_FRAMES
        self._last_state: list[bytes] = []
        self._pending: PendingMap | None = None
        self.is_growing = False  # a town is being made, which wants the interpreter for itself
        self._is_loading = False
        self._parked: list[tuple[Connection, wire.Request]] = []
        self._expected: dict[int, float] = {}  # stream id -> when we stop to wait for it
        self._late = LateAnswers()
        self._has_new_settings = threading.Event()
        self._promised = 0  # a frame that a client waits for while time passes by itself
        self._last_batch = 0.0
        self._began = monotonic()
        self.streams = StreamServer(socks[1], self._on_subscribe, self._is_stream)
        self._images = ImageDrawer(self.streams, self.profile)
        self._dispatcher = Dispatcher(self)
        self._rpc = RpcServer(socks[0], self._dispatcher.handle, self._on_leave)

    def start(self) -> None:
        """Compile what has to be compiled, publish the first frame and begin to serve."""
        warm_up(self.episode.scene)
        self._compose_state(self.settings.delta_s)
        gc.collect()
        gc.freeze()
        self._images.start()
        self.wardrobe.start()
        threading.Thread(target=self._run_freely, name="clock", daemon=True).start()
        self.streams.start()
        self._rpc.start()

    def close(self) -> None:
        """Accept nobody any more."""
        self._rpc.close()
        self.streams.close()
        with self.lock:
            self.tape.eject()

    def tick(self) -> int:
        """Let one step pass and send it: the world state first, then the sensors.

        Images are drawn afterwards by a thread of their own, from a copy of the moment.

        Returns:
            The number of the frame.
        """
        with self._tick_lock:
            if self._is_loading:
                return self.frame
            with self.lock:
                must_deliver = self.settings.synchronous_mode
                job = self._step(must_deliver=must_deliver)
                frame, scene = self.frame, self.episode.scene
            self._images.add(scene, job, must_deliver=must_deliver)
        self.profile.count_tick()
        return frame

    def _step(self, *, must_deliver: bool) -> Job:
        delta = self.settings.delta_s
        with self.profile.stage("physics"):
            contacts = self.episode.step(self.settings)
            self.tape.note(delta, contacts)
        self.time_s += delta
        follows_batch = monotonic() - self._last_batch < _BATCH_WINDOW_S
        self._compose_state(delta)
        with self.profile.stage("send"):
            self.streams.send(wire.WORLD_STREAM, self._last_state, must_deliver=must_deliver)
        with self.profile.stage("sensors"):
            moment = Moment(self.frame, self.time_s, self.options.seed, self.gravity, delta)
            messages, job = sensors.measure(
                self.episode, moment, contacts, self.streams.has_subscriber,
                has_cameras=not self.settings.no_rendering_mode,
            )  # fmt: skip
            self.episode.debug_shapes.advance(delta)
        if messages and follows_batch:
            # The client may hold Python's lock until it has read the world state (PROTOCOL 13.5).
            sleep(_BATCH_GAP_S)
        with self.profile.stage("send"):
            for message in messages:
                self.streams.send(message.stream_id, message.buffers, must_deliver=must_deliver)
        return job

    def _compose_state(self, delta_s: float) -> None:
        """Write down the world state under a new frame number."""
        self.frame += 1
        with self.profile.stage("records"):
            header = wire.sensor_header(
                wire.SensorType.WORLD, self.frame, self.time_s, self.episode.spectator.pose
            )
            world = wire.world_header(
                self.episode.episode_id,
                monotonic() - self._began,
                delta_s,
                is_map_changed=self._map_changed > 0,
                are_lights_changed=self.episode.street_lights.take_change(),
            )
            self._map_changed -= 1
            self._last_state = [header, world, self.episode.records()]

    def _run_freely(self) -> None:
        """Outside of synchronous mode, tick in real time."""
        due = monotonic()
        while True:
            if self.settings.synchronous_mode or self._is_loading:
                sleep(0.01)
                due = monotonic()
                continue
            try:
                self.tick()
            except Exception:
                logger.exception("step failed")
            self._late.send(self.frame, _SEEN_GAP_S)
            due = max(due + self.settings.delta_s, monotonic() - 0.5)
            if self._has_new_settings.wait(max(due - monotonic(), 0.001)):
                self._has_new_settings.clear()  # nobody waits for the end of a step of before
                due = monotonic()

    def tick_cue(self, connection: Connection) -> int:
        """A client's order to tick; only in synchronous mode does it do so."""
        self._await_expected()
        if self.settings.synchronous_mode:
            self.wardrobe.settled(connection)
            return self.tick()
        self._promised = self.frame + 1
        return self._promised

    def answer_when_seen(self, connection: Connection, message: bytes) -> None:
        """Answer a call that has spawned an actor.

        A client finds it at (0, 0, 0) before a snapshot holds it. Where time passes by itself the
        client may ask at once, so its answer waits for that snapshot.
        """
        if not self.settings.synchronous_mode:  # else a tick may hold the lock until images are out
            with self._tick_lock:
                is_free = not (self.settings.synchronous_mode or self._is_loading)
                if is_free and self.settings.delta_s <= _LONGEST_WAIT_S:
                    self._late.add(self.frame + 1, connection, message)
                    return
        connection.answer(message)

    def expect(self, stream_id: int) -> None:
        """A client is about to subscribe; `listen()` returns to its caller before it has."""
        is_sensor = stream_id != wire.WORLD_STREAM and self._is_stream(stream_id)
        if is_sensor and not self.streams.has_subscriber(stream_id):
            self._expected[stream_id] = monotonic() + _FIRST_FRAME_WAIT_S

    def _is_stream(self, stream_id: int) -> bool:
        if stream_id == wire.WORLD_STREAM:
            return True
        with self.lock:
            return any(s.stream_id == stream_id for s in self.episode.actors.of(Sensor))

    def _await_expected(self) -> None:
        while self._expected:
            now = monotonic()
            for stream_id, until in list(self._expected.items()):
                if now > until or self.streams.has_subscriber(stream_id):
                    self._expected.pop(stream_id, None)
            if self._expected:
                sleep(0.0003)

    def _on_subscribe(self, session: Session) -> None:
        if session.stream_id != wire.WORLD_STREAM:
            return
        self._switch()
        with self.lock:
            session.push(self._last_state, must_deliver=True)

    def _on_leave(self, connection: Connection) -> None:
        """Forget the Traffic Managers of a client that has gone."""
        for port, (_, owner) in list(self.traffic_managers.items()):
            if owner is connection:
                self.traffic_managers.pop(port, None)

    def load_episode(self, connection: Connection, request: wire.Request) -> None:
        """Change the map without hurting the client, which crashes on a state it does not expect.

        While the client replaces its episode, its other threads are held in parked calls, it gets
        the old episode id until it has subscribed again, and only then the new world appears.
        """
        try:
            name, reset_settings = str(request.args[0]), bool(request.args[1])
            layers = int(request.args[2]) if len(request.args) > 2 else EVERYTHING.layers
            scene = self._scene(name, Outfit(layers & EVERYTHING.layers))
        except Exception as err:
            # Whatever it is, the client waits for an answer.
            text = str(err) if isinstance(err, ActorError) else f"{LOAD}: {one_line(repr(err))}"
            logger.warning("no map for %s: %s", connection.peer, one_line(text))
            connection.answer(
                wire.response(request.message_id, wire.wrap_error(wire.Form.VOID, text))
            )
            return
        with self._tick_lock, self.lock:
            self._is_loading = True
            self._late.send()
            shown = name.rstrip("/").rsplit("/", 1)[-1] or self.episode.map_name
            pending = self._pending = PendingMap(scene, shown, reset_settings)
        self._await_parked(connection)
        connection.answer(wire.response(request.message_id, wire.wrap(wire.Form.VOID, None)))
        sleep(_RESUBSCRIBE_WAIT_S)
        if self._pending is pending:  # the client has gone, or does not look at the world
            self._switch()

    def _scene(self, name: str, outfit: Outfit) -> Scene:
        short = name.rstrip("/").rsplit("/", 1)[-1] or self.episode.scene.town.name
        self.is_growing = True
        try:
            return self.store.scene(short, outfit)
        except MapError as err:
            if "unknown town" in str(err):
                raise ActorError(f"Map '{name}' not found ({err})") from err
            raise ActorError(str(err)) from err
        finally:
            self.is_growing = False

    def _switch(self) -> None:
        """Begin the episode that is pending, if any, and answer the parked calls."""
        with self._tick_lock, self.lock:
            if self._pending is None:
                return
            self._images.finish()
            self.tape.eject()
            pending, self._pending = self._pending, None
            self.episode = Episode(pending.scene, self._ids, self.episode)
            self.episode.map_name = pending.name
            if pending.reset_settings:
                self.settings = Settings()
            self._expected.clear()
            self._map_changed = _MAP_CHANGED_FRAMES
            # Only who has just subscribed gets this state; the others see the next one.
            self._compose_state(self.settings.delta_s)
            self._is_loading = False
            parked, self._parked = self._parked, []
            logger.info("episode %d: %s", self.episode.episode_id, pending.scene.town.name)
        # A client that does not read its answers must not keep the others waiting.
        for connection in dict.fromkeys(connection for connection, _ in parked):
            own = [request for asker, request in parked if asker is connection]
            args = (connection, own)
            threading.Thread(target=self._answer_parked, args=args, daemon=True).start()

    def _await_parked(self, connection: Connection) -> None:
        """Give the client's threads time to run into a parked call."""
        sleep(_PARK_S)
        until = monotonic() + _MANAGER_PARK_S - _PARK_S
        owners = [owner for _, owner in list(self.traffic_managers.values())]
        while connection in owners and monotonic() < until:
            if any(parked is connection for parked, _ in list(self._parked)):
                break
            sleep(0.01)

    def _answer_parked(self, connection: Connection, requests: list[wire.Request]) -> None:
        for request in requests:
            self._dispatcher.answer(connection, request)

    def park(self, connection: Connection, request: wire.Request) -> bool:
        """Keep a call for later while a map is changed; tells whether that is so."""
        if not self._is_loading or request.method in _NEVER_PARKED:
            return False
        with self.lock:
            if self._is_loading:
                self._parked.append((connection, request))
            return self._is_loading

    def note_batch(self) -> None:
        """Remember that a client is perhaps waiting with Python's lock in its hands."""
        self._last_batch = monotonic()

    def change_settings(self, settings: Settings) -> int:
        """Use other settings from the next step on; returns the last published frame."""
        with self._tick_lock:
            self.settings = settings
            promised, frame = self._promised, self.frame
            self._late.send()
            self._has_new_settings.set()
        # Who asked for a tick while time passed by itself would wait for it for ever.
        return self.tick() if settings.synchronous_mode and promised > frame else frame
