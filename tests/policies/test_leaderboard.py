"""Leaderboard agents through the adapter: formats, plan, and a drive on the embedded server."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusiondrive.errors import AgentError, ConfigError
from fusiondrive.types import Command, Observation, Pose
from harness.arms import arms_of
from harness.config import RunConfig
from harness.env import CarlaDrivingEnv, EnvConfig
from harness.guard import GuardedPolicy
from harness.models import check_sight, load_models
from harness.rollout import Stopped, rollout
from harness.server import ServerSpec
from policies import make_policy
from policies.leaderboard.gps import MercatorGps
from policies.leaderboard.policy import LeaderboardPolicy
from scenarios.route_files import write_route_xml
from scenarios.spec import EpisodeSpec

EXAMPLE = Path(__file__).parents[2] / "examples/lane_agent.py"
SPEC = EpisodeSpec("Town02", "00", "clear", "rgb", "none", "agent", seed=3)
ALL_SENSORS = """
from lane_agent import LaneAgent

def get_entry_point():
    return "Everything"

class Everything(LaneAgent):
    def setup(self, path):
        super().setup(path)
        self.config, self.seen, self.times = path, [], []

    def sensors(self):
        at = {"x": 0.7, "y": 0.0, "z": 1.6, "roll": 0.0, "pitch": 0.0, "yaw": -60.0}
        size = {"width": 64, "height": 48, "fov": 90}
        return [
            {"type": "sensor.camera.rgb", "id": "left", **at, **size},
            *super().sensors(),
            {"type": "sensor.lidar.ray_cast", "id": "lidar", **at},
            {"type": "sensor.other.radar", "id": "radar", **at,
             "horizontal_fov": 30, "vertical_fov": 30},
            {"type": "sensor.opendrive_map", "id": "map", "reading_frequency": 1},
        ]

    def run_step(self, input_data, timestamp):
        self.seen, self.times = input_data, [*self.times, timestamp]
        return super().run_step(input_data, timestamp)
"""


def agent_file(folder: Path, text: str, name: str = "agent_of_test.py") -> str:
    (folder / name).write_text(text)
    return f"leaderboard:{folder / name}"


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("agents")
    (folder / "lane_agent.py").write_bytes(EXAMPLE.read_bytes())
    return agent_file(folder, ALL_SENSORS, "everything.py")


@pytest.fixture(scope="module")
def here(carla_server: Any) -> ServerSpec:
    host, port = carla_server("Town02")
    return ServerSpec("external", host, port)


@pytest.fixture(scope="module")
def short_route(here: ServerSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """From a straight through the first turn: 90 m of a ready-made route."""
    made = CarlaDrivingEnv(EnvConfig(server=here))
    town = made.simulation.town("Town02")
    spec = town.route_specs(None)[0]
    route = town.route(spec)
    x, y, z = (float(value) for value in route.points[90])
    goal = Pose(x, y, z, yaw=float(route.yaws[90]))
    made.close()
    path = tmp_path_factory.mktemp("routes") / "short.xml"
    write_route_xml(path, [replace(spec, keypoints=(spec.keypoints[0], goal))], {})
    return path


def test_an_agent_drives_a_route_and_sees_what_it_asked_for(
    everything: str, here: ServerSpec, short_route: Path
) -> None:
    policy = make_policy(everything, agent_config=short_route, fused_camera="front")
    assert isinstance(policy, LeaderboardPolicy)
    config = EnvConfig(
        server=here, camera=policy.camera, sensors=policy.sensors, route_file=short_route
    )
    env = CarlaDrivingEnv(config)
    try:
        score = rollout(env.simulation.begin(SPEC), policy)
        agent, steps, image, grid = policy.agent, env.drive.steps, env.drive.views.image, None
        grid = MercatorGps(env.simulation.session.map)
        place = grid.of_place(env.state.ego.pose.x, env.state.ego.pose.y)
        speed = env.observation().speed_mps
    finally:
        env.close()
    assert score.outcome.value == "success"
    assert agent.config == str(short_route)
    assert agent.times == pytest.approx([0.1 * i for i in range(len(agent.times))])
    assert len(agent.times) == steps
    data = agent.seen
    assert {frame for frame, _ in data.values()} == {steps}
    shapes: dict[str, tuple[int, ...]] = {
        name: getattr(value, "shape", ()) for name, (_, value) in data.items()
    }
    assert shapes["left"] == (48, 64, 4)
    assert shapes["front"] == (240, 320, 4)
    assert image.shape == (240, 320, 3)
    assert shapes["lidar"][0] > 5_000
    assert shapes["lidar"][1] == shapes["radar"][1] == 4
    assert (data["lidar"][1][:, 3] <= 1.0).all()  # intensity is last
    assert (data["radar"][1][:, 0] <= 100.0).all()  # depth first
    assert data["radar"][1][:, 0].mean() > 1.0
    assert shapes["imu"] == (7,)
    assert data["imu"][1][2] == pytest.approx(9.81, abs=1.5)
    assert np.abs(data["gps"][1][:2] - place).max() < 8e-5  # 0.6 m of noise, a step of 0.6 m
    assert data["speed"][1]["speed"] == pytest.approx(speed, abs=1.0)
    assert "<OpenDRIVE" in data["map"][1]["opendrive"]
    dense, kept = agent._points, agent._global_plan
    assert 2 <= len(kept) < len(dense)
    assert [type(option).__name__ for _, option in kept][:1] == ["RoadOption"]
    options = {int(option) for _, option in agent._global_plan_world_coord}
    assert 4 in options
    assert options & {1, 2, 3}
    policy.close()
    assert policy.agent is None


METRICS = """
import carla
from leaderboard.autoagents.autonomous_agent import AutonomousAgent
def get_entry_point():
    return "Measures"
