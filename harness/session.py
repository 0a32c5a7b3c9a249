"""A client in synchronous mode: the only place where simulated time advances."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import carla

from harness.config import Timeouts
from harness.errors import MapError, SimulatorError
from harness.probe import Engine, check_version, engine_of, look_of
from harness.types import Closing
from scenarios.route_files import is_random_town, town_name
from scenarios.traffic import end_manager

T = TypeVar("T")
logger = logging.getLogger(__name__)

DELTA_S = 0.1  # one tick, one control step
SUBSTEP_S = 0.01  # CARLA's documentation: at most 0.01 s for stable vehicle physics
# One streaming thread per sensor and two to spare: with fewer, callbacks that wait for Python can
# keep the world state from being read.
WORKER_THREADS = 8
# Traffic Managers of this process that have not ended. The client keeps them in a table of the
# process, too, and steps all of them with every tick of any world.
_live_managers: set[int] = set()
BROKEN_S = 1.0  # for every call after one has failed


@dataclass(frozen=True)
class Address:
    """Where a server listens."""

    host: str
    port: int


class Session(Closing):
    """Owns the client's connection, the loaded map and the clock."""

    def __init__(self, address: Address, timeouts: Timeouts | None = None) -> None:
        """Connect.

        Raises:
            ConfigError: another CARLA version, or no CARLA server.
            SimulatorError: nobody answers.
        """
        self.address = address
        self.timeouts = timeouts or Timeouts()
        wait_s = self.timeouts.connect_s
        self.version = check_version(address.host, address.port, wait_s)
        self.engine: Engine = engine_of(address.host, address.port, wait_s)
        self.look: int | None = look_of(address.host, address.port, wait_s)
        self.client = carla.Client(address.host, address.port, WORKER_THREADS)
        self.client.set_timeout(wait_s)
        self.world: carla.World = self._call("connect", self.client.get_world)
        self._settings: carla.WorldSettings | None = None
        self._map: carla.Map | None = None
        self._is_fresh = True
        self._manager_ports: set[int] = set()

    def owns_manager(self, port: int) -> None:
        """A Traffic Manager is about to be made; it ends with the session."""
        if _live_managers - {port}:
            logger.warning("two environments with traffic in one process: CARLA's client steps the "
                           "cars of both with every tick, so that they do not repeat; use a "
                           "process for each")  # fmt: skip
        self._manager_ports.add(port)
        _live_managers.add(port)

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
            self._restore()
            self.client.set_timeout(self.timeouts.load_s)
            self.world = self._call(f"load {town}", lambda: self.client.load_world(town))
            self._map = None
        self.client.set_timeout(self.timeouts.first_tick_s)
        self._take_clock()
        self.client.set_timeout(max(self.timeouts.tick_s, self.timeouts.connect_s))

    def expect_slow_tick(self) -> None:
        """Allow the next tick to take long: new sensors may have to be compiled for."""
        self._is_fresh = True

    def tick(self) -> int:
        """Advance by one step and return its frame number.

        Raises:
            SimulatorError: no answer in time.
        """
        wait_s = self.timeouts.first_tick_s if self._is_fresh else self.timeouts.tick_s
        frame = int(self._call("tick", lambda: self.world.tick(wait_s), wait_s))
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

    def close(self) -> None:
        """End the Traffic Managers, give the clock back; a dead server is no obstacle."""
        while self._manager_ports:
            port = self._manager_ports.pop()
            end_manager(self.client, port)
            _live_managers.discard(port)
        try:
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

    def _take_clock(self) -> None:
        if self._settings is not None:
            return
        original = self._call("read the settings", self.world.get_settings)
        settings = self.world.get_settings()
        settings.synchronous_mode = True
        settings.fixed_delta_seconds = DELTA_S
        settings.substepping = True
        settings.max_substep_delta_time = SUBSTEP_S
        settings.max_substeps = round(DELTA_S / SUBSTEP_S)
        settings.deterministic_ragdolls = True
        self._call("apply the settings", lambda: self.world.apply_settings(settings))
        self._settings = original
        self._is_fresh = True

    def _restore(self) -> None:
        original, self._settings = self._settings, None
        if original is not None:
            self._call("restore the settings", lambda: self.world.apply_settings(original))

    def _call(self, what: str, action: Callable[[], T], wait_s: float | None = None) -> T:
        """Run a client call; its RuntimeError becomes a SimulatorError that says what failed."""
        limit = "" if wait_s is None else f" (waited up to {wait_s:.0f} s)"
        try:
            return action()
        except RuntimeError as err:
            # What is left to do is to clean up, and that must not wait for a dead server.
            self.client.set_timeout(BROKEN_S)
            where = f"{self.address.host}:{self.address.port}"
            raise SimulatorError(f"could not {what} at {where}{limit}: {err}") from err
