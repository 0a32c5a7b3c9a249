"""Record the expert's drives.

    python -m policies.training.collect --town Town02 --hours 1 --out DATA

Clear weathers only: a policy that has seen fog or night could not tell what a sensor adds there.
Towns given side by side, and `--sceneries` of each, take turns every few drives: a policy that has
seen few houses and trees learns them by heart instead of the street.
"""

from __future__ import annotations

import logging
import multiprocessing
import shlex
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fusiondrive.cli import (
    Flag,
    Parser,
    check_values,
    command_parser,
    configured,
    exit_code,
)
from fusiondrive.errors import ConfigError, OutputError, SimulatorError
from fusiondrive.files import check_folder, output
from harness.supervision import (
    EXIT_BAD_INPUT,
    MAX_DEATHS,
    Child,
    Pulse,
    child_code,
    how_it_died,
)
from policies.base import camera_of
from policies.framing import framing
from policies.loading import load_cilrs
from policies.training.dataset import recorded_frames, write_card
from policies.training.recording import (
    TRAFFIC_SHARES,
    WEATHER_SHARES,
    WORLD_DRIVES,
    CollectConfig,
    World,
    open_simulation,
    record_with_retries,
)

if TYPE_CHECKING:
    from harness.simulation import Simulation

logger = logging.getLogger(__name__)

FRAMES_PER_HOUR = 36_000  # ten a second
NO_ROOM = 74  # exit code of a worker that cannot write, EX_IOERR of sysexits.h


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command beside those of `CollectConfig`."""

    out: Annotated[Path, Flag("folder of the data set")]
    hours: Annotated[float | None, Flag("of driving; 36,000 frames each", more_than=0)] = None
    frames: Annotated[int | None, Flag("how many to record, in place of --hours", more_than=0)] = (
        None
    )
    workers: Annotated[int, Flag("server and client pairs", at_least=1)] = 1

    def __post_init__(self) -> None:
        """Check the options."""
        check_values(self)
        if (self.hours is None) is (self.frames is None):
            raise ConfigError("expected --hours or --frames, one of the two")

    @property
    def wanted(self) -> int:
        """Frames to record."""
        return self.frames or round((self.hours or 0.0) * FRAMES_PER_HOUR)


def parser() -> Parser:
    """Options of the command."""
    made = command_parser("policies.training.collect", __doc__, Options, CollectConfig)
    lights = made.add_mutually_exclusive_group()
    lights.add_argument("--obey-lights", dest="obey_lights", action="store_true", default=True)
    lights.add_argument("--ignore-lights", dest="obey_lights", action="store_false")
    return made


def run(arguments: list[str] | None) -> str:
    """Record as a command line says."""
    words = sys.argv[1:] if arguments is None else arguments
    found = parser().parse_args(words)
    options = configured(Options, found)
    config = configured(CollectConfig, found, frames=options.wanted, obey_lights=found.obey_lights)
    check_folder(options.out, flag="--out")
    command = shlex.join(["python", "-m", "policies.training.collect", *words])
    collect(config, options.out, options.workers, command)
    return ""


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    return exit_code(lambda: run(arguments), "stopped; the same command goes on")


def collect(config: CollectConfig, out: Path, workers: int, command: str) -> None:
    """Run the workers until enough frames are there, then write the data card.

    Raises:
        ConfigError: the driver looks through another camera.
        SimulatorError: a worker died.
    """
    _check_driver(config)
    with output(out):
        out.mkdir(parents=True, exist_ok=True)
    stop = multiprocessing.get_context("spawn").Event()
    crew = [Child(_work, (config, out, (number, workers), stop)) for number in range(workers)]
    try:
        _watch(crew, config.frames, out)
    finally:
        stop.set()
        for worker in crew:
            worker.end(patience_s=60.0)
    write_card(
        out,
        {
            "command": command,
            "config": asdict(config),
            **framing(config.framing).to_dict(),
            "weathers": WEATHER_SHARES,
            "traffic": TRAFFIC_SHARES,
        },
    )


def _check_driver(config: CollectConfig) -> None:
    """A wrong file ends the command before a server starts."""
    if config.driver is None:
        return
    if camera_of(load_cilrs(Path(config.driver))) != framing(config.framing).camera:
        raise ConfigError(
            f"--driver {config.driver} looks through another camera than that of --framing "
            f"{config.framing}"
        )


def _watch(crew: list[Child], wanted: int, out: Path) -> None:
    """Print progress on one line until enough is recorded; begin dead workers anew.

    CARLA's client library can end its process (the Traffic Manager does so when it loses an
    actor) or hang in it, so both are met as a simulator's death: what was saved stays.
    """
    counts = recorded_frames(out)
    deaths, episodes = 0, len(counts)
    started, at_first = time.monotonic(), sum(counts.values())
    while True:
        counts = recorded_frames(out, counts)
        frames = sum(counts.values())
        spent_s = time.monotonic() - started
        rate = (frames - at_first) / max(spent_s, 1e-6)
        print(f"\r{frames} of {wanted} frames, {rate:.1f} frames/s ", end="", flush=True)
        if frames >= wanted:
            print()
            return
        if len(counts) > episodes:
            deaths, episodes = 0, len(counts)
        deaths = _revive(crew, deaths, out)
        time.sleep(1.0)  # of this display only: the workers pace themselves


def _revive(crew: list[Child], deaths: int, out: Path) -> int:
    """Begin dead workers anew; returns the deaths in a row so far.

    Raises:
        ConfigError: a worker says that nothing can be recorded.
        OutputError: a worker says that the disk takes no more.
        SimulatorError: they die again and again.
    """
    for number, worker in enumerate(crew):
        code = worker.exit_code()
        if not code:
            continue
        if code == EXIT_BAD_INPUT:
            raise ConfigError("nothing can be recorded as asked")
        if code == NO_ROOM:
            raise OutputError(f"{out} takes no more; make room, and the same command goes on")
        deaths += 1
        how = how_it_died(code)
        if deaths > MAX_DEATHS * len(crew):
            raise SimulatorError(f"workers died {deaths} times in a row, last: {how}")
        print(f"\nworker {number} died ({how}); beginning it anew")
        worker.begin()
    return deaths


def _work(config: CollectConfig, out: Path, share: tuple[int, int], stop: Any, pulse: Pulse) -> int:
    """A worker's process, told to stop by its parent."""
    said = f"\nworker {share[0]}: "
    orders = _Orders(stop, pulse)
    return child_code(lambda: _record(config, out, share, orders), died=said, refused=said)


