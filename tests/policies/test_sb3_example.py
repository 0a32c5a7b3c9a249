"""A few steps of PPO through the gymnasium env, saved, and driven as a policy."""

from pathlib import Path
from typing import Any

import pytest
from gymnasium.utils.env_checker import check_env

pytest.importorskip("stable_baselines3", reason="stable-baselines3 is in the extra `sb3`")

from examples import sb3
from harness.env import CarlaDrivingEnv, EnvConfig
from harness.server import ServerSpec
from policies import make_policy
from policies.base import camera_of


def test_trained_model_drives_as_a_plug_in(carla_server: Any, tmp_path: Path) -> None:
    host, port = carla_server("Town02")
    here = ServerSpec("external", host, port)
    sb3.train(tmp_path / "ppo.zip", 16, server=here)
    policy = make_policy("examples.sb3:Sb3Policy", tmp_path / "ppo.zip")
    assert camera_of(policy) == sb3.CAMERA
    env = CarlaDrivingEnv(EnvConfig(server=here, camera=camera_of(policy)))
    try:
        env.reset(seed=1)
        control = policy.act(env.observation(), None)
        assert 0.0 <= control.throttle <= 1.0
        assert -1.0 <= control.steer <= 1.0
        assert control == policy.act(env.observation(), None)
        check_env(sb3.Sb3Env(env), skip_render_check=True)
    finally:
        env.close()
