"""The runner's side of a slot on a Ray cluster: an actor that is called up, asked and replaced."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from fusiondrive.errors import ConfigError, SimulatorError
from fusiondrive.files import whole_file
from fusiondrive.provenance import UNKNOWN, package_version, source_commit
from harness.config import RunConfig, anchored
from harness.engines.remote_slot import NodeFacts, RemoteSlot, Report
from harness.messages import Driven
from harness.place import Assignment, Place

logger = logging.getLogger(__name__)

PATIENCE_S = 2.0  # an actor that is asked answers after this at the latest
CLOSE_S = 30.0  # until all servers are down in order
MAX_FALSE_STARTS = 3  # of actors in one place, one after the other


@dataclass(frozen=True)
class Origin:
    """What actors are made of, and what their nodes have to be like."""

    configs: tuple[RunConfig, ...]  # with whole paths
    directory: Path  # of the run, on this machine
    working_folder: str
    package_version: str
    commit: str

    @classmethod
    def of(cls, configs: Sequence[RunConfig]) -> Origin:
        """That of a run that begins here and now."""
        return cls(
            configs=tuple(map(anchored, configs)),
            directory=configs[0].directory,
            working_folder=os.getcwd(),
            package_version=package_version(),
            commit=source_commit(),
        )

    def check(self, node: NodeFacts) -> None:
        """Refuse a node on which other rows would come out.

        Raises:
            ConfigError: names the node, what is there and what is here.
        """
        ours, theirs = self.package_version, node.package_version
        if ours != theirs:
            raise ConfigError(
                f"node {node.name} has fusiondrive {theirs}, and this machine {ours}: install the "
                "same on all nodes"
            )
        if UNKNOWN not in (self.commit, node.commit) and self.commit != node.commit:
            raise ConfigError(
                f"node {node.name} has the source of commit {node.commit}, and this machine that "
                f"of {self.commit}: bring all nodes to the same commit"
            )
        if node.lacking:
            raise ConfigError(
                f"node {node.name} has no {node.lacking[0]}: put it there under the same path, or "
                "on a file system that all nodes share"
            )


class RayPlace:
    """A place whose server and worker are on a node of the cluster."""

    def __init__(self, origin: Origin, number: int) -> None:
        self.number = number
        self.assignment: Assignment | None = None
        self.is_ready = False
        self.so_far: Driven | None = None
        self._origin = origin
        self._actor: Any = None
        self._node: NodeFacts | None = None
        self._asked: Any = None  # reference to the answer that is awaited
        self._starts = 0
        self._false_starts = 0
        self._last: Report | None = None

    def prepare(self) -> bool:
        """Whether its actor is there and free; calls one up where there is none.

        Raises:
            ConfigError: the node is not like this machine.
            SimulatorError: actors die before they say a word.
        """
        if self.assignment is not None:
            return False
        if self._actor is None:
            self._call_up()
        if self._node is None and ray.wait([self._asked], timeout=0)[0]:
            self._greet()
        return self._node is not None

    @property
    def waited_s(self) -> float:
        """Wall-clock seconds since the driving process was last heard."""
        return 0.0 if self._last is None else self._last.waited_s

    @property
    def awaited(self) -> list[Any]:
        """References that `ray.wait` should watch."""
        return [] if self._asked is None else [self._asked]

    def give(self, assignment: Assignment) -> None:
        """Hand an assignment over; the answer comes from `poll`."""
        self.assignment, self.so_far, self._last = assignment, None, None
        self._actor.give.remote(assignment)
        self._ask()

    def poll(self) -> object | None:
        """The answer to the assignment, or why none will come; None while it is driven."""
        if not ray.wait([self._asked], timeout=0)[0]:
            return None
        try:
            report: Report = ray.get(self._asked)
        except RayError as err:
            where = "" if self._node is None else f" on node {self._node.name}"
            self._drop()
            return SimulatorError(f"the Ray worker{where} died: {_first_line(err)}")
        self._last, self.is_ready, self.so_far = report, report.is_ready, report.so_far
        if report.answer is None:
            self._ask()
            return None
        self._asked = None
        self._keep(report)
        return report.answer

    def server_rss_mb(self) -> float | None:
        """Resident memory of the server."""
        return None if self._last is None else self._last.server_rss_mb

    def shut_down(self) -> None:
        """End server and driving process on the node; the actor stays."""
        self.is_ready = False
        if self._actor is not None:
            self._actor.shut_down.remote()

    def replace_worker(self) -> None:
        """Give the next assignment a fresh process."""
        self.is_ready = False
        if self._actor is not None:
            self._actor.replace_worker.remote()

    def farewell(self) -> Any:
        """Let server and worker end in order; a reference that is there when they have."""
        return None if self._node is None else self._actor.close.remote()

    def kill(self) -> None:
        """End the actor, whatever it does; may be called twice."""
        if self._actor is not None:
            ray.kill(self._actor)
            self._drop()

    def _call_up(self) -> None:
        self._starts += 1
        origin = self._origin
        kind = ray.remote(RemoteSlot).options(
            num_cpus=origin.configs[0].ray_cpus, scheduling_strategy="SPREAD", max_restarts=0
        )
        label = f"ray-{self.number}-{self._starts}"
        self._actor = kind.remote(origin.configs, self.number, label, origin.working_folder)
        self._asked = self._actor.facts.remote()

    def _greet(self) -> None:
        try:
            node: NodeFacts = ray.get(self._asked)
        except RayError as err:
            self._drop()
            self._false_starts += 1
            text = f"a Ray worker did not start: {_last_line(err)}"
            if self._false_starts >= MAX_FALSE_STARTS:
                raise SimulatorError(text) from err
            logger.warning("%s", text)
            return
        self._origin.check(node)
        self._node, self._asked, self._false_starts = node, None, 0
        logger.info("place %d is on node %s", self.number, node.name)

    def _ask(self) -> None:
        self._asked = self._actor.poll.remote(PATIENCE_S)

    def _drop(self) -> None:
        self._actor = self._node = self._asked = None

    def _keep(self, report: Report) -> None:
        """Write the records of a drive, and the logs of its processes, into the run's folder."""
        for name, data in report.files.items():
            with whole_file(self._origin.directory / name) as draft:
                draft.write_bytes(data)


class RayPlaces:
    """All places of a run on a Ray cluster."""

    def __init__(self, configs: Sequence[RunConfig]) -> None:
        origin = Origin.of(configs)
        self._places = tuple(RayPlace(origin, number) for number in range(configs[0].width))

    @property
    def all(self) -> Sequence[RayPlace]:
        """The places, in the order of their numbers."""
        return self._places

    def wait(self, places: Sequence[Place], timeout_s: float) -> None:
        """Sleep until an actor has said something, or, where none drives, has started."""
        numbers = {place.number for place in places}
        heard = [place for place in self._places if place.number in numbers] or self._places
        asked = [reference for place in heard for reference in place.awaited]
        if asked:
            ray.wait(asked, timeout=timeout_s)

    def close(self) -> None:
        """End all servers in order, then the actors; may be called twice."""
        said = [reference for place in self._places if (reference := place.farewell()) is not None]
        if said:
            ray.wait(said, num_returns=len(said), timeout=CLOSE_S)
        for place in self._places:
            place.kill()


def _first_line(err: Exception) -> str:
    return next(iter(str(err).strip().splitlines()), type(err).__name__)


def _last_line(err: Exception) -> str:
    return next(reversed(str(err).strip().splitlines()), type(err).__name__)