@dataclass(frozen=True)
class _Orders:
    """What a worker hears and says while it drives."""

    stop: Any
    pulse: Pulse

    def is_set(self) -> bool:
        """Give a sign of life; tell whether to stop."""
        self.pulse.beat()
        return bool(self.stop.is_set())


def _record(config: CollectConfig, out: Path, share: tuple[int, int], stop: _Orders) -> None:
    """Record the episodes of every `share[1]`-th world, from `share[0]` on, until told to stop."""
    done = recorded_frames(out)
    number = share[0]
    opened: World | None = None
    with ExitStack() as resources:
        while not stop.is_set():
            first = number * WORLD_DRIVES
            keys = [key for key in range(first, first + WORLD_DRIVES) if key not in done]
            world = config.world(first)
            if keys and world != opened:
                resources.close()
                simulation, opened = open_simulation(config, world, out), world
                resources.callback(simulation.close)
            for key in keys:
                if not stop.is_set():
                    _record_or_leave(simulation, config, key, out, stop)
            number += share[1]


def _record_or_leave(
    simulation: Simulation, config: CollectConfig, key: int, out: Path, stop: Any
) -> None:
    """End this process where the disk takes no more: a worker begun anew would fare no better."""
    try:
        record_with_retries(simulation, config, key, out, stop)
    except OutputError as err:
        logger.error("%s", err)
        sys.exit(NO_ROOM)


if __name__ == "__main__":
    sys.exit(main())
