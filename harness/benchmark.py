"""Milliseconds per stage of a closed-loop step: `python -m harness.benchmark`."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tabulate import tabulate

from fusiondrive.arms import RGB
from fusiondrive.errors import ConfigError, FusionDriveError
from fusiondrive.paths import user_path
from fusiondrive.text import lenient_output
from fusiondrive.types import Control
from harness.checks import check_names, check_reachable
from harness.config import BACKENDS, Timeouts
from harness.drive import Drive
from harness.env_config import EnvConfig
from harness.guard import GuardedPolicy
from harness.probe import DEFAULT_PORT, read_profile
from harness.rollout import Stopped, rollout
from harness.server import RunningServer, ServerSpec, process_rss_mb
from harness.session import DELTA_S
from harness.simulation import Simulation
from policies import check_policy, make_policy
from policies.base import Policy
from scenarios.hazards.kinds import read_hazards
from scenarios.spec import EpisodeSpec
from scenarios.weather import preset
from sensors.arms import arm_named, make_image_maker

CLIENT_STAGES = (
    *("tick", "images", "world", "judge", "hazards", "thermal", "enhance", "fusion", "policy"),
)
OVERHEAD_STAGES = ("world", "judge", "hazards", "rest")  # what is neither picture nor driver
WARM_UP_STEPS = 20


@dataclass(frozen=True)
class Timing:
    """What was measured; milliseconds are means per step."""

    steps: int
    seconds: float
    client_ms: dict[str, float]
    server_ms: dict[str, float] | None  # None where the server has no profile
    client_rss_mb: float | None
    server_rss_mb: float | None

    @property
    def steps_per_s(self) -> float:
        """Closed-loop steps per second of wall-clock time."""
        return self.steps / self.seconds

    @property
    def overhead(self) -> float:
        """Share of a step that the harness itself takes: reading, judging, handing over; 0 to 1."""
        spent_ms = sum(self.client_ms[name] for name in OVERHEAD_STAGES)
        return spent_ms * self.steps_per_s / 1000.0


class _Meter:
    """Ends a drive after so many steps, and times them without what came before the first."""

    def __init__(self, simulation: Simulation, limit: int) -> None:
        self._clock, self._limit = simulation.clock, limit
        self._address = simulation.session.address
        self._began_s = 0.0
        self.steps = 0
        self.seconds = 0.0

    def on_step(self, drive: Drive, control: Control) -> None:
        """Begin anew before the first step, and count the others."""
        if drive.steps == 0:
            self._clock.reset()
            read_profile(self._address.host, self._address.port)
            self._began_s = time.perf_counter()
        self.steps, self.seconds = drive.steps, time.perf_counter() - self._began_s

    def is_full(self) -> bool:
        """Whether the steps that were asked for are driven."""
        return self.steps >= self._limit


def measure(simulation: Simulation, policy: Policy, spec: EpisodeSpec, steps: int) -> Timing:
    """Drive `steps` steps after a warm-up, episodes one after the other; resets are not counted."""
    address = simulation.session.address
    _drive(simulation, policy, spec, WARM_UP_STEPS)
    seconds, driven = 0.0, 0
    totals_s = dict.fromkeys(CLIENT_STAGES, 0.0)
    server_ms: dict[str, float] | None = None
    while driven < steps:
        meter = _drive(simulation, policy, spec, steps - driven)
        seconds += meter.seconds
        driven += meter.steps
        for name in CLIENT_STAGES:
            totals_s[name] += simulation.clock.totals_s.get(name, 0.0)
        if server_ms is None:
            server_ms = read_profile(address.host, address.port)
    client_ms = {name: 1000.0 * totals_s[name] / driven for name in CLIENT_STAGES}
    client_ms["rest"] = 1000.0 * seconds / driven - sum(client_ms.values())
    return Timing(driven, seconds, client_ms, server_ms, process_rss_mb(os.getpid()), None)


def _drive(simulation: Simulation, policy: Policy, spec: EpisodeSpec, limit: int) -> _Meter:
    """One drive, until its end or that of the steps."""
    meter = _Meter(simulation, limit)
    with contextlib.suppress(Stopped):
        rollout(simulation.begin(spec), policy, observers=(meter,), should_stop=meter.is_full)
    return meter


def report(timing: Timing) -> str:
    """The measurement as text."""
    lines = [[f"client: {name}", f"{ms:.2f}"] for name, ms in timing.client_ms.items()]
    if timing.server_ms is None:
        lines.append(["server: (no profile: not the embedded server)", ""])
    else:
        for name, ms in timing.server_ms.items():
            if name != "ticks":
                lines.append([f"server: {name}", f"{ms:.2f}"])
    grid = tabulate(lines, headers=["stage", "ms per step"], tablefmt="github")
    overhead = f"overhead ({', '.join(OVERHEAD_STAGES)}): {timing.overhead:.1%} of a step"
    memory = f"memory: client {_mb(timing.client_rss_mb)}, server {_mb(timing.server_rss_mb)}"
    note = (
        "`tick` and `images` are the client's waiting; the server's stages happen within them "
        "or side by side with the client's own."
    )
    speed = (
        f"{timing.steps} steps in {timing.seconds:.1f} s: {timing.steps_per_s:.1f} steps/s, "
        f"{timing.steps_per_s * DELTA_S:.2f} times real time"
    )
    return "\n".join([grid, "", speed, overhead, memory, note])


def _mb(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f} MB"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    lenient_output()
    try:
        _run(_parser().parse_args(arguments))
    except FusionDriveError as err:
        print(f"error: {err}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _run(options: argparse.Namespace) -> None:
    preset(options.weather)
    if options.no_camera and options.arm is not None:
        raise ConfigError(f"arm '{options.arm}' needs a camera: leave --arm or --no-camera out")
    arm = arm_named(options.arm or (RGB if options.no_camera else "oracle"))
    make_image_maker(arm)
    name = options.policy or ("constant" if options.no_camera else "cilrs")
    check_policy(name)
    check_names("backend", [options.backend], BACKENDS)
    read_hazards(options.hazards)
    if options.steps < 1:
        raise ConfigError(f"steps: expected at least 1, found {options.steps}")
    if options.backend == "external":
        check_reachable(options.host, options.port or DEFAULT_PORT, Timeouts().connect_s)
    policy = GuardedPolicy(make_policy(name))
    if options.no_camera and policy.uses_image:
        raise ConfigError(f"policy '{name}' needs a camera: leave --policy or --no-camera out")
    spec = EpisodeSpec(
        town=options.town,
        route_id=options.route,
        weather=arm.weather or options.weather,
        input=arm.input,
        fuser=arm.fuser,
        policy=name,
        seed=0,
        traffic=options.traffic,
        collision_mode="continue",
        hazards=options.hazards,
    )
    server_spec = ServerSpec(
        options.backend, options.host, options.port, options.town, options.maps
    )
    print("starting the simulator; its first start compiles the renderer", file=sys.stderr)
    with RunningServer(server_spec) as server:
        here = ServerSpec("external", server.host, server.port)
        camera = None if options.no_camera else policy.camera
        config = EnvConfig(server=here, camera=camera, sensors=policy.sensors)
        with Simulation(config) as simulation:
            timing = measure(simulation, policy, spec, options.steps)
            print(report(replace(timing, server_rss_mb=server.rss_mb())))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m harness.benchmark", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--town", default="Town02")
    parser.add_argument("--weather", default="fog")
    parser.add_argument("--arm", help="default: oracle")
    parser.add_argument("--policy", help="default: cilrs; constant with --no-camera")
    parser.add_argument("--no-camera", action="store_true", help="no images, state alone")
    parser.add_argument("--route", default="0")
    parser.add_argument("--traffic", default="empty")
    parser.add_argument("--hazards", default="none", help="none, all, or NAME,NAME")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--backend", default="embedded")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int)
    parser.add_argument("--maps", type=user_path, metavar="DIR")
    return parser


if __name__ == "__main__":
    sys.exit(main())
