"""Agents that fail in one route: the route is lost, the run goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fusiondrive.errors import AgentError
from fusiondrive.types import CameraSpec, Control, Observation, Pose, WorldState
from harness.config import RunConfig
from harness.env import CarlaDrivingEnv, EnvConfig
from harness.guard import AgentClock
from harness.messages import DriveTask
from harness.place import AgentDeath, Assignment
from harness.rollout import rollout
from harness.run import main
from harness.server import RunningServer, Server, ServerSpec
from harness.worker import Attempt, Records
from policies import make_policy
from policies.base import Policy
from results.reading import read_rows
from scenarios.route_files import write_route_xml
from scenarios.spec import EpisodeSpec

SMALL = CameraSpec(width=96, height=72)
SPEC = EpisodeSpec("Town02", "00", "clear", "rgb", "none", "mine", seed=3)
FAULTY = """
import json, multiprocessing, os, time, carla
from leaderboard.autoagents.autonomous_agent import AutonomousAgent

def get_entry_point():
    return "Faulty"

class Faulty(AutonomousAgent):
    def setup(self, path):
        self.steps = 0
        start = self._global_plan_world_coord[0][0].location
        with open(path) as file:
            faults = json.load(file)
        near = [f for f in faults if abs(f["x"] - start.x) + abs(f["y"] - start.y) < 5.0]
        self.fault = near[0]["fault"] if near else "none"

    def sensors(self):
        return [{"type": "sensor.speedometer", "id": "speed"}]

    def run_step(self, input_data, timestamp):
        self.steps += 1
        if self.steps == 2 and self.fault == "none":  # agents may have processes of their own
            child = multiprocessing.get_context("fork").Process(target=int)
            child.start()
            child.join()
        if self.steps == 4 and self.fault == "raise":
            raise ValueError("out of memory")
        if self.steps == 12 and self.fault == "hang":
            time.sleep(600)
        if self.steps == 12 and self.fault == "die":
            os._exit(7)
        return carla.VehicleControl(throttle=0.5)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with RunningServer(ServerSpec(town="Town02")) as running:
        yield running


@pytest.fixture
def env(server: Server) -> Iterator[CarlaDrivingEnv]:
    here = ServerSpec("external", server.host, server.port)
    made = CarlaDrivingEnv(EnvConfig(server=here, camera=SMALL))
    yield made
    made.close()


@pytest.fixture
def routes(env: CarlaDrivingEnv, tmp_path: Path) -> tuple[Path, list[Pose]]:
    """The first 20 m of four ready-made routes with four starts."""
    town = env.simulation.town("Town02")
    short: dict[tuple[float, float], object] = {}
    for spec in town.route_specs(None):
        route = town.route(spec)
        x, y, z = (float(value) for value in route.points[20])
        goal = Pose(x, y, z, yaw=float(route.yaws[40]))
        begin = spec.keypoints[0]
        short.setdefault((begin.x, begin.y), replace(spec, keypoints=(begin, goal)))
    chosen = list(short.values())[:4]
    path = tmp_path / "short.xml"
    write_route_xml(path, chosen, {})  # type: ignore[arg-type]
    return path, [spec.keypoints[0] for spec in chosen]  # type: ignore[attr-defined]


