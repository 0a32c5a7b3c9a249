"""A loaded map and what is derived from it once: identity, planner, lanes, stop lines, routes."""

from __future__ import annotations

import logging
from pathlib import Path

from fusiondrive.types import Pose, Route
from harness.criteria.lane import CarlaLaneQuery
from harness.session import Session
from harness.world import StopLines
from scenarios.generate import fresh_routes
from scenarios.route_files import describe_unserved, is_random_town, load_routes, map_identity
from scenarios.routes import RoutePlanner
from scenarios.spec import RouteSpec

logger = logging.getLogger(__name__)


class LoadedTown:
    """Derived data of the session's current map."""

    def __init__(self, name: str, session: Session) -> None:
        self.name = name
        self.map = session.map
        self.identity = map_identity(self.map)
        self.planner = RoutePlanner(self.map)
        self.lanes = CarlaLaneQuery(self.map)
        self.stop_lines = StopLines(session.world)
        self._routes: dict[tuple[str, tuple[Pose, ...]], Route] = {}
        self._fresh: tuple[RouteSpec, ...] | None = None
        self._of_files: dict[Path | None, tuple[RouteSpec, ...]] = {}

    def route_specs(self, file: Path | None) -> tuple[RouteSpec, ...]:
        """The routes of a file, or those that ship with the package for this map.

        None ship for random towns: theirs are made here, the same ones for the same map.

        Raises:
            MapError: none fit.
        """
        if file is None and is_random_town(self.name):
            if self._fresh is None:
                self._fresh = fresh_routes(self.map, self.name)
            return self._fresh
        if file not in self._of_files:
            found = self._of_files[file] = load_routes(self.name, self.identity, file)
            unserved = describe_unserved(found)
            if unserved:
                logger.warning("%s: not served: %s", file, unserved)
        return self._of_files[file]

    def route(self, spec: RouteSpec) -> Route:
        """The planned route of a spec; planned once. What is implausible of a file's is logged.

        Raises:
            MapError: the keypoints do not fit the map.
        """
        key = spec.route_id, spec.keypoints  # two files may have one id
        if key not in self._routes:
            route = self._routes[key] = self.planner.plan(spec.keypoints, spec.route_id)
            for note in route.notes if any(self._of_files) else ():
                logger.warning("route '%s': %s", spec.route_id, note)
        return self._routes[key]
