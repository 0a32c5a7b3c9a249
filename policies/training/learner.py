"""What a training run changes, and the checkpoints that keep it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from fusiondrive.errors import ConfigError
from fusiondrive.files import whole_file
from fusiondrive.provenance import file_hash
from fusionproxy.training import restore_average
from policies.checkpoints import read_checkpoint
from policies.cilrs_network import Cilrs
from policies.training.path_head import PathHead


class Learner(NamedTuple):
    """What training changes."""

    net: Cilrs
    path_head: PathHead
    average: AveragedModel  # of the weights; what is kept in the end
    optimizer: torch.optim.Optimizer

    def descend(self, loss: Tensor, most_gradient: float) -> None:
        """One step down the gradient of a loss; the average follows."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        parameters = [*self.net.parameters(), *self.path_head.parameters()]
        torch.nn.utils.clip_grad_norm_(parameters, most_gradient)
        self.optimizer.step()
        self.average.update_parameters(self.net)


def begin_with(path: Path, net: Cilrs) -> str:
    """Load the averaged weights of an earlier run or export; returns the file's hash."""
    state = read_checkpoint(path)
    if "fusiondrive_cilrs" not in state:
        raise ConfigError(
            f"--init: {path} is not of policies.training.train or policies.training.export"
        )
    before = json.loads(state["fusiondrive_cilrs"])["network"]
    if before != net.config.to_dict():
        raise ConfigError(f"--init: {path} holds {before}, this run trains {net.config.to_dict()}")
    net.load_state_dict(state["model"])
    return file_hash(path)


def save(path: Path, learner: Learner, facts: dict[str, object]) -> None:
    """Write a checkpoint for `--resume` and `policies.training.export`, without pickled classes.

    Args:
        path: of the checkpoint.
        learner: what was trained.
        facts: plain values, with the `train` configuration, `step` and `minutes`.
    """
    state = {
        "fusiondrive_cilrs": json.dumps(facts),
        "model": learner.average.module.state_dict(),
        "raw_model": learner.net.state_dict(),
        "path_head": learner.path_head.state_dict(),
        "optimizer": learner.optimizer.state_dict(),
    }
    with whole_file(path, RuntimeError) as draft:  # torch's writer raises RuntimeError
        torch.save(state, draft)


def restore(path: Path, learner: Learner) -> tuple[int, float]:
    """Load a checkpoint of the same network; returns the step and the seconds spent."""
    if not path.is_file():
        raise ConfigError(f"--resume: {path}: no such file")
    state = torch.load(path, weights_only=True)
    facts = json.loads(state["fusiondrive_cilrs"])
    if facts["network"] != learner.net.config.to_dict():
        raise ConfigError(
            f"--resume: {path} holds {facts['network']}, this run trains "
            f"{learner.net.config.to_dict()}"
        )
    if "path_head" not in state:
        raise ConfigError(f"--resume: {path} is of an earlier version; begin with it by --init")
    learner.net.load_state_dict(state["raw_model"])
    learner.path_head.load_state_dict(state["path_head"])
    learner.optimizer.load_state_dict(state["optimizer"])
    restore_average(learner.average, state["model"], int(facts["step"]))
    return int(facts["step"]), 60.0 * float(facts["minutes"])
