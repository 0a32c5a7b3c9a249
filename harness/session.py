"""A client in synchronous mode: the only place where simulated time advances."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

import carla

from fusiondrive.errors import MapError, SimulatorError
from fusiondrive.home import client_files
from fusiondrive.types import Closing
from harness.config import Timeouts
from harness.probe import Engine, check_version, engine_of, look_of
from harness.watchdog import SLACK_S, Watched, watch
from scenarios import traffic_manager
from scenarios.route_files import is_random_town
from scenarios.route_xml import town_name

T = TypeVar("T")
logger = logging.getLogger(__name__)

DELTA_S = 0.1  # one tick, one control step
SUBSTEP_S = 0.01  # CARLA's documentation: at most 0.01 s for stable vehicle physics
# One streaming thread per sensor and two to spare: with fewer, callbacks that wait for Python can
# keep the world state from being read.
WORKER_THREADS = 8
BROKEN_S = 1.0  # for every call after one has failed
ANSWER_S = 5.0  # at most, of a server that is asked whether it hangs


@dataclass(frozen=True)
class Address:
    """Where a server listens."""

    host: str
    port: int


class Session(Closing):
    """Owns the client's connection, the loaded map and the clock."""

    def __init__(
        self, address: Address, timeouts: Timeouts | None = None, *, delta_s: float = DELTA_S
    ) -> None:
        """Connect.

        Args:
            address: of the server.
            timeouts: how long to wait.
            delta_s: simulated time of a tick.

        Raises:
            ConfigError: another CARLA version, or no CARLA server.
            SimulatorError: nobody answers.
        """
        self.address = address
        self.timeouts = timeouts or Timeouts()
        self.delta_s = delta_s
        wait_s = self.timeouts.connect_s
        self.version = check_version(address.host, address.port, wait_s)
        self.engine: Engine = engine_of(address.host, address.port, wait_s)
        self.look: int | None = look_of(address.host, address.port, wait_s)
        self.client = carla.Client(address.host, address.port, WORKER_THREADS)
        self._set_timeout(wait_s)
        files = client_files()
        if files is not None:
            self.client.set_files_base_folder(str(files))
        self.world: carla.World = self._call("connect", self.client.get_world)
        self._settings: carla.WorldSettings | None = None
        self._map: carla.Map | None = None
        self._is_fresh = True
        self._manager_ports: set[int] = set()
        self._is_void = False  # a manager missed a tick: it is one step off from then on
        # An interpreter that ends below a manager's thread aborts or hangs.
        atexit.register(self.close)

    def owns_manager(self, port: int) -> None:
        """A Traffic Manager is about to be made; it ends with the town or the session."""
        if self._is_void:
            self._end_managers()
        if traffic_manager.live_ports() - {port}:
            logger.warning("two environments with traffic in one process: CARLA's client steps the "
                           "cars of both with every tick, so that they do not repeat; use a "
                           "process for each")  # fmt: skip
        self._manager_ports.add(port)

    @property
    def map(self) -> carla.Map:
        """The loaded map; fetched once per load."""
        if self._map is None:
            self._map = self._call("fetch the map", self.world.get_map)
        return self._map

    def load(self, town: str) -> None:
        """Load a town unless it is loaded already, then take over the clock.

        Raises:
            MapError: the server does not have the town; lists those it has.
            SimulatorError: the server failed or did not answer in time.
        """
        if town_name(self.map.name) != town_name(town):
            self.check_has(town)
            self._end_managers()
            self._restore()
            self._set_timeout(self.timeouts.load_s)
            self.world = self._call(f"load {town}", lambda: self.client.load_world(town))
            self._map = None
        self._set_timeout(self.timeouts.first_tick_s)
        self._take_clock()
        self._set_timeout(self._usual_s)

    def expect_slow_tick(self) -> None:
        """Allow the next tick to take long: new sensors may have to be compiled for."""
        self._is_fresh = True

    def tick(self) -> int:
        """Advance by one step and return its frame number.

        Raises:
            SimulatorError: no answer in time.
        """
        wait_s = self.timeouts.first_tick_s if self._is_fresh else self.timeouts.tick_s
        # When a map was loaded or night fell, the client asks for the street lamps from a thread of
        # its own. The answer comes behind the tick, and the process aborts where it is late.
        if self._is_fresh:
            self._set_timeout(max(wait_s, self._usual_s))
        before = self.world.get_snapshot().frame
        traffic_manager.await_rest()
        frame = int(
            self._call(
                "tick",
                lambda: self.world.tick(wait_s),
                wait_s,
                lambda: bool(self.world.get_snapshot().frame > before),
            )
        )
        if self._is_fresh:
            self._set_timeout(self._usual_s)
        self._is_fresh = False
        return frame

    def snapshot(self, frame: int) -> carla.WorldSnapshot:
        """The state of exactly this frame.

        Raises:
            SimulatorError: the client has another one.
        """
        snapshot = self.world.get_snapshot()
        if snapshot.frame != frame:
            raise SimulatorError(f"expected the state of frame {frame}, found {snapshot.frame}")
        return snapshot

    def check_answers(self) -> None:
        """Ask for a sign of life before calls of which each would wait for a server that hangs.

        Raises:
            SimulatorError: none came; what is left to do does not wait for long.
        """
        wait_s = min(ANSWER_S, self.timeouts.connect_s)
        try:
            check_version(self.address.host, self.address.port, wait_s)
        except SimulatorError:
            self.hurry()
            raise

    def hurry(self) -> None:
        """After a failure: what is left is to clean up, and must not wait for a dead server."""
        self._set_timeout(BROKEN_S)

    def close(self) -> None:
        """End the Traffic Managers, give the clock back; a dead server is no obstacle."""
        atexit.unregister(self.close)
        try:
            self._end_managers()
            self._restore()
        except SimulatorError as err:
            logger.debug("settings were not restored: %s", err)

    def check_has(self, town: str) -> None:
        """Check that the server has a town or makes it, without loading it.

        Raises:
            MapError: it does not.
        """
        maps = self._call("list maps", self.client.get_available_maps)
        known = sorted({town_name(name) for name in maps})
        if town_name(town) not in known and not is_random_town(town):
            raise MapError(f"unknown town '{town}'; the server has: {', '.join(known)}")

    def watched(self, what: str, limit_s: float) -> AbstractContextManager[Watched]:
        """A block of client calls that ends the process with one line if it never returns."""
        return watch(Watched(what, self.address.host, self.address.port, limit_s))

    @property
    def _usual_s(self) -> float:
        return max(self.timeouts.tick_s, self.timeouts.connect_s)

    def _set_timeout(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self.client.set_timeout(limit_s)

    def _end_managers(self) -> None:
        """End this session's managers; the thread of one whose server has gone must not wake."""
        self._is_void = False
        ports, self._manager_ports = self._manager_ports, set()
        try:
            if ports:
                check_version(self.address.host, self.address.port, self.timeouts.connect_s)
        except SimulatorError:
            for port in ports:
                traffic_manager.abandon(port)
            raise
        for port in ports:
            with self.watched(f"end the Traffic Manager {port}", SLACK_S):
                traffic_manager.end(self.client, port)

    def _take_clock(self) -> None:
        """Go into synchronous mode; a change of settings ticks, so managers come after it."""
        if self._settings is not None:
            return
        original = self._call("read the settings", self.world.get_settings)
        settings = self.world.get_settings()
        settings.synchronous_mode = True
        settings.fixed_delta_seconds = self.delta_s
        settings.substepping = True
        settings.max_substep_delta_time = SUBSTEP_S
        settings.max_substeps = round(self.delta_s / SUBSTEP_S)
        settings.deterministic_ragdolls = True
        self._apply("apply the settings", settings)
        self._settings = original
        self._is_fresh = True

    def _restore(self) -> None:
        original, self._settings = self._settings, None
        if original is not None:
            self._apply("restore the settings", original)

    def _apply(self, what: str, settings: carla.WorldSettings) -> None:
        """Change settings; managers of other sessions are stepped by it."""
        traffic_manager.await_rest()
        self._call(what, lambda: self.world.apply_settings(settings), is_answered=lambda: True)

    def _call(
        self,
        what: str,
        action: Callable[[], T],
        wait_s: float | None = None,
        is_answered: Callable[[], bool] | None = None,
    ) -> T:
        """Run a client call; its RuntimeError becomes a SimulatorError that says what failed."""
        limit = "" if wait_s is None else f" (waited up to {wait_s:.0f} s)"
        # The client waits for the answer, and then for the state that belongs to it.
        limit_s = 2.0 * (wait_s or self._limit_s) + SLACK_S
        host, port = self.address.host, self.address.port
        try:
            with watch(Watched(what, host, port, limit_s, is_answered)):
                return action()
        except SimulatorError:
            self._is_void = True
            raise
        except RuntimeError as err:
            self.hurry()
            where = f"{self.address.host}:{self.address.port}"
            raise SimulatorError(f"could not {what} at {where}{limit}: {err}") from err
