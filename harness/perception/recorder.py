"""Drives of the expert whose moments are kept, town by town, in a process of its own."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from fusiondrive.errors import ConfigError, SimulatorError
from fusiondrive.types import CameraSpec, Control, EpisodeContext, Observation, WorldState
from harness.env_config import EnvConfig
from harness.perception.moment import MomentReader, brakes_for_somebody
from harness.perception.poses import FrozenPose, SetFacts, read_poses, write_poses
from harness.perception.record_options import RecordOptions, part_path
from harness.perception.sampling import Sampler
from harness.rollout import Stopped, rollout
from harness.server import ServerSpec
from harness.simulation import Simulation
from harness.supervision import Pulse, child_code
from policies.base import Policy
from policies.expert import ExpertPolicy
from scenarios.route_files import map_identity
from scenarios.spec import EpisodeSpec

EYE = CameraSpec(width=16, height=12)  # nobody looks: the expert knows the world
MOST_STEPS = 3000  # of a drive
MOST_EMPTY = 20  # drives in a row


class WatchedExpert(Policy):
    """The expert, whose moments are kept."""

    is_privileged = True

    def __init__(self, reader: MomentReader, sampler: Sampler, beat: Callable[[], None]) -> None:
        self._expert = ExpertPolicy()
        self._reader, self._sampler, self._beat = reader, sampler, beat
        self.poses: list[FrozenPose] = []

    def reset(self, context: EpisodeContext) -> None:
        """Give the expert its route."""
        self._expert.reset(context)

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """Drive, and keep the moment if it is one to keep."""
        assert state is not None  # it is privileged
        self._beat()
        control = self._expert.act(observation, state)
        hazard, _ = self._reader.hazard(state)
        is_needed = bool(hazard) or brakes_for_somebody(self._expert.hazard, control)
        speed = observation.forward_speed_mps
        if self._sampler.takes(observation.time_s, speed, is_needed=is_needed):
            self.poses.append(self._reader.read(observation, state, control, self._expert))
        self._reader.advance()
        return control


def record_drive(
    simulation: Simulation, spec: EpisodeSpec, number: int, most: int, beat: Callable[[], None]
) -> list[FrozenPose]:
    """Moments of one drive.

    Args:
        simulation: where it is driven.
        spec: what is driven.
        number: of the drive within its town.
        most: moments to keep.
        beat: called with every step.
    """
    drive = simulation.begin(spec)
    sampler = Sampler(spec.seed, most)
    expert = WatchedExpert(MomentReader(drive, number), sampler, beat)
    with suppress(Stopped):
        rollout(drive, expert, should_stop=lambda: sampler.is_full or drive.steps >= MOST_STEPS)
    return expert.poses


class _Recorder:
    """Fills the parts of a set, a town at a time."""

    def __init__(self, options: RecordOptions, beat: Callable[[], None]) -> None:
        self._options, self._beat = options, beat
        self._began_s, self._count = time.monotonic(), 0

    def fill(self) -> None:
        """Record every town that is not there yet."""
        missing = [town for town in self._options.all_towns if not self._has(town)]
        for town in missing:
            # A server of its own each: what was driven before must leave no trace.
            with Simulation(_env(town, self._options)) as simulation:
                poses = self._drive_town(simulation, town)
                session = simulation.session
                maps = {town: map_identity(session.map)}
                facts = SetFacts(session.look, maps, self._options.settings)
                write_poses(poses, facts, part_path(self._options.out, town))
            print(file=sys.stderr)

    def _has(self, town: str) -> bool:
        """Whether a town's part is there.

        Raises:
            ConfigError: it was recorded with other settings.
        """
        path = part_path(self._options.out, town)
        if not path.is_file():
            return False
        found = read_poses(path).facts.settings
        if dict(found) != json.loads(json.dumps(self._options.settings)):
            raise ConfigError(f"{path} was recorded with other settings; remove {path.parent}")
        return True

    def _drive_town(self, simulation: Simulation, town: str) -> list[FrozenPose]:
        options, poses, empty = self._options, list[FrozenPose](), 0
        routes, number = simulation.routes(town), 0
        while len(poses) < options.share(town):
            spec = EpisodeSpec(
                town=town,
                route_id=routes[number % len(routes)].route_id,
                weather="clear",
                input="rgb",
                fuser="none",
                policy="expert",
                seed=(options.seed * 10_000 + number) % 2**31,
                traffic=options.traffic,
                hazards="all",
                speed_kmh=options.speed[number % len(options.speed)],
            )
            most = min(options.per_drive, options.share(town) - len(poses))
            found = record_drive(simulation, spec, number, most, self._beat)
            empty = 0 if found else empty + 1
            if empty > MOST_EMPTY:
                raise SimulatorError(f"{town}: {empty} drives in a row ended without a pose")
            poses, number = [*poses, *found], number + 1
            self._tell(town, len(poses), len(found))
        return poses

    def _tell(self, town: str, done: int, more: int) -> None:
        self._count += more
        pace = self._count / max(time.monotonic() - self._began_s, 1e-6)
        text = f"\r{town}: {done} of {self._options.share(town)} poses, {pace:.2f}/s "
        print(text, end="", file=sys.stderr, flush=True)


def _env(town: str, options: RecordOptions) -> EnvConfig:
    return EnvConfig(
        server=ServerSpec(town=town), town=town, camera=EYE, traffic=options.traffic, hazards="all"
    )


def work(options: RecordOptions, pulse: Pulse) -> int:
    """The child: CARLA's client can abort or hang, and a new child goes on after the last town."""
    recorder = _Recorder(options, pulse.beat)
    return child_code(recorder.fill, died="\nerror: ", refused="error: ")
