"""A slot on another node: what an actor of Ray does there, without a word of Ray.

It keeps its records in a folder of its own on the node and hands them over with each answer, so
that nodes and the runner need no common file system.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path

from fusiondrive.errors import FusionDriveError
from fusiondrive.provenance import package_version, source_commit
from harness.config import FILES, RunConfig
from harness.messages import Driven
from harness.place import Assignment
from harness.slot import Slot

LOGS = "logs"


@dataclass(frozen=True)
class NodeFacts:
    """What a node says of itself, to be compared with the runner's machine."""

    name: str
    package_version: str
    commit: str
    lacking: tuple[str, ...] = ()  # files of the configurations that are not there


@dataclass(frozen=True)
class Report:
    """How an assignment stands."""

    answer: object | None  # None while it is driven
    is_ready: bool  # the server has answered
    waited_s: float
    so_far: Driven | None
    server_rss_mb: float | None
    files: Mapping[str, bytes] = field(default_factory=dict)  # by path in a run's folder


class RemoteSlot:
    """Drives one assignment at a time on its node, and reports when it is asked."""

    def __init__(
        self, configs: Sequence[RunConfig], number: int, label: str, working_folder: str
    ) -> None:
        """Nothing is started yet.

        Args:
            configs: the parts of the run, with whole paths.
            number: of the slot among those of the run.
            label: of the folder of its logs.
            working_folder: of the runner, from where names of a user's own modules are found.
        """
        if os.path.isdir(working_folder):
            os.chdir(working_folder)
        self._folder = tempfile.TemporaryDirectory(prefix="fusiondrive-")
        self._out = Path(self._folder.name)
        here = [config.model_copy(update={"out": self._out}) for config in configs]
        self._configs = here
        self._slot = Slot(here, number, self._out / LOGS / label)
        self._refusal: FusionDriveError | None = None
        self._sent: dict[Path, tuple[int, int]] = {}  # size and time of change

    def facts(self) -> NodeFacts:
        """What this node is."""
        paths = {getattr(config, name) for config in self._configs for name in FILES}
        lacking = sorted(str(path) for path in paths if path is not None and not path.exists())
        return NodeFacts(platform.node(), package_version(), source_commit(), tuple(lacking))

    def give(self, assignment: Assignment) -> None:
        """Begin with an assignment."""
        self._refusal = None
        try:
            self._slot.give(assignment)
        except FusionDriveError as err:  # no server can be started: it is the answer
            self._refusal = err

    def poll(self, patience_s: float) -> Report:
        """How the assignment stands, as soon as it is answered or after some wall-clock seconds."""
        deadline = time.monotonic() + patience_s
        answer: object | None = self._refusal
        while answer is None:
            answer = self._slot.poll()
            left_s = deadline - time.monotonic()
            if answer is not None or left_s <= 0.0:
                break
            wait(self._slot.waitables(), min(left_s, 1.0))
        slot = self._slot
        report = Report(
            answer=answer,
            is_ready=slot.is_ready,
            waited_s=slot.waited_s,
            so_far=slot.so_far,
            server_rss_mb=slot.server_rss_mb(),
            files={} if answer is None else self._new_files(),
        )
        if answer is not None:
            slot.assignment = None
        return report

    def shut_down(self) -> None:
        """End worker and server."""
        self._slot.shut_down()

    def close(self) -> None:
        """End worker and server, and leave nothing on the node."""
        self._slot.shut_down()
        self._folder.cleanup()

    def replace_worker(self) -> None:
        """Give the next assignment a fresh process."""
        self._slot.replace_worker()

    def _new_files(self) -> dict[str, bytes]:
        """Files that are new or have changed; what is no log is not needed here any more."""
        found: dict[str, bytes] = {}
        for path in sorted(item for item in self._out.rglob("*") if item.is_file()):
            facts = path.stat()
            stamp = (facts.st_size, facts.st_mtime_ns)
            relative = path.relative_to(self._out)
            if path.name.startswith(".") or self._sent.get(path) == stamp:
                continue
            found[relative.as_posix()] = path.read_bytes()
            if relative.parts[0] == LOGS:
                self._sent[path] = stamp
            else:
                path.unlink()
        return found
