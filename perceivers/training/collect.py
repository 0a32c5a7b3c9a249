"""Draw random scenes on a clear day with labels, through the cameras of drives and of track tests.

    python -m perceivers.training collect --frames 2000 --out DATA

Everything that the detector is to know is drawn at random: people, cyclists and cars at 5 to 80 m,
in the lane and beside it. Never in fog or at night: what a sensor adds there could not be told.
"""

from __future__ import annotations

import logging
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from fusiondrive.cli import Flag, check_values, exit_code, parse
from fusiondrive.errors import ConfigError, SimulatorError
from fusiondrive.files import check_folder
from fusiondrive.provenance import source_commit
from harness.perception.labels import label_actors
from harness.server import RunningServer, ServerSpec
from harness.session import Address, Session
from perceivers.frames import CARD, FramesCard, FrameSet, FrameWriter
from perceivers.labelled_frame import LabelledFrame, encode_grey, encode_rgb
from perceivers.training.camera_stage import CAMERAS, CameraStage, Shot
from policies.training.recording import WEATHER_SHARES
from scenarios.route_xml import town_name

logger = logging.getLogger(__name__)

ATTEMPTS = 3
STEP_S = 0.2  # long enough for legs to move
FORBIDDEN = ("Town03", *(f"random:{seed}" for seed in range(1001, 1011)))  # tests and validation
TRACK = "track"
# Every fourth turn is the track's, each time with other houses and trees.
TOWNS = tuple(TRACK if turn % 4 == 0 else f"random:{500 + turn}" for turn in range(16))


@dataclass(frozen=True, kw_only=True)
class CollectOptions:
    """Options of this command."""

    out: Annotated[Path, Flag("folder of the set; one that is there goes on", "DIR")]
    frames: Annotated[int, Flag("pictures to have, of both cameras together", at_least=2)] = 2000
    town: Annotated[
        tuple[str, ...], Flag("that take turns; not those of tests", "NAME", read=town_name)
    ] = TOWNS
    scenes_per_town: Annotated[int, Flag("before the next town's turn", at_least=1)] = 64
    seed: Annotated[int, Flag("of scenes", at_least=0)] = 1

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            ConfigError: a town is not for training.
        """
        check_values(self)
        for town in self.town:
            if town in FORBIDDEN:
                raise ConfigError(
                    f"town '{town}' is for tests and validation; draw training scenes elsewhere, "
                    f"such as in {', '.join(TOWNS[:3])}"
                )

    @property
    def scenes(self) -> int:
        """How many scenes give the frames."""
        return -(-self.frames // len(CAMERAS))


def run(options: CollectOptions, command: str) -> str:
    """Draw what is missing.

    Raises:
        ConfigError: a set of another look or seed is there.
        SimulatorError: the simulator broke again and again.
    """
    check_folder(options.out, flag="--out")
    done, began_s = _next_scene(options), time.monotonic()
    first, failures = done, 0
    while done < options.scenes:
        try:
            for number in _draw_in_one_town(options, command, done):
                done, failures = number + 1, 0
                _show(done, first, options.scenes, began_s)
        except SimulatorError as err:
            failures += 1
            logger.warning("scene %d, attempt %d: %s", done, failures, err)
            if failures == ATTEMPTS:
                raise
    print(file=sys.stderr)
    return f"{options.out}: {len(FrameSet(options.out))} frames"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    command = shlex.join(["python", "-m", "perceivers.training", "collect", *words])
    name = "perceivers.training collect"
    return exit_code(
        lambda: run(parse(CollectOptions, words, name, __doc__), command),
        "stopped; the same command goes on",
    )


def _next_scene(options: CollectOptions) -> int:
    """Number of the first scene that is not there."""
    if not (options.out / CARD).is_file():
        return 0
    there = FrameSet(options.out)
    if there.card.seed != options.seed:
        raise ConfigError(
            f"{options.out}: holds scenes of seed {there.card.seed}, not {options.seed}; give "
            "another --out"
        )
    return 1 + int(there.last().pose.removeprefix("s"))


def _draw_in_one_town(options: CollectOptions, command: str, first: int) -> Iterator[int]:
    """Draw the scenes of a town's turn from one on; gives the numbers of those that are written."""
    turn, _ = divmod(first, options.scenes_per_town)
    town = options.town[turn % len(options.town)]
    last = min((turn + 1) * options.scenes_per_town, options.scenes)
    spec = ServerSpec(town=town, seed=1 + turn)  # other scenery than that of tests
    with ExitStack() as owned:
        own = owned.enter_context
        server = own(RunningServer(spec))
        session = own(Session(Address(server.host, server.port), delta_s=STEP_S))
        session.load(town)
        owned.callback(session.tick)  # the client aborts where sensors and its clock go at once
        stage = own(CameraStage(session))
        writer = own(FrameWriter(options.out, _card(options, command, session)))
        for number in range(first, last):
            scene = stage.draw(np.random.default_rng((options.seed, number)))
            for shot in stage.shoot(scene):
                writer.add(_labelled(shot, town, f"s{number:06d}", scene.weather))
            yield number


def _labelled(shot: Shot, town: str, pose: str, weather: str) -> LabelledFrame:
    assert shot.frame.tags is not None  # the rig has class ids
    return LabelledFrame(
        town=town,
        pose=pose,
        weather=weather,
        camera=shot.camera,
        rgb=encode_rgb(shot.frame.rgb),
        tags=encode_grey(shot.frame.tags),
        objects=label_actors(shot.frame, shot.actors),
    )


def _card(options: CollectOptions, command: str, session: Session) -> FramesCard:
    return FramesCard(
        made_by=command,
        commit=source_commit(),
        look=session.look,
        seed=options.seed,
        about={"towns": list(options.town), "weathers": WEATHER_SHARES},
    )


def _show(done: int, first: int, wanted: int, began_s: float) -> None:
    rate = (done - first) / max(time.monotonic() - began_s, 1e-6)
    left_min = (wanted - done) / max(rate, 1e-6) / 60.0
    text = (
        f"\r{done} of {wanted} scenes, {rate * len(CAMERAS):.1f} frames/s, {left_min:.0f} min left "
    )
    print(text, end="", file=sys.stderr, flush=True)
