"""Reinforcement learning with stable-baselines3 through the gymnasium environment.

Train on an empty road, look at the curve, then drive what came of it like any other policy:

    pip install 'fusiondrive[sb3]'
    python -m examples.sb3 --steps 20000 --out ppo.zip
    python -m harness.run --policy examples.sb3:Sb3Policy --weights ppo.zip --routes 5

The network sees its speed, the route's command and a point of the route some 10 m ahead, which is
enough to keep the lane; with `--image` it sees the camera's picture as well, and learns for longer.
Episodes and the curve are in FILE.monitor.csv and FILE.png beside the weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import gymnasium
import matplotlib as mpl
import numpy as np
import pandas as pd
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.monitor import Monitor

from fusiondrive.paths import user_path
from fusiondrive.types import CameraSpec, Control, Observation, WorldState
from harness import ENV_ID
from policies.base import Policy

SIZE = (84, 84)
CAMERA = CameraSpec(width=160, height=120)
NO_PICTURE = CameraSpec(width=16, height=12)  # each pixel costs time, and nobody looks
SPEED_SCALE_MPS = 12.0
EPISODE_STEPS = 400  # 40 s: a car that is stuck would wait for 90 s
# Lights are left out: they are not in the state.
COSTS = {"collision": 50.0, "deviation": 20.0, "blocked": 20.0, "lane_infraction": 2.0}
SMOOTHED = 25  # episodes, in the curve

Features = dict[str, NDArray[np.generic]]


def state_of(speed_mps: float, command: int, target: tuple[float, float]) -> NDArray[np.float32]:
    """What the network knows without a picture, (7,); the same in training and when driving."""
    one_hot = np.eye(4, dtype=np.float32)[command - 1]
    state = (speed_mps / SPEED_SCALE_MPS, target[0] / 10.0, target[1] / 10.0)
    return np.concatenate((np.array(state, np.float32), one_hot))


def small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture as the network sees it, (84, 84, 3)."""
    return np.asarray(cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA), np.uint8)


class Sb3Env(gymnasium.Wrapper):
    """One state vector, pedals as one action in [-1, 1] (brake or throttle), and small images."""

    def __init__(self, env: gymnasium.Env, *, has_image: bool = False) -> None:
        super().__init__(env)
        self._has_image = has_image
        parts: dict[str, spaces.Space[Any]] = {"state": spaces.Box(-np.inf, np.inf, (7,))}
        if has_image:
            parts["image"] = spaces.Box(0, 255, (*SIZE, 3), np.uint8)
        self.observation_space = spaces.Dict(parts)
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)  # pedals, steer

    def reset(self, **kwargs: Any) -> tuple[Features, dict[str, Any]]:
        """Begin an episode."""
        seen, info = self.env.reset(**kwargs)
        return self._features(seen), info

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[Features, float, bool, bool, dict[str, Any]]:
        """Drive 0.1 s."""
        control = to_control(action)
        values = np.array([control.throttle, control.steer, control.brake], np.float32)
        seen, reward, terminated, truncated, info = self.env.step(values)
        return self._features(seen), float(reward), terminated, truncated, info

    def _features(self, seen: dict[str, Any]) -> Features:
        target = (float(seen["target_point"][0]), float(seen["target_point"][1]))
        found: Features = {"state": state_of(float(seen["speed"][0]), int(seen["command"]), target)}
        if self._has_image:
            found["image"] = small(seen["image"])
        return found


def to_control(action: NDArray[np.float32]) -> Control:
    """Pedals in [-1, 1] and steer to a control."""
    pedals, steer = (float(np.clip(value, -1.0, 1.0)) for value in action)
    return Control(throttle=max(pedals, 0.0), steer=steer, brake=max(-pedals, 0.0))


class Sb3Policy(Policy):
    """Drives a saved model; `--policy examples.sb3:Sb3Policy --weights FILE`."""

    def __init__(self, weights: Path) -> None:
        self._model = PPO.load(weights, device="cpu")
        self._has_image = "image" in self._model.observation_space.spaces
        self.camera = CAMERA if self._has_image else NO_PICTURE

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """The model's mean action."""
        speed_mps, command = observation.forward_speed_mps, int(observation.command)
        seen: Features = {"state": state_of(speed_mps, command, observation.target_point)}
        if self._has_image:
            seen["image"] = small(observation.image)
        action, _ = self._model.predict(seen, deterministic=True)
        return to_control(action)


def train(out: Path, steps: int, *, has_image: bool = False, **settings: Any) -> None:
    """Train PPO, save it, and draw its curve.

    Args:
        out: the weights' file.
        steps: of the environment, 0.1 s each.
        has_image: whether the network sees pictures.
        settings: of the environment.
    """
    torch.set_num_threads(1)  # the network is small, and the server needs the other cores
    camera = CAMERA if has_image else NO_PICTURE
    made = gymnasium.make(
        ENV_ID,
        max_episode_steps=EPISODE_STEPS,
        camera=camera,
        reward={"costs": COSTS},
        **settings,
    )
    log = out.with_suffix("")
    env = Monitor(Sb3Env(made, has_image=has_image), str(log), info_keywords=("completion",))
    try:
        count = min(512, steps)
        model = PPO(
            "MultiInputPolicy",
            env,
            n_steps=count,
            batch_size=min(128, count),
            learning_rate=5e-4,
            gamma=0.98,  # 5 s ahead
            policy_kwargs={"log_std_init": -1.0},  # a car that is shaken goes nowhere
            device="cpu",
            seed=0,
            verbose=1,
        )
        model.learn(steps)
        model.save(out)
    finally:
        env.close()
    draw_curve(log.with_suffix(".monitor.csv"), out.with_suffix(".png"))


def draw_curve(log: Path, picture: Path) -> None:
    """Draw return and share of the route by step, smoothed over episodes."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    episodes = pd.read_csv(log, skiprows=1)
    steps = episodes["l"].cumsum() / 1000.0
    figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    labels = {"r": "return, metres less costs", "completion": "share of the route in 40 s"}
    for axis, (column, label) in zip(axes, labels.items(), strict=True):
        axis.plot(steps, episodes[column], ".", color="0.8", markersize=3)
        axis.plot(steps, episodes[column].rolling(SMOOTHED, min_periods=1).mean(), color="C0")
        axis.set(xlabel="thousand steps of 0.1 s", ylabel=label)
        axis.grid(alpha=0.3)
    figure.savefig(picture, dpi=110)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.sb3",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--town", default="Town02")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--image", action="store_true", help="let the network see pictures")
    parser.add_argument("--out", type=user_path, default=Path("ppo.zip"))
    options = parser.parse_args(arguments)
    train(options.out, options.steps, has_image=options.image, town=options.town)


if __name__ == "__main__":
    main()