class Measures(AutonomousAgent):
    def run_step(self, input_data, timestamp):
        self.metrics = self.get_metric_info()
        return carla.VehicleControl(throttle=1.0, reverse=True)
"""


def test_an_agent_of_bench2drive_measures_its_car_and_reverses(
    here: ServerSpec, short_route: Path, tmp_path: Path
) -> None:
    policy = make_policy(agent_file(tmp_path, METRICS, "measures.py"))
    assert isinstance(policy, LeaderboardPolicy)
    env = CarlaDrivingEnv(EnvConfig(server=here, route_file=short_route))
    try:
        drive = env.simulation.begin(SPEC)
        with pytest.raises(Stopped):
            rollout(drive, policy, should_stop=lambda: drive.steps >= 10)
        seen = [policy.agent.metrics[name] for name in ("location", "rotation", "forward_vector")]
        pose, speed = env.state.ego.pose, env.observation().speed_mps
    finally:
        env.close()
    assert seen[0] == pytest.approx([pose.x, pose.y, pose.z], abs=0.5)  # of the step before
    assert seen[1][2] == pytest.approx(pose.yaw, abs=0.5)
    assert np.linalg.norm(seen[2]) == pytest.approx(1.0, abs=1e-4)
    assert speed < -0.5


def test_the_chosen_camera_shows_the_harness_image(everything: str) -> None:
    for wanted, name, size in ((None, "left", (64, 48)), ("front", "front", (320, 240))):
        policy = make_policy(everything, fused_camera=wanted)
        camera = policy.camera
        assert (camera.width, camera.height) == size
        assert name not in [spec.sensor_id for spec in policy.sensors]
    assert make_policy(everything).weights_hash() != policy.weights_hash()


def test_rgb_becomes_bgra(tmp_path: Path) -> None:
    text = """
from leaderboard.autoagents import autonomous_agent
import carla
def get_entry_point():
    return "Old"
class Old(autonomous_agent.AutonomousAgent):
    def setup(self, path_to_conf_file):
        self.path = path_to_conf_file
    def sensors(self):
        return [{"type": "sensor.camera.rgb", "id": "c", "width": 4, "height": 2, "fov": 90}]
    def run_step(self, input_data, timestamp):
        blue, green, red, alpha = (float(v) / 255 for v in input_data["c"][1][0, 0])
        return carla.VehicleControl(throttle=red, steer=green, brake=blue, hand_brake=alpha < 1)
