"""The server: lets time pass in its world, sends what there is to see and answers calls."""

from __future__ import annotations

import gc
import logging
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from simulator.handlers.dispatch import Dispatcher
from simulator.net import wire
from simulator.net.listening import is_loopback
from simulator.net.rpc import Connection, RpcServer
from simulator.net.streaming import StreamServer, Subscriber
from simulator.recorder.state import RecorderState
from simulator.sensors.drawing import DrawOrder, ImageDrawer
from simulator.sensors.measure import measure
from simulator.sensors.moment import Moment
from simulator.server.late_answers import LateAnswers
from simulator.server.map_changes import LOAD, MapChanges, PendingMap
from simulator.startup.warm_up import warm_up
from simulator.system.home import user_data
from simulator.system.profile import Profile
from simulator.world.scene import SceneStore
from simulator.world.settings import Settings
from simulator.world.world import World

logger = logging.getLogger(__name__)

_FIRST_FRAME_WAIT_S = 5.0  # on busy cores a client takes a second and more to connect
_BATCH_GAP_S = 0.003
_BATCH_WINDOW_S = 0.01
_SEEN_GAP_S = 0.01  # between a snapshot and the answers that wait for it: they come by two sockets
_LONGEST_WAIT_S = 1.0  # of an answer for its snapshot; clients give up after five
_LONGEST_END_S = 3.0
_PACE_S = 0.005
_ASKED_WITHIN_S = 1.0  # a client that is told of changed lamps asks for them, on busy cores

DEFAULT_RECORDINGS = user_data("recordings")


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    host: str = "127.0.0.1"
    port: int = 2000
    town: str = "Town02"
    seed: int = 0  # of scenery and sensor noise
    recordings: Path = DEFAULT_RECORDINGS  # folder of the recorder's files


