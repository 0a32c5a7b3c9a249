"""The command, the environment and the runner against the embedded server, with the real client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import carla
import numpy as np
import pytest

from fusiondrive.errors import ConfigError, MapError
from fusiondrive.types import (
    CameraSpec,
    Control,
    EpisodeContext,
    Observation,
    Pose,
    WorldState,
)
from harness.config import Timeouts
from harness.criteria.lane import CarlaLaneQuery
from harness.env import CarlaDrivingEnv, EnvConfig
from harness.rollout import rollout
from harness.run import main
from harness.scoring import judge_trace
from harness.server import RunningServer, Server, ServerSpec
from harness.session import Address, Session
from harness.trace import TraceRecorder, read_trace
from policies import make_policy
from policies.base import Policy
from results.columns import measured
from results.reading import read_rows
from results.row import EpisodeRow
from results.trace import WALL
from scenarios.route_files import write_route_xml
from scenarios.spec import EpisodeSpec

ROOT = Path(__file__).parents[2]
SMALL = CameraSpec(width=96, height=72)
SPEC = EpisodeSpec("Town02", "00", "clear", "rgb", "none", "expert", seed=3)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with RunningServer(ServerSpec(town="Town02")) as running:
        yield running


@pytest.fixture(scope="module")
def here(server: Server) -> ServerSpec:
    return ServerSpec("external", server.host, server.port)


@pytest.fixture(scope="module")
def short_routes(here: ServerSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 20 m of four ready-made routes: seconds instead of minutes."""
    made = CarlaDrivingEnv(EnvConfig(server=here, camera=SMALL))
    town = made.simulation.town("Town02")
    short = []
    for spec in town.route_specs(None)[:4]:
        route = town.route(spec)
        x, y, z = (float(value) for value in route.points[20])
        goal = Pose(x, y, z, yaw=float(route.yaws[20]))
        short.append(replace(spec, keypoints=(spec.keypoints[0], goal)))
    made.close()
    path = tmp_path_factory.mktemp("routes") / "short.xml"
    write_route_xml(path, short, {})
    return path


@pytest.fixture
def env(here: ServerSpec, short_routes: Path) -> Iterator[CarlaDrivingEnv]:
    made = CarlaDrivingEnv(EnvConfig(server=here, camera=SMALL, route_file=short_routes))
    yield made
    made.close()


def flags(server: Server, out: Path, *more: str) -> list[str]:
    fixed = ["--backend", "external", "--port", str(server.port), "--out", str(out)]
    return [*fixed, "--policy", "expert", *more]


def test_same_seed_gives_the_same_images_and_motion(env: CarlaDrivingEnv) -> None:
    def drive() -> list[tuple[bytes, float, float]]:
        env.reset(options={"spec": SPEC})
        seen = []
        for _ in range(15):
            observation, *_ = env.step(np.array([0.6, 0.05, 0.0], np.float32))
            pose = env.state.ego.pose
            seen.append((observation["image"].tobytes(), pose.x, pose.y))
        return seen

    assert drive() == drive()


