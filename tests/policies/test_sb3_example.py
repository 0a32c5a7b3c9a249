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


@pytest.mark.parametrize("has_image", [False, True])
def test_trained_model_drives_as_a_plug_in(
    has_image: bool, carla_server: Any, tmp_path: Path
) -> None:
    host, port = carla_server("Town02")
    here = ServerSpec("external", host, port)
    sb3.train(tmp_path / "ppo.zip", 16, has_image=has_image, server=here)
    policy = make_policy("examples.sb3:Sb3Policy", tmp_path / "ppo.zip")
    assert camera_of(policy) == (sb3.CAMERA if has_image else sb3.NO_PICTURE)
    env = CarlaDrivingEnv(EnvConfig(server=here, camera=camera_of(policy)))
    try:
        env.reset(seed=1)
        control = policy.act(env.observation(), None)
        assert 0.0 <= control.throttle <= 1.0
        assert -1.0 <= control.steer <= 1.0
        assert control == policy.act(env.observation(), None)
        check_env(sb3.Sb3Env(env, has_image=has_image), skip_render_check=True)
    finally:
        env.close()


def test_the_curve_is_drawn_from_the_episodes(tmp_path: Path) -> None:
    log = tmp_path / "ppo.monitor.csv"
    log.write_text('#{"t_start": 0}\nr,l,t,completion\n3.5,400,9.1,0.02\n20.0,300,15.2,0.2\n')
    sb3.draw_curve(log, tmp_path / "ppo.png")
    assert (tmp_path / "ppo.png").read_bytes().startswith(b"\x89PNG")