def test_each_failed_route_is_a_row_and_the_run_goes_on(
    server: Server,
    routes: tuple[Path, list[Pose]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, starts = routes
    faults = ("none", "raise", "hang", "die")
    (tmp_path / "agent.py").write_text(FAULTY)
    (tmp_path / "faults.json").write_text(
        json.dumps([{"x": s.x, "y": s.y, "fault": f} for s, f in zip(starts, faults, strict=True)])
    )
    (tmp_path / "config.yaml").write_text("timeouts: {agent_step_s: 2.0}")
    out = tmp_path / "out"
    command = ["--backend", "external", "--port", str(server.port), "--out", str(out)]
    command += ["--policy", f"leaderboard:{tmp_path}/agent.py", "--route-file", str(path)]
    command += ["--agent-config", f"{tmp_path}/faults.json", "--retries", "0"]
    assert main([*command, "--config", str(tmp_path / "config.yaml")]) == 0
    rows = read_rows(out / "rows.jsonl")
    assert rows[0].outcome not in ("agent_error", "sim_error")
    assert [row.outcome for row in rows[1:]] == ["agent_error"] * 3
    assert [row.error for row in rows] == [
        "",
        "ValueError: out of memory (agent.py, line 27, run_step)",
        "no answer within 2 s (agent.py, line 29, run_step)",
        "the driving process died (exit code 7) in the agent's code",
    ]
    assert [row.steps for row in rows[1:]] == [3, 11, 10]  # 10: of the last sign of life
    assert all(row.driving_score is not None and row.distance_m is not None for row in rows)
    printed = capsys.readouterr().out
    assert "Agent errors, 3 in all, are failures within n: 1 x ValueError: out of mem" in printed
    traces = sorted((out / "errors").iterdir())
    assert len(traces) == 2
    assert "time.sleep(600)" in "".join(trace.read_text() for trace in traces)
    assert len(list((out / "traces").iterdir())) == 3


def test_what_breaks_after_the_goal_breaks_no_success(
    server: Server, routes: tuple[Path, list[Pose]], tmp_path: Path
) -> None:
    here = ServerSpec("external", server.host, server.port)
    env = CarlaDrivingEnv(EnvConfig(server=here, camera=SMALL, route_file=routes[0]))
    policy = make_policy("expert")
    try:
        env.reset(options={"spec": SPEC})
        policy.reset(env.drive.context())
        attempt = Attempt(
            env.drive, Records(RunConfig(out=tmp_path), DriveTask(SPEC, "x")), time.monotonic()
        )
        early = attempt.failed(AgentError("no plan left"), "")
        while env.score().outcome.value != "success":
            env.drive.step(policy.act(env.observation(), env.state))
        assert not env.drive.is_over
        late = attempt.failed(AgentError("no plan left"), "")
    finally:
        env.close()
    assert (early.score.outcome.value, early.error) == ("agent_error", "no plan left")
    assert (late.score.outcome.value, late.error) == ("success", "after the goal: no plan left")


class Backs(Policy):
    def act(self, observation: Observation, state: WorldState | None) -> Control:
        return Control(throttle=0.5, reverse=True)


def test_reverse_gear_drives_backwards_and_the_hand_brake_holds(env: CarlaDrivingEnv) -> None:
    env.reset(options={"spec": SPEC})
    for _ in range(15):
        env.drive.step(Backs().act(env.observation(), None))
    assert env.observation().forward_speed_mps < -1.0
    env.reset(options={"spec": SPEC})
    for _ in range(15):
        env.drive.step(Control(throttle=0.4, hand_brake=True))
    held = env.observation().forward_speed_mps
    env.reset(options={"spec": SPEC})
    for _ in range(15):
        env.drive.step(Control(throttle=0.4))
    assert env.observation().forward_speed_mps > held + 1.0


class Fails(Policy):
    def act(self, observation: Observation, state: WorldState | None) -> Control:
        if observation.time_s > 0.35:
            raise RuntimeError("broken")
        return Control(throttle=1.0)


def test_a_failed_rollout_keeps_its_score(env: CarlaDrivingEnv) -> None:
    with pytest.raises(AgentError, match=r"RuntimeError: broken \(test_agent_errors.py, line"):
        rollout(env.simulation.begin(SPEC), Fails())
    assert env.drive.steps == 4
    assert env.score().duration_s == pytest.approx(0.4)


def test_only_a_process_that_dies_in_every_turn_of_the_agent_is_the_agents_fault() -> None:
    death = AgentDeath("died")
    assignment = Assignment(DriveTask(SPEC, "x"))
    assert assignment.is_agents_fault(death)
    assert assignment.again(death).is_agents_fault(death)
    assert not assignment.again(AgentError("other")).is_agents_fault(death)
    assert not assignment.is_agents_fault(AgentError("other"))


def test_the_clock_runs_in_turns_only() -> None:
    clock = AgentClock()
    assert not clock.is_running
    assert clock.overrun_s < 0.0
    clock.begin(0.0)
    assert clock.is_running
    assert clock.overrun_s >= 0.0
    clock.end()
    assert not clock.is_running
    assert clock.left_s > 0.0
