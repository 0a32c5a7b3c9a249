"""Trains detector and segmenter: what a run learns from and changes, step by step.

The command line is in `perceivers.training.train`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import torch
from safetensors.torch import load_file

from fusiondrive.cli import Flag, check_values
from fusiondrive.errors import ConfigError
from fusiondrive.files import output
from fusiondrive.paths import path_text
from fusiondrive.provenance import file_hash, source_commit
from fusionproxy.training import Descent, load_state, restore_average, save_state
from perceivers.training.batches import draw_batch, load_pool
from perceivers.training.judging import judge
from perceivers.training.losses import loss_of
from perceivers.training.network import NetworkConfig, PerceiverNetwork

LAST = "last.pth"
LOG = "log.jsonl"
INERTIA = 0.98
TENSORS = ".safetensors"
MAY_CHANGE = ("steps", "minutes", "check_every", "judged", "threads")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that changes what is learnt."""

    data: Annotated[
        tuple[str, ...], Flag("sets of perceivers.training collect", "DIR", read=path_text)
    ]
    held_out: Annotated[tuple[str, ...], Flag("towns to judge by", "TOWN")] = (
        "random:501",
        "random:502",
    )
    minutes: Annotated[float | None, Flag("of training, or --steps", more_than=0)] = None
    steps: Annotated[int, Flag("whichever ends first", at_least=1)] = 1_000_000
    batch: Annotated[int, Flag("patches", at_least=1)] = 16
    learning_rate: Annotated[float, Flag("at its highest", more_than=0)] = 2e-3
    weight_decay: Annotated[float, Flag("as AdamW takes it", at_least=0)] = 1e-4
    warmup_steps: Annotated[int, Flag("until the highest rate", at_least=1)] = 100
    ema: Annotated[float, Flag("decay of the weights' average", at_least=0, at_most=1)] = 0.998
    check_every: Annotated[int, Flag("steps between checkpoints", at_least=1)] = 500
    judged: Annotated[int, Flag("held-out frames that are judged by", at_least=1)] = 200
    seed: Annotated[int, Flag("of weights and patches", at_least=0)] = 0
    threads: Annotated[int, Flag("of the CPU", at_least=1)] = 2
    init: Annotated[
        str | None,
        Flag("to begin with: a run's last.pth or an export's .safetensors", "FILE", read=path_text),
    ] = None
    backbone: Annotated[str, Flag("of timm, with strides 4 to 32")] = "mobilenetv3_small_100"
    channels: Annotated[int, Flag("of the pyramid", at_least=8)] = 32

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ConfigError: a value is out of bounds.
        """
        check_values(self)

    @property
    def network(self) -> NetworkConfig:
        """What shapes the network."""
        return NetworkConfig(self.backbone, self.channels)


def train(config: TrainConfig, out: Path, *, resume: bool = False) -> Mapping[str, Any]:
    """Train until the budget is used; gives what the last judgement found.

    Raises:
        ConfigError: the data, `--init` or the checkpoint do not fit.
        OutputError: the folder cannot be written.
    """
    torch.set_num_threads(config.threads)
    torch.set_flush_denormal(True)
    run = _Run(config, out)
    with output(out):
        out.mkdir(parents=True, exist_ok=True)
    if resume:
        run.restore()
    elif (out / LAST).is_file():
        raise ConfigError(f"{out}: holds a run; go on with --resume, or give another --out")
    run.introduce()
    run.descent.run_to_the_end(run.advance, run.tell, run.check, INERTIA)
    print()
    return run.numbers


class _Run:
    """One run."""

    def __init__(self, config: TrainConfig, out: Path) -> None:
        torch.manual_seed(config.seed)
        self._config, self._out = config, out
        self._commit = source_commit()
        self._pool = load_pool([Path(folder) for folder in config.data], config.held_out)
        self._network = PerceiverNetwork(config.network)
        self._begun_with = begin_with(Path(config.init), self._network) if config.init else ""
        self.descent = Descent(config, self._network)
        self._rng = np.random.default_rng(config.seed)
        self.numbers: dict[str, Any] = {}

    def introduce(self) -> None:
        """Say what is trained on what."""
        parameters = sum(item.numel() for item in self._network.parameters())
        print(
            f"{len(self._pool.training)} frames to train on, {len(self._pool.held_out)} held out; "
            f"{parameters / 1e6:.2f} M parameters"
        )

    def advance(self) -> float:
        """One step; gives its loss."""
        self.descent.set_rate()
        batch = draw_batch(self._pool.training, self._config.batch, self._rng)
        loss = loss_of(self._network.train()(batch.pictures), batch.targets, batch.segments)
        self.descent.descend(loss)
        return float(loss.detach())

    def tell(self, smooth: float) -> None:
        """Show progress."""
        done = self.descent.step * self._config.batch
        self.descent.show_progress(smooth, f"{done / self.descent.seconds:.1f} patches/s")

    def check(self, smooth: float) -> None:
        """Judge by frames that are held out, and keep the weights."""
        average = cast(PerceiverNetwork, self.descent.ema.module)
        self.numbers = judge(average, _evenly(self._pool.held_out, self._config.judged))
        save_state(self._out / LAST, self._state())
        line = {"step": self.descent.step, "loss": round(smooth, 4), **self.numbers}
        with output(self._out / LOG), (self._out / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def restore(self) -> None:
        """Go on from the checkpoint."""
        path = self._out / LAST
        if not path.is_file():
            raise ConfigError(f"--resume: {path}: no such file")
        state = load_state(path, _plain(self._config), may_differ=MAY_CHANGE)
        self._network.load_state_dict(state["raw_model"])
        self.descent.optimizer.load_state_dict(state["optimizer"])
        self.descent.step, self.descent.seconds = state["step"], state["seconds"]
        restore_average(self.descent.ema, state["model"], self.descent.step)
        self._begun_with = state["facts"]["begun_with"]
        self._rng = np.random.default_rng((self._config.seed, self.descent.step))

    def _state(self) -> dict[str, Any]:
        descent = self.descent
        return {
            "config": _plain(self._config),
            "model": descent.ema.module.state_dict(),
            "raw_model": self._network.state_dict(),
            "optimizer": descent.optimizer.state_dict(),
            "step": descent.step,
            "seconds": descent.seconds,
            "facts": self._facts(),
        }

    def _facts(self) -> dict[str, Any]:
        """What the model card tells of the run."""
        cards = self._pool.cards
        frames = [*self._pool.training, *self._pool.held_out]
        cameras = sorted({json.dumps(asdict(frame.camera)) for frame in frames})
        return {
            "network": self._config.network.to_dict(),
            "cameras": [json.loads(camera) for camera in cameras],
            "looks": sorted({card.look for card in cards.values() if card.look is not None}),
            "data": [{"hash": key, **asdict(card)} for key, card in cards.items()],
            "weathers": sorted({frame.weather for frame in frames}),
            "trained_on": len(self._pool.training),
            "begun_with": self._begun_with,
            "minutes": round(self.descent.seconds / 60.0, 2),
            "commit": self._commit,
            "torch": str(torch.__version__),
            "held_out": self.numbers,
        }


def begin_with(path: Path, network: PerceiverNetwork) -> str:
    """Load the averaged weights of an earlier run or of its export; returns the file's hash.

    Raises:
        ConfigError: it is no checkpoint of such a run, or of another network.
    """
    if not path.is_file():
        raise ConfigError(f"--init: {path}: no such file")
    try:
        if path.suffix == TENSORS:
            found = load_file(path)
            state = {k: v.float() if v.is_floating_point() else v for k, v in found.items()}
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)["model"]
        network.load_state_dict(state)
    except Exception as err:  # torch and safetensors raise of many kinds for broken files
        text = " ".join(str(err).split())[:160]
        raise ConfigError(
            f"--init: {path} holds no weights of {network.config.backbone} with "
            f"{network.config.channels} channels ({text})"
        ) from err
    return file_hash(path)


def read_run(path: Path) -> tuple[PerceiverNetwork, dict[str, Any]]:
    """The averaged network of a run and the facts of its card.

    Raises:
        ConfigError: it is no checkpoint of such a run.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; expected a folder of perceivers.training train")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network = PerceiverNetwork(NetworkConfig(**state["facts"]["network"]))
        network.load_state_dict(state["model"])
    except Exception as err:  # as above
        text = " ".join(str(err).split())[:160]
        raise ConfigError(f"{path}: no checkpoint of perceivers.training train ({text})") from err
    facts = {**state["facts"], "step": state["step"], "train": state["config"]}
    return network.eval(), facts


def _plain(config: TrainConfig) -> dict[str, Any]:
    """Settings as JSON has them, so that those of a checkpoint are equal."""
    return cast(dict[str, Any], json.loads(json.dumps(asdict(config))))


def _evenly(frames: list[Any], most: int) -> list[Any]:
    places = np.linspace(0, len(frames) - 1, min(most, len(frames))).round().astype(int)
    return [frames[int(place)] for place in places]