def test_the_command_writes_rows_tables_and_traces_and_resumes(
    server: Server, short_routes: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = flags(server, tmp_path, "--route-file", str(short_routes), "--route", "0")
    assert main(command) == 0
    assert "Closed-loop results" in capfd.readouterr().out
    (row,) = read_rows(tmp_path / "rows.jsonl")
    assert (row.outcome, row.backend, row.route_id) == ("success", "embedded", "00")
    assert row.map.split(":")[0] == "authored"
    assert (tmp_path / "table.csv").read_text().count("\n") == 2
    before = (tmp_path / "rows.jsonl").read_bytes()
    assert main(command) == 0
    assert (tmp_path / "rows.jsonl").read_bytes() == before


# 20 m of authored Town02; what a Leaderboard file gives beside keypoints.
WEATHERS = """<weathers>
<weather route_percentage="20" fog_density="0" sun_altitude_angle="60"/>
<weather route_percentage="60" fog_density="80" sun_altitude_angle="-30"/></weathers>"""
SCENARIO = '<scenarios><scenario name="a" type="ParkedObstacle"/></scenarios>'
PLACES = """<waypoints><position x="177" y="-2" z="0"/><position x="167" y="-2" z="0"/>
<position x="167.7" y="-2" z="0"/><position x="157" y="-2" z="0"/></waypoints>"""


def leaderboard_file(path: Path, route_id: str) -> Path:
    route = f'<route id="{route_id}" town="Town02">{WEATHERS}{PLACES}{SCENARIO}</route>'
    path.write_text(f"<routes>{route}</routes>")
    return path


def test_a_files_own_weather_changes_along_the_route(here: ServerSpec, tmp_path: Path) -> None:
    file = leaderboard_file(tmp_path / "r.xml", "0")
    env = CarlaDrivingEnv(EnvConfig(server=here, camera=SMALL, route_file=file, weather="route"))
    spec = replace(SPEC, route_id="0", weather="route")

    def drive() -> list[bytes]:
        observation, _ = env.reset(options={"spec": spec})
        assert env.drive.ego.get_light_state() == carla.VehicleLightState.NONE
        seen = [observation["image"].tobytes()]
        while env.drive.progress.completion < 0.7:
            observation, *_ = env.step(np.array([0.7, 0.0, 0.0], np.float32))
            seen.append(observation["image"].tobytes())
        return seen

    first = drive()
    weather = env.simulation.session.world.get_weather()
    assert (weather.fog_density, weather.sun_altitude_angle) == (80.0, -30.0)
    assert env.drive.ego.get_light_state() & carla.VehicleLightState.LowBeam
    assert drive() == first
    env.close()


def test_rows_say_what_of_a_leaderboard_file_was_driven(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = leaderboard_file(tmp_path / "r.xml", "x/../../../evil")
    out = tmp_path / "deep/down/run"
    command = flags(server, out, "--route-file", str(file))
    assert main(command) == 0
    said = capfd.readouterr().err
    assert said.count("its routes are driven in the weather that it gives") == 1
    assert said.count("not served, and left out of the drives: scenario ParkedObstacle (1)") == 1
    (row,) = read_rows(out / "rows.jsonl")
    assert (row.route_id, row.weather, row.outcome) == ("x/../../../evil", "route", "success")
    assert len(row.weather_digest) == 12
    assert row.unserved == "scenario ParkedObstacle (1)"
    assert row.route_length_m == pytest.approx(20.0, abs=0.6)
    assert len(list((out / "traces").glob("*.parquet"))) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"r.xml", "deep"}
    assert main(command) == 0
    assert main([*command, "--weather", "fog"]) == 0
    assert "since fog was asked for; --weather route drives it" in capfd.readouterr().err
    rows = read_rows(out / "rows.jsonl")
    assert [(r.weather, r.weather_digest != "") for r in rows] == [("route", True), ("fog", False)]


def test_a_trace_scores_as_the_drive_did(env: CarlaDrivingEnv, tmp_path: Path) -> None:
    trace = TraceRecorder()
    live = rollout(env.simulation.begin(SPEC), make_policy("expert"), observers=(trace,))
    trace.write(tmp_path / "trace.parquet")
    lanes = CarlaLaneQuery(env.simulation.session.map)
    again = judge_trace(read_trace(tmp_path / "trace.parquet"), env.route, lanes)
    assert again.outcome is live.outcome
    assert again.distance_m == pytest.approx(live.distance_m)
    assert again.lane_infractions == live.lane_infractions


class Remembered(Policy):
    """The expert, with its answers kept."""

    is_privileged = True

    def __init__(self) -> None:
        self._expert = make_policy("expert")
        self.controls: list[Control] = []

    def reset(self, context: EpisodeContext) -> None:
        self._expert.reset(context)

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        self.controls.append(self._expert.act(observation, state))
        return self.controls[-1]


def test_rollout_and_environment_drive_alike(env: CarlaDrivingEnv) -> None:
    policy, by_rollout, by_env = Remembered(), TraceRecorder(), TraceRecorder()
    score = rollout(env.simulation.begin(SPEC), policy, observers=(by_rollout,))
    env.reset(options={"spec": SPEC})
    by_env.on_step(env.drive, Control())
    for control in policy.controls:
        *_, terminated, truncated, info = env.step([control.throttle, control.steer, control.brake])
        by_env.on_step(env.drive, control)
    assert (terminated, truncated) == (True, False)
    # As rows have them: a raw duration carries float noise of the server's whole life.
    assert measured(EpisodeRow, info["score"]) == measured(EpisodeRow, score)
    assert info["outcome"] == "success"
    assert without_clock(by_env) == without_clock(by_rollout)


def without_clock(trace: TraceRecorder) -> list[dict[str, object]]:
    """Its steps without what a clock on the wall says."""
    return [
        {name: value for name, value in asdict(row).items() if not name.startswith(WALL)}
        for row in trace.rows
    ]


def test_running_into_a_wall_is_a_collision(env: CarlaDrivingEnv) -> None:
    env.reset(options={"spec": SPEC})
    for _ in range(300):
        *_, terminated, _, info = env.step(np.array([0.7, 1.0, 0.0], np.float32))
        if terminated:
            break
    assert info["outcome"] == "collision"
    assert info["score"].collisions


def test_settings_are_restored(server: Server) -> None:
    import carla

    session = Session(Address(server.host, server.port))
    session.load("Town02")
    client = carla.Client(server.host, server.port)
    assert client.get_world().get_settings().synchronous_mode
    session.close()
    session.close()
    assert not client.get_world().get_settings().synchronous_mode


def test_an_unknown_town_lists_what_the_server_has(server: Server) -> None:
    with (
        Session(Address(server.host, server.port)) as session,
        pytest.raises(MapError, match=r"Town99.*has: .*Town02"),
    ):
        session.load("Town99")


def test_another_version_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.probe.CARLA_VERSION", "0.9.15")
    with pytest.raises(ConfigError, match=r"is CARLA 0\.9\.16; this program drives 0\.9\.15"):
        Session(Address(server.host, server.port))


@pytest.mark.server
def test_a_broken_map_is_one_message_and_no_process(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    maps = tmp_path / "maps"
    maps.mkdir()
    (maps / "Town02.xodr").write_text("<OpenDRIVE>")
    command = ["--maps", str(maps), "--policy", "expert", "--out", str(tmp_path / "run")]
    assert main(command) == 2
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "Town02.xodr" in errors[0]


@contextmanager
def start(out: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "harness.run", "--policy", "expert", "--out", str(out), *more]
    # A suite that runs in the background inherits "ignore Ctrl-C"; the command must not.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        run = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        yield run
    finally:
        if run.poll() is None:
            run.terminate()
            run.communicate(timeout=60)


def children(pid: int) -> list[int]:
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(word) for word in found.stdout.split()]


def simulator_of(pid: int) -> int | None:
    for child in children(pid):
        command = Path(f"/proc/{child}/cmdline")
        if command.exists() and b"simulator" in command.read_bytes():
            return child
    return None


def await_rows(out: Path, count: int, run: subprocess.Popen[bytes], limit_s: float = 200.0) -> None:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline and run.poll() is None:
        path = out / "rows.jsonl"
        if path.exists() and path.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.2)
    raise AssertionError(f"{count} rows did not come; exit code {run.poll()}")


