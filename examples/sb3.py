"""Reinforcement learning with stable-baselines3 through the gymnasium environment.

Train, then drive what came of it like any other policy:

    pip install 'fusiondrive[sb3]'
    python -m examples.sb3 --steps 20000 --out ppo.zip
    python -m harness.run --policy examples.sb3:Sb3Policy --weights ppo.zip --routes 5
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import PPO

from fusiondrive.paths import user_path
from fusiondrive.types import CameraSpec, Control, Observation, WorldState
from harness import ENV_ID
from policies.base import Policy

SIZE = (84, 84)
CAMERA = CameraSpec(width=160, height=120)
SPEED_SCALE_MPS = 12.0


def features(
    image: NDArray[np.uint8], speed_mps: float, command: int, target: tuple[float, float]
) -> dict[str, NDArray[np.generic]]:
    """What the network sees; the same in training and when driving."""
    small = cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA)  # (84, 84, 3)
    one_hot = np.eye(4, dtype=np.float32)[command - 1]
    state = (speed_mps / SPEED_SCALE_MPS, target[0] / 10.0, target[1] / 10.0)
    return {"image": small, "state": np.concatenate((np.array(state, np.float32), one_hot))}


class Sb3Env(gymnasium.Wrapper):
    """Small images, one state vector, and pedals as one action in [-1, 1]: brake or throttle."""

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(0, 255, (*SIZE, 3), np.uint8),
                "state": spaces.Box(-np.inf, np.inf, (7,), np.float32),
            }
        )
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)  # pedals, steer

    def reset(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode."""
        seen, info = self.env.reset(**kwargs)
        return self._features(seen), info

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Drive 0.1 s."""
        control = to_control(action)
        values = np.array([control.throttle, control.steer, control.brake], np.float32)
        seen, reward, terminated, truncated, info = self.env.step(values)
        return self._features(seen), reward, terminated, truncated, info

    def _features(self, seen: dict[str, Any]) -> dict[str, NDArray[np.generic]]:
        target = (float(seen["target_point"][0]), float(seen["target_point"][1]))
        return features(seen["image"], float(seen["speed"][0]), int(seen["command"]), target)


def to_control(action: NDArray[np.float32]) -> Control:
    """Pedals in [-1, 1] and steer to a control."""
    pedals, steer = (float(np.clip(value, -1.0, 1.0)) for value in action)
    return Control(throttle=max(pedals, 0.0), steer=steer, brake=max(-pedals, 0.0))


class Sb3Policy(Policy):
    """Drives a saved model; `--policy examples.sb3:Sb3Policy --weights FILE`."""

    camera = CAMERA

    def __init__(self, weights: Path) -> None:
        self._model = PPO.load(weights, device="cpu")

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """The model's mean action."""
        seen = features(
            observation.image,
            observation.forward_speed_mps,
            int(observation.command),
            observation.target_point,
        )
        action, _ = self._model.predict(seen, deterministic=True)
        return to_control(action)


def train(out: Path, steps: int, **settings: object) -> None:
    """Train PPO and save it; `settings` go to the environment."""
    env = Sb3Env(gymnasium.make(ENV_ID, camera=CAMERA, **settings))
    try:
        batch = min(64, steps)
        model = PPO("MultiInputPolicy", env, n_steps=min(512, steps), batch_size=batch, seed=0)
        model.learn(steps)
        model.save(out)
    finally:
        env.close()


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m examples.sb3", description=__doc__)
    parser.add_argument("--town", default="Town02")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--out", type=user_path, default=Path("ppo.zip"))
    options = parser.parse_args(arguments)
    train(options.out, options.steps, town=options.town)


if __name__ == "__main__":
    main()