class Server:
    """One simulated world and everybody who is connected to it."""

    def __init__(
        self, options: Options, store: SceneStore, socks: tuple[socket.socket, socket.socket]
    ) -> None:
        self.port = options.port
        self.profile = Profile()
        self._seed = options.seed
        self._world = World(store, options.town)
        takes_any_path = is_loopback(options.host)
        self._recorder = RecorderState(options.recordings, takes_any_path)
        self._tick_lock = threading.Lock()  # always taken before the world's lock
        self._expected: dict[int, float] = {}  # stream id -> when we stop to wait for it
        self._late = LateAnswers()
        self._has_new_settings = threading.Event()
        self._is_closing = False
        self._promised = 0  # a frame that a client waits for while time passes by itself
        self._last_batch = 0.0
        self._streams = StreamServer(socks[1], self._on_subscribe, self._world.has_stream)
        self._images = ImageDrawer(self._streams, self.profile)
        self._dispatcher = Dispatcher(self._world, self._recorder, self)
        self._maps = MapChanges(
            self._world, self._tick_lock, self._late, self._begin, self._dispatcher.answer
        )
        self._rpc = RpcServer(socks[0], self._handle, self._world.forget_client)

    def start(self) -> None:
        """Compile what has to be compiled, publish the first frame and begin to serve."""
        warm_up(self._world.episode.scene)
        self._compose_state()
        gc.collect()
        gc.freeze()
        self._images.start()
        self._world.scene_rebuilder.start()
        threading.Thread(target=self._run_freely, name="clock", daemon=True).start()
        self._streams.start()
        self._rpc.start()

    def close(self) -> None:
        """Accept nobody any more, and answer what is asked already.

        A client asks for the street lamps in a thread of its own when it is told that they have
        changed, and its process aborts where no answer comes (LibCarla 0.9.16, `LightManager`).
        """
        self._is_closing = True
        self._rpc.close()
        self._streams.close()
        until = monotonic() + _LONGEST_END_S
        while monotonic() < min(self._world.lamps_told_s + _ASKED_WITHIN_S, until):
            sleep(_PACE_S)
        with self._world.lock:
            self._recorder.end()

    def _handle(self, connection: Connection, request: wire.Request) -> None:
        """Answer now, or later if the call takes long or must wait for a map change."""
        if request.method == LOAD:
            args = (connection, request)
            threading.Thread(target=self._maps.load, args=args, daemon=True).start()
            return
        if self._maps.is_growing:
            # A Traffic Manager that polls without a pause would slow the growth down.
            sleep(_PACE_S)
        if not self._maps.park(connection, request):
            self._dispatcher.answer(connection, request)

    def _tick(self) -> int:
        """Let one step pass and send it: the world state first, then the sensors.

        Images are drawn afterwards by a thread of their own, from a copy of the moment.

        Returns:
            The number of the frame.
        """
        world = self._world
        with self._tick_lock:
            if self._maps.is_loading:
                return world.frame
            with world.lock:
                must_deliver = world.settings.synchronous_mode
                order = self._step(must_deliver=must_deliver)
                frame, scene = world.frame, world.episode.scene
            self._images.add(scene, order, must_deliver=must_deliver)
        self.profile.count_tick()
        return frame

    def _step(self, *, must_deliver: bool) -> DrawOrder:
        world = self._world
        delta = world.settings.delta_s
        with self.profile.stage("physics"):
            contacts = world.step()
            self._recorder.note(delta, contacts)
        follows_batch = monotonic() - self._last_batch < _BATCH_WINDOW_S
        self._compose_state()
        with self.profile.stage("send"):
            self._streams.send(wire.WORLD_STREAM, world.state, must_deliver=must_deliver)
        with self.profile.stage("sensors"):
            moment = Moment(world.frame, world.time_s, self._seed, world.gravity, delta)
            messages, order = measure(
                world.episode, moment, contacts, self._streams.has_subscriber,
                has_cameras=not world.settings.no_rendering_mode,
            )  # fmt: skip
            world.episode.debug_shapes.advance(delta)
        if messages and follows_batch:
            # The client may hold Python's lock until it has read the world state:
            # `PythonAPI/carla/source/libcarla/Client.cpp`, ApplyBatchCommandsSync, 0.9.16.
            sleep(_BATCH_GAP_S)
        with self.profile.stage("send"):
            for message in messages:
                self._streams.send(message.stream_id, message.buffers, must_deliver=must_deliver)
        return order

    def _compose_state(self) -> None:
        with self.profile.stage("records"):
            self._world.compose_state()

    def _run_freely(self) -> None:
        """Outside of synchronous mode, tick in real time."""
        world = self._world
        due = monotonic()
        while not self._is_closing:
            if world.settings.synchronous_mode or self._maps.is_loading:
                sleep(0.01)
                due = monotonic()
                continue
            try:
                self._tick()
            except Exception:
                logger.exception("step failed")
            self._late.send(world.frame, _SEEN_GAP_S)
            due = max(due + world.settings.delta_s, monotonic() - 0.5)
            if self._has_new_settings.wait(max(due - monotonic(), 0.001)):
                self._has_new_settings.clear()  # nobody waits for the end of a step of before
                due = monotonic()

    def tick_cue(self, connection: Connection) -> int:
        """Take a client's order to tick; only in synchronous mode does it let time pass."""
        self._await_expected()
        if self._world.settings.synchronous_mode:
            self._world.scene_rebuilder.settled(connection)
            return self._tick()
        self._promised = self._world.frame + 1
        return self._promised

    def answer_when_seen(self, connection: Connection, message: bytes) -> None:
        """Answer a call that has spawned an actor.

        A client finds an actor in the newest snapshot only, at (0, 0, 0) before there is one with
        it. Where time passes by itself it may ask at once, so its answer waits for that snapshot;
        in synchronous mode the client itself says when there is one.
        """
        world = self._world
        # In synchronous mode a tick may hold the lock until its images are out.
        if not world.settings.synchronous_mode:
            with self._tick_lock:
                is_free = not (world.settings.synchronous_mode or self._maps.is_loading)
                if is_free and world.settings.delta_s <= _LONGEST_WAIT_S:
                    self._late.add(world.frame + 1, connection, message)
                    return
        connection.answer(message)

    def token(self, stream_id: int) -> bytes:
        """The token with which clients find a stream."""
        return self._streams.token(stream_id)

    def expect(self, number: int) -> bytes:
        """Wait with the next tick for a subscriber: `listen()` returns before it has subscribed."""
        stream_id = self._streams.stream_of(number)
        is_sensor = stream_id != wire.WORLD_STREAM and self._world.has_stream(stream_id)
        if is_sensor and not self._streams.has_subscriber(stream_id):
            self._expected[stream_id] = monotonic() + _FIRST_FRAME_WAIT_S
        return self.token(stream_id)

    def _await_expected(self) -> None:
        while self._expected:
            now = monotonic()
            for stream_id, until in list(self._expected.items()):
                is_met = self._streams.has_subscriber(stream_id)
                if is_met or now > until or not self._world.has_stream(stream_id):
                    self._expected.pop(stream_id, None)
            if self._expected:
                sleep(0.0003)

    def _on_subscribe(self, subscriber: Subscriber) -> None:
        self._expected.pop(subscriber.stream_id, None)
        if subscriber.stream_id != wire.WORLD_STREAM:
            return
        self._maps.switch()
        with self._world.lock:
            subscriber.push(self._world.state, must_deliver=True)

    def _begin(self, pending: PendingMap) -> None:
        """Begin the episode of another map; no step of time is under way."""
        self._images.finish()
        self._recorder.end()
        self._world.begin_episode(
            pending.scene, pending.name, reset_settings=pending.reset_settings
        )
        self._expected.clear()
        # Only who has just subscribed gets this state; the others see the next one.
        self._compose_state()

    def note_batch(self) -> None:
        """Remember that a client is perhaps waiting with Python's lock in its hands."""
        self._last_batch = monotonic()

    def change_settings(self, settings: Settings) -> int:
        """Use other settings from the next step on; returns the last published frame."""
        world = self._world
        with self._tick_lock:
            world.settings = settings
            promised, frame = self._promised, world.frame
            self._late.send()
            self._has_new_settings.set()
        # Who asked for a tick while time passed by itself would wait for it for ever.
        return self._tick() if settings.synchronous_mode and promised > frame else frame