"""
    policy = make_policy(agent_file(tmp_path, text, "old_agent.py"))
    policy.agent = policy._kind("the path")  # type: ignore[attr-defined]
    assert policy.agent.path == "the path"  # type: ignore[attr-defined]  # Leaderboard 1's way
    image = np.full((2, 4, 3), (51, 102, 153), np.uint8)
    control = policy.act(Observation(image, 0.0, Command.FOLLOW, (5.0, 0.0)), None)
    assert (control.throttle, control.steer, control.brake) == pytest.approx((0.2, 0.4, 0.6))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "no get_entry_point.. in it; not a Leaderboard agent"),
        ("def get_entry_point(): return 'Gone'", "says 'Gone', no such class in it"),
        ("def get_entry_point(): return 'A'\nclass A: pass", "A has no setup.., not an agent"),
        ("import srunner", "needs 'srunner', not installed; put CARLA's PythonAPI/carla"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def get_entry_point(): return 1 / 0", "get_entry_point: ZeroDivisionError"),
    ],
)
def test_what_is_no_agent_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("..,", r"\(\);").replace("..", r"\(\)")):
        make_policy(agent_file(tmp_path, text))


AGENT_WITH = """
from leaderboard.autoagents.autonomous_agent import AutonomousAgent
def get_entry_point():
    return "A"
class A(AutonomousAgent):
    def setup(self, path):
        {setup}
    def sensors(self):
        return [{sensor}]
"""


@pytest.mark.parametrize(
    ("setup", "sensor", "message"),
    [
        ("raise ValueError(path)", "", "setup: ValueError"),
        ("pass", "{'type': 'sensor.sonar', 'id': 's'}", "'s': unknown type 'sensor.sonar'; known"),
        (
            "pass",
            "{'type': 'sensor.camera.rgb', 'id': 's'}",
            "sensor.camera.rgb needs 'width'",
        ),
        ("pass", "*[{'type': 'sensor.other.imu', 'id': 's'}] * 2", "sensors share an id: s, s"),
        ("pass", "{'type': 'sensor.other.imu', 'id': 's', 'x': 'a'}", "'s': x must be a number"),
        ("pass", "'sensor.other.imu'", "expected dicts, found 'sensor.other.imu'"),
        ("raise SystemExit(1)", "", r"setup: SystemExit: 1 \(agent_of_test.py, line 7, setup\)"),
    ],
)
def test_faults_of_an_agent_are_named(
    tmp_path: Path, setup: str, sensor: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_policy(agent_file(tmp_path, AGENT_WITH.format(setup=setup, sensor=sensor)))


def test_a_destroy_that_fails_without_a_drive_is_worth_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = AGENT_WITH.format(setup="pass", sensor="") + "    def destroy(self): del self.net\n"
    policy = make_policy(agent_file(tmp_path, text))
    assert "destroy: AttributeError" in caplog.text
    policy.agent = policy._kind("", 0, False)  # type: ignore[attr-defined]
    with pytest.raises(AgentError, match=r"AttributeError: .*agent_of_test.py, line 10, destroy"):
        GuardedPolicy(policy).finish()


@pytest.mark.heavy
def test_an_agent_that_hangs_in_setup_is_interrupted(tmp_path: Path) -> None:
    text = AGENT_WITH.format(setup="import time; time.sleep(60)", sensor="")
    config = tmp_path / "run.yaml"
    agent = agent_file(tmp_path, text, "sleeps.py")
    config.write_text(f"policy: {agent}\ntimeouts:\n  agent_setup_s: 0.3\n", encoding="utf-8")
    # In a process of its own: the limit is an alarm of the process.
    command = [sys.executable, "-m", "harness.run", "--config", str(config), "--out", "out"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=50, check=False
    )
    assert done.returncode == 2
    assert re.search(r"no answer within 0\.3 s \(sleeps.py, line 7, setup\)", done.stderr)


def test_weights_are_not_for_agents(tmp_path: Path) -> None:
    config = RunConfig(policy="leaderboard:a.py", policy_weights=tmp_path / "a.py+b.pth")
    with pytest.raises(ConfigError, match="takes --agent-config, not weights"):
        load_models(config, arms_of(config))


def test_inputs_need_a_camera_to_replace(tmp_path: Path) -> None:
    name = agent_file(tmp_path, AGENT_WITH.format(setup="pass", sensor=""))
    config = RunConfig(policy=name, input=("rgb", "fused"))
    with pytest.raises(ConfigError, match="arm 'student' would replace the image"):
        check_sight(config, make_policy(name), arms_of(config))
    with pytest.raises(ConfigError, match=r"unknown fused camera 'x'; .* none"):
        make_policy(name, fused_camera="x")
    with pytest.raises(ConfigError, match="agent-config and fused-camera are for leaderboard:"):
        make_policy("expert", fused_camera="x")