def test_ctrl_c_keeps_rows_and_leaves_no_process(short_routes: Path, tmp_path: Path) -> None:
    with start(tmp_path, "--route-file", str(short_routes), "--seeds", "9") as run:
        await_rows(tmp_path, 1, run)
        simulator = simulator_of(run.pid)
        assert simulator is not None
        os.kill(run.pid, signal.SIGINT)
        _, errors = run.communicate(timeout=60)
    assert run.returncode == 130
    assert b"stopped" in errors
    assert not Path(f"/proc/{simulator}").exists()
    assert [row.outcome for row in read_rows(tmp_path / "rows.jsonl")][:1] == ["success"]


def test_a_killed_simulator_is_replaced_and_no_row_is_lost(
    short_routes: Path, tmp_path: Path
) -> None:
    with start(tmp_path, "--route-file", str(short_routes)) as run:
        await_rows(tmp_path, 1, run)
        simulator = simulator_of(run.pid)
        assert simulator is not None
        os.kill(simulator, signal.SIGKILL)
        output, errors = run.communicate(timeout=280)
    assert run.returncode == 0, errors.decode()
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [line["outcome"] for line in lines] == ["success"] * 4
    assert sum(line["wall_attempts"] for line in lines) <= 5
    assert len({line["identity"] for line in lines}) == 4
    assert b"Closed-loop results" in output


@pytest.mark.server
def test_a_dead_server_is_noticed_soon(tmp_path: Path) -> None:
    timeouts = Timeouts(tick_s=5.0, frame_s=5.0)
    with RunningServer(ServerSpec(town="Town02")) as own:
        here = ServerSpec("external", own.host, own.port)
        env = CarlaDrivingEnv(EnvConfig(server=here, camera=SMALL, timeouts=timeouts))
        env.reset(options={"spec": SPEC})
        own.stop()
        began = time.monotonic()
        from fusiondrive.errors import SimulatorError

        with pytest.raises(SimulatorError):
            env.step(np.zeros(3, np.float32))
        assert time.monotonic() - began < 15.0
        env.close()
